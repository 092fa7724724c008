"""What each view of `physiolect explain` shows: a figure, its numbers, and a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from physiolect.commands.explain.words import (
    count_of,
    highest,
    no_p_line,
    score_line,
    score_lines,
    scored,
    titled,
    told_without_p,
)
from physiolect.commands.terminal import say
from physiolect.errors import ContractError, PhysiolectError
from physiolect.explanation import (
    METHODS,
    Faithfulness,
    HeadScore,
    Window,
    attend,
    attention_change,
    beat_times,
    cascade,
    choose_target,
    compare_tokens,
    cut_window,
    cut_windows,
    find_landmarks,
    leave_out_p,
    measure_faithfulness,
    n_layers,
    probe_heads,
    view_heads,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from physiolect.checkpoint import Checkpoint
    from physiolect.commands.explain import Config
    from physiolect.recording import Recording

_PROBED = 20
"""Windows that heads are probed on, unless told otherwise."""
_LISTED = 3
"""Heads that are listed for each landmark."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a view made."""

    window: Window
    figure: Figure
    numbers: dict[str, Any]
    """Arrays by name."""
    told: dict[str, Any]
    """What the summary says beyond the window."""
    lines: list[str]
    """What the terminal says."""
    table: Sequence[tuple[object, ...]] = ()
    """Rows for a CSV file, their names first; none where there is no table."""


