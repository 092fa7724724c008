"""A window keeps its place in the recording's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from physiolect import Checkpoint, Recording, adapt
from physiolect.errors import CheckpointError, ConfigError, ContractError
from physiolect.explanation import cut_window, cut_windows

Make = Callable[..., Checkpoint]


def test_the_last_window_is_what_the_model_sees_and_when_it_was(make: Make, heart: Recording) -> None:
    checkpoint = make()
    window = cut_window(checkpoint, heart, first=10.0)
    adapted, report = adapt(heart, checkpoint.contract)
    ids, _ = checkpoint.tokenizer.encode(adapted.signal[0])
    np.testing.assert_array_equal(window.ids, ids)
    np.testing.assert_allclose(window.time, 10.0 + report.start + np.arange(300) / 100)
    assert (window.start, window.channel, window.unit) == (15.0, "II", "mV")
    np.testing.assert_allclose(window.signal, adapted.signal[0], atol=1e-6)


def test_moments_are_samples_and_those_outside_are_refused(make: Make, heart: Recording) -> None:
    window = cut_window(make(), heart)
    assert window.sample(None) == 299
    assert [window.sample(moment) for moment in (5.0, 6.004, 7.99)] == [0, 100, 299]
    for moment in (4.98, 8.0, float("nan")):
        with pytest.raises(ConfigError, match=r"lies outside the window, which is 5.00 to 7.99 s") as caught:
            window.sample(moment)
        assert "another stretch" in str(caught.value.hint)


def test_windows_lie_back_from_the_end_and_bad_ones_are_left_out(make: Make, heart: Recording) -> None:
    signal = heart.signal.copy()
    signal[0, 2000 - 750 - 300 : 2000 - 750 - 200] = np.nan  # 0.4 s, in the window before the last
    broken = replace(heart, signal=signal)
    assert [window.start for window in cut_windows(make(), heart)] == [2.0, 5.0]
    assert [window.start for window in cut_windows(make(), broken)] == [5.0]
    assert [window.start for window in cut_windows(make(), heart, limit=1)] == [5.0]
    signal[0, -800:] = 1.0
    with pytest.raises(ContractError, match="the last window of the recording is flat"):
        cut_window(make(), broken)


def test_several_channels_at_once_are_refused(make: Make, heart: Recording) -> None:
    checkpoint = make()
    two = replace(checkpoint, contract=replace(checkpoint.contract, channels=("I", "II")))
    with pytest.raises(CheckpointError, match="takes 2 channels, but explanations of levels are of one"):
        cut_window(two, heart)
