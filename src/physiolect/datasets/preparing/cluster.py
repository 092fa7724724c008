"""Files prepared by the workers of a Dask cluster that share a disk with this machine."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from physiolect import __version__
from physiolect.datasets.preparing.preparation import File, Preparation, Prepared, prepare_file
from physiolect.datasets.preparing.workers import Lost
from physiolect.errors import PhysiolectError, require

_CONNECT = 15.0
"""Seconds that a scheduler has to answer."""
_REFRESH = 2.0
"""Seconds between two looks at how many workers there are."""


class Cluster:
    """The workers of a Dask scheduler; this process alone writes, so that nothing is written twice.

    A worker that dies is the scheduler's to notice: it gives the work to another, and gives a file up after so
    many dead workers as its `allowed-failures` says.

    Args:
        recipe: How files are prepared.
        address: Of the scheduler, "tcp://host:port".

    Raises:
        PhysiolectError: Dask is not installed here, or no scheduler answers.
    """

    def __init__(self, recipe: Preparation, address: str) -> None:
        distributed = require("distributed", extra="cluster")
        try:
            self._client = distributed.Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise PhysiolectError(
                f"no Dask scheduler answers at {address}",
                hint="start one with `dask scheduler`, and give the address that it prints",
            ) from error
        self._killed: type[Exception] = distributed.KilledWorker
        self._address = address
        self._recipe = recipe
        self._given: dict[str, tuple[File, Any]] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._slots, self._counted = 0, -_REFRESH

    @property
    def slots(self) -> int:
        """Two a worker's thread, the second to begin with while the first one's outcome travels."""
        if time.monotonic() - self._counted >= _REFRESH:
            threads = sum(self._asked().values())
            if not threads:
                warnings.warn(
                    f"the scheduler at {self._address} has no workers: the work waits for one (dask worker "
                    f"{self._address})",
                    stacklevel=2,
                )
            self._slots = 2 * max(1, threads)
            self._counted = time.monotonic()
        return self._slots

    def give(self, file: File) -> None:
        """Submit a file."""
        # impure: a file of the same name and settings may have changed since another run
        future = self._client.submit(_prepare, file, self._recipe, __version__, pure=False)
        self._given[future.key] = (file, future)
        future.add_done_callback(self._ended.put)

    def take(self, seconds: float) -> list[Prepared | Lost]:
        """Return what has ended, waiting so many seconds at most for the first.

        Raises:
            PhysiolectError: the scheduler is gone, or a worker cannot do this work at all.
        """
        ended = []
        with suppress(Empty):
            ended.append(self._ended.get(timeout=seconds))
            while True:
                ended.append(self._ended.get_nowait())
        if not ended and self._client.status != "running":
            raise self._gone()
        return [self._outcome(future) for future in ended]

    def close(self) -> None:
        """Give up what was submitted, and leave."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.cancel([future for _, future in self._given.values()], force=True)
        self._client.close()

    def _asked(self) -> dict[str, int]:
        try:
            threads: dict[str, int] = self._client.nthreads()
        except (OSError, CancelledError) as error:
            raise self._gone() from error
        return threads

    def _outcome(self, future: Any) -> Prepared | Lost:
        file, _ = self._given.pop(future.key)
        try:
            outcome: Prepared | None = future.result()
        except self._killed:
            return Lost(file, "was killed, as often as the cluster allows", final=True)
        except CancelledError as error:
            raise self._gone() from error
        except (ImportError, AttributeError) as error:
            raise PhysiolectError(
                f"a worker of {self._address} lacks what the work needs: {error}",
                hint=f"install physiolect {__version__} and what it needs on every machine of the cluster",
            ) from error
        if outcome is not None:
            return outcome
        if file.path.exists():
            raise PhysiolectError(
                f"a worker does not see {file.path}",
                hint="recordings must lie on a disk that every machine of the cluster sees under the same path",
            )
        return prepare_file(
            file, self._recipe
        )  # nobody sees it, which makes it one rejection as it would here

    def _gone(self) -> PhysiolectError:
        return PhysiolectError(
            f"the connection to the Dask scheduler at {self._address} is lost",
            hint="run the same command again when it is back: finished shards are kept",
        )


def _prepare(file: File, recipe: Preparation, version: str) -> Prepared | None:
    """Prepare a file on a worker that would do as the asking machine does; None where it does not see the file."""
    if version != __version__:
        raise PhysiolectError(
            f"a worker has physiolect {__version__}, and physiolect {version} asks it to work",
            hint="install the same version on every machine of the cluster",
        )
    return prepare_file(file, recipe) if file.path.exists() else None