def _attention(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.plots import attention_figure

    window = _window(config, checkpoint, recording)
    layers = [n_layers(checkpoint)] if config.layer is None else config.layers
    found = attend(checkpoint, window, layers=layers, heads=config.heads, queries=[config.moment])
    how = config.combine or "sum"
    band = found.band(0, how)
    if len(found.layers) > 1:  # a row for each layer
        rows, names = found.over_heads(how)[:, 0], [f"layer {each}" for each in found.layers]
    else:
        rows, names = found.weights[0, :, 0], [f"head {each}" for each in found.heads]
    moment = float(window.time[found.queries[0]])
    several = found.weights.shape[0] * found.weights.shape[1] > 1
    score = _score(config, checkpoint, window, band, moment)
    figure = attention_figure(
        window.signal, band, rows, time=window.time, names=names, queries=[moment], unit=window.unit,
        what=f"attention,\n{how}" if several else "attention",
        title=titled(
            f"Attention: {count_of('layer', found.layers)}, {count_of('head', found.heads)}, query {moment:.2f} s",
            config, window,
        ),
        evidence=score_line(score),
    )  # fmt: skip
    numbers = {
        **_base(window), "attention": found.weights[:, :, 0], "band": band, "layers": np.array(found.layers),
        "heads": np.array(found.heads), "query_s": moment,
    }  # fmt: skip
    told = {"layers": found.layers, "heads": found.heads, "query": moment, "combine": how, **scored(score)}
    where = ", ".join(f"{each:.2f}" for each in window.time[highest(band, window.fs)])
    lines = [f"  query       {moment:.2f} s", f"  most at     {where} s", *score_lines(score)]
    return Shown(window, figure, numbers, told, lines)


def _heads(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.plots import heads_figure

    window = _window(config, checkpoint, recording)
    layer = None if config.layers is None else config.layers[0]
    found = view_heads(checkpoint, window, layer=layer, heads=config.heads)
    score = _score(config, checkpoint, window, found.relative.sum(0))
    figure = heads_figure(
        window.signal, found.relative, found.peaks, time=window.time, names=[f"head {k}" for k in found.heads],
        unit=window.unit,
        title=titled(f"Heads of layer {found.layer}, mean over queries", config, window),
        evidence=score_line(score),
    )  # fmt: skip
    peaks = np.concatenate(
        [np.column_stack([np.full(len(at), k), at]) for k, at in zip(found.heads, found.peaks, strict=True)]
    )
    numbers = {
        **_base(window), "mean": found.mean, "even": found.even, "relative": found.relative,
        "peaks_head_sample": peaks.astype(np.int64), "layer": found.layer, "heads": np.array(found.heads),
    }  # fmt: skip
    listed = [
        {"head": k, "peaks": np.round(window.time[at], 4).tolist()}
        for k, at in zip(found.heads, found.peaks, strict=True)
    ]
    lines = [f"  head {each['head']:<7}{len(each['peaks'])} peaks" for each in listed]
    return Shown(
        window,
        figure,
        numbers,
        {"layer": found.layer, "heads": listed, **scored(score)},
        lines + score_lines(score),
    )


def _change(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.checkpoint import load_checkpoint
    from physiolect.plots import change_figure

    assert config.base is not None
    base = load_checkpoint(config.base)
    base.model.to(checkpoint.model.device)
    window = _window(config, checkpoint, recording)
    layer = n_layers(checkpoint) if config.layers is None else config.layers[0]
    change = attention_change(
        checkpoint, base, window, layer=layer, heads=config.heads, query=config.moment
    )  # (T,)
    moment = float(window.time[window.sample(config.moment)])
    score = _score(config, checkpoint, window, change, moment)
    which = "all heads" if config.heads is None else f"head {config.heads[0]}"
    figure = change_figure(
        window.signal, change, time=window.time, query=moment, unit=window.unit,
        title=titled(f"Change: layer {layer}, {which}, query {moment:.2f} s", config, window),
        evidence=score_line(score),
    )  # fmt: skip
    gained, lost = float(change[change > 0].sum()), float(-change[change < 0].sum())
    told = {
        "base": config.base,
        "layer": layer,
        "query": moment,
        "gained": gained,
        "lost": lost,
        **scored(score),
    }
    lines = [
        f"  gained      {gained:.3f} where there is more, and {lost:.3f} lost where less",
        *score_lines(score),
    ]
    return Shown(
        window, figure, {**_base(window), "change": change, "query_s": moment, "layer": layer}, told, lines
    )


def _similarity(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.plots import Token, similarity_figure

    window = _window(config, checkpoint, recording)
    without_p = told_without_p(checkpoint, recording, [window], first=config.start or 0.0)
    try:
        landmarks = find_landmarks(
            recording, checkpoint.contract, channel=config.channel, first=config.start or 0.0
        )
        beats = beat_times(landmarks)
    except PhysiolectError as error:
        if config.tokens is None:
            raise
        say(f"parts of the beat are not known: {error}")
        beats = None
    found = compare_tokens(
        checkpoint, window, beats=beats, without_p=without_p, reference=config.reference, tokens=config.tokens
    )
    tokens = [Token(each, found.phase_of(each)) for each in found.tokens]
    reference = Token(found.reference, found.phase_of(found.reference))
    first, last = found.silhouette[[0, -1]]
    apart = (
        f"{first:.2f} at the input, {last:.2f} after {found.stages[-1]}" if found.n_compared else "not known"
    )
    figure = similarity_figure(
        window.signal, found.cosine, found.silhouette, time=window.time, stages=found.stages, reference=reference,
        tokens=tokens, unit=window.unit,
        title=titled(f"Tokens and the reference, of level {found.level}", config, window),
        evidence=f"silhouette of parts of the beat among {found.n_compared} tokens of shared levels"
        + no_p_line(without_p),
    )  # fmt: skip
    numbers = {
        **_base(window), "cosine": found.cosine, "silhouette": found.silhouette, "phase": found.phase,
        "reference": found.reference, "tokens": np.array(found.tokens),
    }  # fmt: skip

    def told_of(token: Token) -> dict[str, Any]:
        cosine = [round(float(each), 4) for each in found.cosine[:, token.sample]]
        return {
            "time": float(window.time[token.sample]), "level": int(window.ids[token.sample]),
            "part": token.word or None, "cosine": cosine,
        }  # fmt: skip

    told = {
        "stages": found.stages, "reference": told_of(reference), "tokens": [told_of(each) for each in tokens],
        "silhouette": [None if np.isnan(each) else round(float(each), 4) for each in found.silhouette],
        "tokens_compared": found.n_compared, "without_p": [each._asdict() for each in without_p],
    }  # fmt: skip
    where = ", ".join(f"{window.time[each.sample]:.2f} s {each.word}".strip() for each in tokens)
    lines = [
        f"  reference   {window.time[found.reference]:.2f} s {reference.word}, level {found.level}",
        f"  tokens      {where}",
        f"  silhouette  {apart}",
    ]
    return Shown(window, figure, numbers, told, lines)


def _probing(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.plots import probing_figure

    windows = _windows(config, checkpoint, recording, config.windows or _PROBED)
    first = config.start or 0.0
    landmarks = find_landmarks(recording, checkpoint.contract, channel=config.channel, first=first)
    without_p = told_without_p(checkpoint, recording, windows, first=first)
    landmarks = leave_out_p(landmarks, without_p)
    found = probe_heads(checkpoint, windows, landmarks, seed=config.seed)
    scores = found.scores()
    figure = probing_figure(
        found.auroc, found.chance.tolist(), landmarks=found.landmarks,
        title=titled(f"Heads and waves, {found.n_windows} window{'s' * (found.n_windows != 1)}", config, windows[-1]),
        evidence=f"dots: above the best of all heads by chance (95 %){no_p_line(without_p)}",
    )  # fmt: skip
    numbers = {
        **_base(windows[-1]), "auroc": found.auroc, "lift": found.lift, "chance": found.chance,
        "landmarks": np.array(found.landmarks), "counts": np.array(found.counts),
    }  # fmt: skip
    lines, best = [], []
    for name, chance, count in zip(found.landmarks, found.chance, found.counts, strict=True):
        top = [each for each in scores if each.landmark == name][:_LISTED]
        best += [{**each._asdict(), "chance": float(chance)} for each in top]
        lines.append(f"  {name} ({count}), best by chance {chance:.2f}")
        lines += [
            f"    layer {each.layer} head {each.head}: AUROC {each.auroc:.2f}, ×{each.lift:.1f}, p {each.p:.3f}"
            for each in top
        ]
    told = {"windows": found.n_windows, "best": best, "without_p": [each._asdict() for each in without_p]}
    return Shown(windows[-1], figure, numbers, told, lines, table=[HeadScore._fields, *scores])


def _faithfulness(config: Config, checkpoint: Checkpoint, recording: Recording) -> Shown:
    from physiolect.plots import faithfulness_figure

    windows = _windows(config, checkpoint, recording, config.windows or 1)
    curves: dict[str, list[Faithfulness]] = {name: [] for name in METHODS}
    for number, window in enumerate(
        windows
    ):  # each window its own random orders, or their mean would not even out
        target = choose_target(checkpoint, window, query=config.moment, span=config.span)
        maps = {name: method(checkpoint, window, target) for name, method in METHODS.items()}
        measured = measure_faithfulness(
            checkpoint, window, target, maps, replacement=config.replace or "interpolation",
            seed=config.seed + number,
        )  # fmt: skip
        for name, each in measured.items():
            curves[name].append(each)
    mean = {name: _mean(each) for name, each in curves.items()}
    same = {name: cascade(checkpoint, window, target, name, seed=config.seed) for name in METHODS}
    random = next(iter(mean.values()))
    many = f", mean of {len(windows)} windows" if len(windows) > 1 else ""
    figure = faithfulness_figure(
        window.signal, maps, {name: (each.deletion, each.insertion) for name, each in mean.items()},
        (random.random_deletion, random.random_insertion), same, shares=random.shares, time=window.time,
        unit=window.unit, what=f"{target.words}{many}", unit_of_what=target.unit,
        title=titled("Faithfulness of three maps", config, window),
    )  # fmt: skip
    numbers = {**_base(window), "shares": random.shares, "random_deletion": random.random_deletion,
               "random_insertion": random.random_insertion}  # fmt: skip
    told, lines = [], [f"  explained   {target.words}{many}"]
    for name, each in mean.items():
        key = name.replace(" ", "_")
        numbers |= {
            f"{key}_map": maps[name],
            f"{key}_deletion": each.deletion,
            f"{key}_insertion": each.insertion,
        }
        numbers |= {f"{key}_cascade": np.array(list(same[name].values()))}
        told.append({
            "method": name, "score": each.score, "random_95": each.interval, "deletion_area": each.deletion_area,
            "insertion_area": each.insertion_area, "unit": each.unit, "cascade": same[name],
        })  # fmt: skip
        low, high = each.interval
        lines.append(
            f"  {name:21}{each.score:+.2f} {each.unit} (95 % of random orders {low:+.2f} to {high:+.2f})"
        )
    return Shown(
        window, figure, numbers, {"explained": target.words, "windows": len(windows), "methods": told}, lines
    )


VIEWS: dict[str, Callable[[Config, Checkpoint, Recording], Shown]] = {
    "attention": _attention,
    "heads": _heads,
    "similarity": _similarity,
    "change": _change,
    "probing": _probing,
    "faithfulness": _faithfulness,
}


def _window(config: Config, checkpoint: Checkpoint, recording: Recording) -> Window:
    return cut_window(checkpoint, recording, channel=config.channel, first=config.start or 0.0)


def _windows(config: Config, checkpoint: Checkpoint, recording: Recording, limit: int) -> list[Window]:
    found = cut_windows(checkpoint, recording, channel=config.channel, first=config.start or 0.0, limit=limit)
    if not found:
        raise ContractError(
            f"none of the last {limit} windows of {config.input} can be used: they are flat, or miss samples",
            hint="choose another stretch or channel",
        )
    return found


def _score(
    config: Config,
    checkpoint: Checkpoint,
    window: Window,
    importance: NDArray[np.floating],
    query: float | None = None,
) -> Faithfulness | None:
    """Return how faithful a map is to what the model says, at the query where it says something there, or None."""
    if config.no_score:
        return None
    at_positions = checkpoint.outputs.scope == "position"
    target = choose_target(checkpoint, window, query=query if at_positions else None)
    maps = {"shown": importance.astype(np.float64)}
    return measure_faithfulness(checkpoint, window, target, maps, seed=config.seed)["shown"]


def _mean(each: list[Faithfulness]) -> Faithfulness:
    """Return the mean curves of several windows."""
    names = ("deletion", "insertion", "random_deletion", "random_insertion")
    return replace(each[0], **{name: np.mean([getattr(one, name) for one in each], 0) for name in names})


def _base(window: Window) -> dict[str, Any]:
    return {"time_s": window.time, "signal": window.signal, "ids": window.ids, "fs": window.fs}
