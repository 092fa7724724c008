"""Is a decoder with rotary positions still right past its context, where it goes on with a ring of keys?

`python benchmarks/past_context.py CHECKPOINT` answers twice, on MIT-BIH DS2 (from PHYSIOLECT_DATA), first channels,
levels by the range of the first 500 samples, as in `generate`. First, what a real patient's samples 501-1000 cost, in
nats per token: with the ring, which goes on from sample to sample, and with a sliding window, which sees the last 500
samples anew for each, as every model was trained to see them; at the same positions, each 25th. Five windows a
record, 95 % bootstrap intervals over the 22 records. Second, whether continuations of 30 s drift: of each ten seconds
the share of samples at the ends of the range, the median over continuations of their standard deviation (in levels)
and of their heart rate, and the share that are flat, beside what the patients' hearts did. The heart rate is that of
the highest autocorrelation of the slope, from 0.35 to 1.8 s.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from cohorts import DS2, data_folder
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch.nn.functional import cross_entropy

from physiolect import load_checkpoint, read_recording
from physiolect.evaluation import bootstrap_interval, paired_difference
from physiolect.generation.sampling import Sampling
from physiolect.models.gpt import GPT
from physiolect.tokenizers import LevelTokenizer

FS, SEEN = 100, 500
A_RECORD, AHEAD, EVERY = 5, 3000, 25
FLAT = 1.0
"""Levels of standard deviation below which ten seconds hold no heartbeat."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--device", default="cpu", help="cpu, cuda …")
    options = parser.parse_args()
    model = load_checkpoint(options.checkpoint).model.to(options.device).eval()
    ids, owners = windows()
    with torch.inference_mode():
        print(nats_table(model, ids[:, : 2 * SEEN], owners))
        print()
        print(drift_table(model, ids))


def windows() -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return levels (n, SEEN + AHEAD) of windows spread over each record, and the record of each."""
    found = []
    for record in DS2:
        x = resample_poly(
            read_recording(data_folder() / "mitdb" / record).signal[0].astype(np.float64), 5, 18
        )
        starts = np.linspace(0, len(x) - SEEN - AHEAD, A_RECORD).astype(int)
        found += [x[start : start + SEEN + AHEAD] for start in starts]
    ids, _ = LevelTokenizer().encode(np.stack(found), scale="context", context_length=SEEN, flat="level")
    return ids, np.repeat(DS2, A_RECORD)


def nats_table(model: GPT, ids: NDArray[np.int64], owners: NDArray[np.str_]) -> str:
    """Compare ring and sliding window on windows (n, 2 SEEN)."""
    tokens = torch.from_numpy(ids).to(model.device)
    at = torch.arange(SEEN, 2 * SEEN, EVERY)  # positions foretold
    ring = []
    for batch in tokens.split(8):
        cache = model.new_cache()
        logits = [model(batch[:, :SEEN], cache=cache, last_only=True)]
        logits += [model(batch[:, t : t + 1], cache=cache) for t in range(SEEN, 2 * SEEN - 1)]
        ring.append(nats(torch.cat(logits, 1)[:, at - SEEN], batch[:, at]))
    sliding = [
        nats(torch.cat([model(batch[:, t - SEEN : t], last_only=True) for t in at.tolist()], 1), batch[:, at])
        for batch in tokens.split(8)
    ]
    scores = {"ring": np.concatenate(ring), "sliding window": np.concatenate(sliding)}
    lines = ["| samples | " + " | ".join(scores) + " | ring minus sliding |", "|---|---|---|---|"]
    half = len(at) // 2
    for name, kept in (("501-750", slice(half)), ("751-1000", slice(half, None)), ("501-1000", slice(None))):
        cells = [f"{of[:, kept].mean():.3f} [{{:.3f}}, {{:.3f}}]".format(*bootstrap_interval(of[:, kept], owners))
                 for of in scores.values()]  # fmt: skip
        parted = paired_difference(scores["ring"][:, kept], scores["sliding window"][:, kept], owners)
        lines.append(f"| {name} | {' | '.join(cells)} | " + "{:+.3f} [{:+.3f}, {:+.3f}] |".format(*parted))
    return f"{len(ids)} windows of {len(set(owners))} records\n\n" + "\n".join(lines)


def nats(logits: torch.Tensor, ids: torch.Tensor) -> NDArray[np.float64]:
    return cross_entropy(logits.transpose(1, 2).float(), ids, reduction="none").double().cpu().numpy()


def drift_table(model: GPT, ids: NDArray[np.int64]) -> str:
    """Compare continuations of 30 s with what was recorded, ten seconds after ten seconds."""
    device = model.device
    generator, cache, sampling = torch.Generator(device).manual_seed(0), model.new_cache(), Sampling()
    new, continued = torch.from_numpy(ids[:, :SEEN]).to(device), []
    while len(continued) < AHEAD:  # as `decode` does, but many windows at a time
        new = sampling.draw(model(new, cache=cache, last_only=True)[:, -1], generator)
        continued.append(new)
    drawn = torch.cat(continued, 1).cpu().numpy()  # (n, AHEAD)
    lines = [
        "| seconds | of | at the range's ends | deviation (levels) | heart rate (bpm) | flat |",
        "|---" * 6 + "|",
    ]
    for first in range(0, AHEAD, 10 * FS):
        stretch = slice(first, first + 10 * FS)
        for name, levels in (("patients", ids[:, SEEN:]), ("continuations", drawn)):
            x = levels[:, stretch]
            ends, deviation = ((x == 0) | (x == 100)).mean(), x.std(1)
            rates = np.array([heart_rate(each) for each in x[deviation >= FLAT]])
            lines.append(
                f"| {first // FS}-{first // FS + 10} | {name} | {ends:.1%} | {np.median(deviation):.1f} "
                f"| {np.median(rates):.0f} | {(deviation < FLAT).mean():.1%} |"
            )
    return "\n".join(lines)


def heart_rate(x: NDArray[np.int64]) -> float:
    """Return beats a minute of levels (T,)."""
    slope = np.abs(np.diff(x.astype(np.float64)))
    slope -= slope.mean()
    lags = np.arange(round(0.35 * FS), round(1.8 * FS) + 1)
    return 60 * FS / float(lags[np.argmax([slope[lag:] @ slope[:-lag] / (len(slope) - lag) for lag in lags])])


if __name__ == "__main__":
    main()
