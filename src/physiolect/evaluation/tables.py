"""Measures with their intervals as Markdown tables, and the sentences that go with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite

from physiolect.evaluation.bootstrap import Bootstrap, Estimate

TITLES = {
    "auroc": "AUROC", "auprc": "AUPRC", "sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV",
    "f1": "F1", "accuracy": "accuracy", "ece": "calibration error", "brier": "Brier",
    "mae": "mean absolute error", "rmse": "RMSE", "bias": "bias", "r2": "R²", "r": "r",
    "timing_mean_ms": "timing, mean (ms)", "timing_sd_ms": "timing, SD (ms)",
    "timing_median_abs_ms": "timing, median absolute (ms)", "nats": "nats per token", "crps": "CRPS (levels)",
    "coverage": "coverage of the 90 % band", "width": "its width (levels)",
}  # fmt: skip
"""Measure -> heading of its column."""

NUMBERS = ("mae", "rmse", "bias", "r2", "r")
"""Measures of numbers, in the order of their columns."""


def heading(measure: str) -> str:
    """Return the heading of a measure's column; "macro f1" and "mean f1" are of "f1"."""
    if measure.startswith(("macro ", "mean ")):
        kind, _, of = measure.partition(" ")
        return f"{kind} {heading(of)}"
    return TITLES.get(measure, measure)


def in_cell(estimate: Estimate | None, *, digits: int = 3) -> str:
    """Return "0.972 [0.951, 0.985]", the value alone where there is no interval, or a dash."""
    if estimate is None or not isfinite(estimate.value):
        return "–"
    value = f"{estimate.value:.{digits}f}"
    if not isfinite(estimate.low):
        return value
    return f"{value} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def measures_table(
    rows: Mapping[str, Mapping[str, Estimate]],
    columns: Sequence[str],
    *,
    first: str = "",
    positives: Mapping[str, int] | None = None,
) -> str:
    """Return a Markdown table, a row a model and a column a measure.

    Args:
        rows: name -> what was measured.
        columns: measures; those that no row has are left out.
        first: heading of the names.
        positives: positive windows of each name; None or nothing has no column.
    """
    shown = [name for name in columns if any(name in found for found in rows.values())]
    head = [first, *(["positive"] if positives else []), *(heading(name) for name in shown)]
    body = (
        [
            name,
            *([f"{positives[name]:,}"] if positives else []),
            *(in_cell(found.get(each), digits=1 if each.endswith("_ms") else 3) for each in shown),
        ]
        for name, found in rows.items()
    )
    return markdown([head, ["---"] * len(head), *body])


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as a Markdown table; the second row is the line under the headings."""
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def differences_table(rows: Mapping[str, Mapping[str, Estimate]], columns: Sequence[str]) -> str:
    """Return a Markdown table of paired differences; one whose interval excludes zero is bold."""
    shown = [name for name in columns if any(name in found for found in rows.values())]
    head = ["difference", *(heading(name) for name in shown)]
    body = []
    for name, found in rows.items():
        cells = []
        for each in shown:
            text = in_cell(found.get(each), digits=1 if each.endswith("_ms") else 3)
            if each in found and found[each].value > 0:
                text = "+" + text
            cells.append(f"**{text}**" if each in found and found[each].excludes_zero else text)
        body.append([name, *cells])
    return markdown([head, ["---"] * len(head), *body])


def interval_words(draws: Bootstrap, *, by_patient: bool, of: str = "") -> str:
    """Return what intervals are made of, in a sentence."""
    of = of or (
        "patients" if by_patient else "recordings (not every patient is known, and one may have several)"
    )
    n = draws.n_groups
    if n < 2 and of.startswith("blocks"):
        return f"No intervals: there are fewer than two {of}."
    if n < 2:
        return f"No intervals: all windows are of one {'patient' if by_patient else 'recording'}."
    return (
        f"In brackets: {draws.level:.0%} percentile intervals of {len(draws.times):,} bootstrap resamples "
        f"of {n} {of}."
    )


def undefined_words(rows: Mapping[str, Mapping[str, Estimate]]) -> Iterator[str]:
    """Yield a sentence for each row with measures that do not exist in some resamples."""
    for name, found in rows.items():
        lost = {heading(key): each.undefined for key, each in found.items() if each.undefined}
        if lost:
            why = "lack a class, or windows predicted as one,"
            if set(found) <= set(NUMBERS):
                why = "have equal numbers only, for which the measure does not exist,"
            yield (
                f"{name}: up to {max(lost.values()):,} resamples {why} and are left out of the intervals of "
                f"{', '.join(lost)}."
            )
