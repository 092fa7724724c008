"""Which recordings of a store a table of labels leaves out."""

from __future__ import annotations

from physiolect.datasets.examples.examples import Examples


def describe_left_out(examples: Examples, labels: str | None) -> str | None:
    """Return how many recordings of the store have no windows, in a sentence; None where all have some.

    Args:
        examples: all that were made.
        labels: the table of labels; None where labels come from the store, of which nothing is reported.
    """
    store = examples.store
    every = set(store.sources)
    long = {store.sources[row] for row in (store.lengths >= examples.length).nonzero()[0].tolist()}
    unlabelled, short = len(long - set(examples.sources)), len(every - long)
    parts = [f"{unlabelled} without a usable label in {labels}"] if unlabelled else []
    parts += [f"{short} shorter than a window"] if short else []
    if not labels or not parts:
        return None
    return f"left out of the store's {len(every):,} recordings: {', '.join(parts)}"
