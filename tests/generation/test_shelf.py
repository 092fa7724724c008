"""What is kept for the next call, and for how long."""

from __future__ import annotations

import gc

from physiolect.generation.shelf import Shelf


class Owner:
    pass


def test_a_thing_is_lent_to_one_user_at_a_time() -> None:
    shelf, owner = Shelf[str](most=4, most_bytes=100), Owner()
    shelf.put(owner, "state", "key", "thing", 10)
    assert shelf.take(owner, "state", "other key") is None
    assert shelf.take(Owner(), "state", "key") is None
    assert shelf.take(owner, "state", "key") == "thing"
    assert shelf.take(owner, "state", "key") is None


def test_things_of_another_state_are_dropped() -> None:
    shelf, owner, other = Shelf[str](most=4, most_bytes=100), Owner(), Owner()
    shelf.put(owner, "old", "key", "thing", 10)
    shelf.put(other, "old", "key", "of another", 10)
    assert shelf.take(owner, "new", "key") is None
    assert len(shelf) == 1
    assert shelf.take(other, "old", "key") == "of another"


def test_the_longest_unused_goes_first_beyond_the_bounds() -> None:
    shelf, owner = Shelf[str](most=3, most_bytes=100), Owner()
    for name in "abcd":
        shelf.put(owner, "", name, name, 20)
    assert [shelf.take(owner, "", name) for name in "abcd"] == [None, "b", "c", "d"]
    for name in "abc":
        shelf.put(owner, "", name, name, 40)
    assert shelf.size == 80
    assert shelf.take(owner, "", "a") is None
    shelf.put(owner, "", "huge", "huge", 101)
    assert (len(shelf), shelf.take(owner, "", "huge")) == (2, None)


def test_an_owner_is_not_kept_alive_and_takes_its_things_along() -> None:
    shelf, owner, other = Shelf[str](most=4, most_bytes=100), Owner(), Owner()
    shelf.put(owner, "", "key", "thing", 10)
    shelf.put(other, "", "key", "thing", 10)
    del owner
    gc.collect()
    assert len(shelf) == 1


def test_clear_drops_everything() -> None:
    shelf, owner = Shelf[str](most=4, most_bytes=100), Owner()
    shelf.put(owner, "", "key", "thing", 10)
    shelf.clear()
    assert (len(shelf), shelf.size) == (0, 0)
