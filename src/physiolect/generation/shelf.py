"""What was costly to make is kept for the next call, within bounds."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class _Kept(Generic[Thing]):
    owner: weakref.ref[object]
    state: Hashable
    key: Hashable
    thing: Thing
    size: int


class Shelf(Generic[Thing]):
    """Keeps things that belong to an owner, such as a model, and lends each to one user at a time.

    `take` removes a thing, so that two threads never use the same one; `put` brings it back. Owners are not kept alive:
    when one goes, so do its things. Beyond the bounds, the thing that was unused for longest is dropped first.

    Args:
        most: things kept at most.
        most_bytes: bytes kept at most, over all things.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._lock = (
            threading.RLock()
        )  # the collector may call `_forget` and `put` while this thread holds it
        self._kept: list[_Kept[Thing]] = []  # the longest unused first

    def take(self, owner: object, state: Hashable, key: Hashable) -> Thing | None:
        """Return a thing of this owner and key, or None if there is none that is free.

        Args:
            owner: compared by identity.
            state: what the owner's things depend on; those of another state are dropped.
            key: what this thing is for.
        """
        with self._lock:
            stale = [each for each in self._kept if each.owner() is owner and each.state != state]
            for each in stale:
                self._kept.remove(each)
            found = next(
                (each for each in reversed(self._kept) if each.owner() is owner and each.key == key), None
            )
            if found is not None:
                self._kept.remove(found)
        return None if found is None else found.thing

    def put(self, owner: object, state: Hashable, key: Hashable, thing: Thing, size: int) -> None:
        """Keep a thing of this many bytes, unless it is larger than all that may be kept."""
        if size > self.most_bytes:
            return
        dropped = []  # freed after the lock is given back
        with self._lock:
            self._kept.append(_Kept(weakref.ref(owner, self._forget), state, key, thing, size))
            while len(self._kept) > self.most or self.size > self.most_bytes:
                dropped.append(self._kept.pop(0))

    def clear(self) -> None:
        """Drop everything that is kept."""
        with self._lock:
            dropped, self._kept = self._kept, []
        del dropped

    @property
    def size(self) -> int:
        """Bytes kept now."""
        return sum(each.size for each in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def _forget(self, owner: weakref.ref[object]) -> None:
        with self._lock:
            self._kept = [each for each in self._kept if each.owner is not owner]
