"""Words of views: titles, and the moments of most attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from physiolect import Checkpoint, Recording
from physiolect.explanation import cut_window
from physiolect.explanation.views.words import highest, titled


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("mitdb/201", "mitdb/201, II"),
        ("a/very/long/way/to/the/file.csv", "file.csv, II"),
        ("", "II"),
    ],
)
def test_a_title_names_the_recording(
    make: Callable[..., Checkpoint], heart: Recording, source: str, title: str
) -> None:
    assert titled("Heads", source, cut_window(make(), heart)) == f"Heads\n{title}"


def test_moments_of_most_attention_are_peaks_not_slopes() -> None:
    band = np.concatenate([np.linspace(0, 1, 20), np.linspace(1, 0, 20), np.zeros(20), [0.3], np.zeros(39)])
    assert highest(band, 100.0).tolist() == [19, 60]
    assert highest(np.ones(9), 100.0).tolist() == [0]
