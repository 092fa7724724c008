from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from physiolect.training import stop_signals


def test_a_signal_asks_once_and_insists_the_second_time() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals(None) as stop:
        assert not stop.asked()
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked()
        assert stop.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_the_clock_alone_ends_a_run() -> None:
    def run(minutes: float | None) -> bool:
        with stop_signals(minutes) as stop:
            assert signal.getsignal(signal.SIGTERM) is before
            while minutes and not stop.asked():
                pass
            return stop.asked()

    before = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, 1e-4).result(timeout=10)
        assert not pool.submit(run, None).result(timeout=10)
