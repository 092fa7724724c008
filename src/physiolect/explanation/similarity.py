"""Homonyms: tokens of one level at different parts of the beat, and how a model comes to separate them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from physiolect.checkpoint import Checkpoint
from physiolect.errors import CheckpointError, ContractError
from physiolect.explanation.landmarks import PHASES, MarkedRhythm, Times, phases
from physiolect.explanation.window import LevelWindow, Window
from physiolect.models.capture import Capture


@dataclass(frozen=True, eq=False)
class Similarity:
    """How similar every token is to the reference, stage after stage of the model."""

    cosine: NDArray[np.float32]
    """(stages, T) cosine of each token to the reference: at the input, positions included as the model sees them there,
    then after each block, before the final norm."""
    reference: int
    """Sample of the reference in the window, from 0."""
    tokens: tuple[int, ...]
    """Samples that are shown beside it."""
    phase: NDArray[np.int64]
    """(T,) part of the beat of each sample, as an index into `names`; -1 where unknown."""
    names: tuple[str, ...]
    """Parts of a beat; none where no beats were given."""
    silhouette: NDArray[np.float64]
    """(stages,) how well parts of the beat separate among tokens of one level: silhouette by cosine distance, mean over
    all tokens of levels that occur in several parts; 0 is not at all, 1 perfectly. NaN where no level does."""
    n_compared: int
    """Tokens that the silhouette averages over."""
    window: LevelWindow
    """What was looked at."""

    @property
    def stages(self) -> tuple[str, ...]:
        """What each row is: the input, then each layer, counted from 1."""
        return ("input", *(f"layer {i}" for i in range(1, len(self.cosine))))

    @property
    def level(self) -> int:
        """The level of the reference."""
        return int(self.window.ids[self.reference])

    def phase_of(self, sample: int) -> str:
        """Return the part of the beat of a sample in a word, "" where unknown."""
        return self.names[self.phase[sample]] if self.phase[sample] >= 0 else ""


def compare_tokens(
    checkpoint: Checkpoint,
    window: Window,
    *,
    beats: Times | None = None,
    without_p: Sequence[MarkedRhythm] = (),
    reference: float | None = None,
    tokens: Sequence[float] | None = None,
) -> Similarity:
    """Return how similar all tokens are to one, at the input and after each block.

    Args:
        checkpoint: a model.
        window: from `cut_window`.
        beats: R or systolic peaks, in seconds of the recording; needed to choose tokens and for the silhouette.
        without_p: from `episodes_without_p`: there, no token counts as a P wave.
        reference: a moment in seconds of the recording; None is chosen with the tokens, or the last sample.
        tokens: moments likewise; None chooses tokens of one level: the latest of a beat's steepest part as the
            reference, the same part of another beat, and one token from each other part.

    Raises:
        ConfigError: a moment lies outside the window.
        ContractError: tokens must be chosen, but no level occurs in two parts of the beat.
        CheckpointError: the model is no transformer, or reads no levels.

    Source: Davies et al. 2024, arXiv:2407.20775; silhouette: Rousseeuw 1987, by scikit-learn.
    """
    if not isinstance(window, LevelWindow):
        raise CheckpointError(
            f"the model reads {'heartbeats' if window.token == 'beat' else 'the signal itself'}, but only levels recur "
            "at different parts of the beat",
            hint="use a model of levels, or another view: attention, heads or faithfulness",
        )
    modality = checkpoint.contract.modality or "ecg"
    T = len(window.ids)
    names: tuple[str, ...] = ()
    phase = np.full(T, -1, np.int64)
    if beats is not None and len(beats) > 1:
        names, phase = PHASES[modality], phases(window.time, beats, modality, without_p)
    if tokens is None and reference is None:
        at, shown = _choose(window.ids, phase, steep=0 if modality == "ecg" else 3)
    elif tokens is None:
        at = window.sample(reference)
        shown = _others(window.ids, phase, at)
    else:
        at, shown = window.sample(reference), tuple(window.sample(moment) for moment in tokens)
    hidden = _hidden(checkpoint, window)  # (stages, T, E)
    unit = hidden / np.maximum(np.linalg.norm(hidden, axis=-1, keepdims=True), 1e-12)
    silhouette, n_compared = _silhouettes(unit, window.ids, phase)
    return Similarity(
        cosine=np.einsum("ste,se->st", unit, unit[:, at]),
        reference=at,
        tokens=shown,
        phase=phase,
        names=names,
        silhouette=silhouette,
        n_compared=n_compared,
        window=window,
    )


@torch.inference_mode()
def _hidden(checkpoint: Checkpoint, window: Window) -> NDArray[np.float32]:
    capture = Capture.of(hidden=True)
    checkpoint.model.eval()(window.tensor(checkpoint), capture=capture)
    return torch.cat(capture.hidden_states).float().cpu().numpy()


def _choose(ids: NDArray[np.int64], phase: NDArray[np.int64], steep: int) -> tuple[int, tuple[int, ...]]:
    """Return a reference and tokens of its level in other parts of the beat.

    The level that occurs in most parts is chosen, and among those the one that is spread most evenly.
    """
    known = np.flatnonzero(phase >= 0)
    levels = np.unique(ids[known])
    counts = np.array([np.bincount(phase[known][ids[known] == level], minlength=4) for level in levels])
    if not len(levels) or (counts > 0).sum(1).max() < 2:
        raise ContractError(
            "no level of the window occurs in two parts of the beat",
            hint="give moments in seconds to compare, or a longer stretch with clear beats",
        )
    parts, thinnest = (counts > 0).sum(1), np.where(counts > 0, counts, ids.size).min(1)
    has_steep = counts[:, steep] > 1
    best = np.lexsort((counts.sum(1), thinnest, parts, has_steep))[-1]
    own = phase[known[ids[known] == levels[best]]]
    part = steep if (own == steep).any() else int(own[-1])
    alike = known[(ids[known] == levels[best]) & (phase[known] == part)]
    return int(alike[-1]), _others(ids, phase, int(alike[-1]))


def _others(ids: NDArray[np.int64], phase: NDArray[np.int64], at: int) -> tuple[int, ...]:
    """Return samples of the same level: the latest from the same part of another beat, and from each other part."""
    same = np.flatnonzero((ids == ids[at]) & (phase >= 0))
    same = same[same != at]
    chosen = []
    for part in np.unique(phase[same]):
        here = same[phase[same] == part]
        if part == phase[at]:  # not its neighbour in the same beat
            here = here[np.abs(here - at) > _length_of_run(phase, at)]
        chosen += [int(here[-1])] if len(here) else []
    return tuple(sorted(chosen))


def _length_of_run(phase: NDArray[np.int64], at: int) -> int:
    """Return how many samples around one lie in the same part of the same beat."""
    other = np.flatnonzero(phase != phase[at])
    before, after = other[other < at], other[other > at]
    first = before[-1] if len(before) else -1
    return int((after[0] if len(after) else len(phase)) - first)


def _silhouettes(
    unit: NDArray[np.float32], ids: NDArray[np.int64], phase: NDArray[np.int64]
) -> tuple[NDArray[np.float64], int]:
    """Return the mean silhouette of each stage, and of how many tokens."""
    from sklearn.metrics import silhouette_samples

    found: list[list[NDArray[np.float64]]] = [[] for _ in unit]
    for level in np.unique(ids[phase >= 0]):
        rows = np.flatnonzero((ids == level) & (phase >= 0))
        many = [part for part, count in enumerate(np.bincount(phase[rows])) if count > 1]
        rows = rows[np.isin(phase[rows], many)]
        if len(many) < 2:
            continue
        for stage, vectors in zip(found, unit[:, rows], strict=True):
            distance = np.clip(1 - vectors @ vectors.T, 0, None).astype(np.float64)
            np.fill_diagonal(distance, 0)
            distance[distance < 1e-6] = 0  # rounding must not separate tokens that are the same
            stage.append(silhouette_samples(distance, phase[rows], metric="precomputed"))
    if not found[0]:
        return np.full(len(unit), np.nan), 0
    means = np.array([np.concatenate(stage).mean() for stage in found])
    return means, sum(map(len, found[0]))
