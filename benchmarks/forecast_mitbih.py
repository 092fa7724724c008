"""How well is the next level of an unseen patient's ECG foretold? Nats per token on MIT-BIH DS2.

`python benchmarks/forecast_mitbih.py NAME=CHECKPOINT ...` scores checkpoints and the baselines (fitted on DS1) on the
same 880 windows: 40 evenly spread over each record of DS2, first channel of the file, resampled 360 -> 100 Hz by
`scipy.signal.resample_poly(x, 5, 18)`, 500 samples each. Two scalings: by the window itself, which has then seen its
targets (positions 2-500; comparable with HeartGPT's own use), and by the first 400 samples alone, the rest clipped
(positions 401-500). Intervals are 95 % bootstrap intervals over patients. Reads MIT-BIH from PHYSIOLECT_DATA.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from physiolect import load_checkpoint, read_recording
from physiolect.evaluation import Autoregressive, RepeatLastBeat, Unigram, bootstrap_interval, nll_of_model
from physiolect.tokenizers import LevelTokenizer

# de Chazal et al. 2004; 201 left out of DS1 because its patient is also 202 of DS2
DS1 = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
DS2 = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
CONTEXT = 400


def windows(folder: Path, records: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return windows (n, 500) in mV and the record each comes from (n,)."""
    found, owners = [], []
    for record in records:
        x = resample_poly(read_recording(folder / record).signal[0].astype(np.float64), 5, 18)
        starts = range(0, len(x) - 500, len(x) // 40)
        found += [x[start : start + 500] for start in starts]
        owners += [record] * len(starts)
    return np.stack(found), np.array(owners)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="*", metavar="NAME=CHECKPOINT")
    options = parser.parse_args()
    folder = Path(os.environ["PHYSIOLECT_DATA"]) / "mitdb"
    tokenizer = LevelTokenizer()
    (train, _), (test, owners) = windows(folder, DS1), windows(folder, DS2)
    by_window = [tokenizer.encode(x)[0] for x in (train, test)]
    by_context = [
        tokenizer.encode(x, scale="context", context_length=CONTEXT, flat="level")[0] for x in (train, test)
    ]
    models = dict(pair.split("=", 1) for pair in options.checkpoints)
    scorers = {name: load_checkpoint(path).model for name, path in models.items()}

    print(f"{len(test)} windows of {len(DS2)} records; nats per token, lower is better\n")
    print("| forecaster | window scaling, 2-500 | the same without 202 | scaling by the first 400, 401-500 |")
    print("|---|---|---|---|")
    for kind in (Unigram, RepeatLastBeat, Autoregressive):
        scores = []
        for fitted, scored in (by_window, by_context):
            baseline = kind(101, fs=100.0) if kind is RepeatLastBeat else kind(101)
            scores.append(baseline.fit(fitted).nll(scored))
        print(row(f"{baseline.name} fitted on DS1", *scores, owners))
    for name, model in scorers.items():
        print(row(name, nll_of_model(model, by_window[1]), nll_of_model(model, by_context[1]), owners))


def row(
    name: str, by_window: NDArray[np.float64], by_context: NDArray[np.float64], owners: NDArray[np.str_]
) -> str:
    other = owners != "202"
    cells = [
        interval(by_window, owners),
        interval(by_window[other], owners[other]),
        interval(by_context[:, CONTEXT - 1 :], owners),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def interval(nll: NDArray[np.float64], owners: NDArray[np.str_]) -> str:
    low, high = bootstrap_interval(nll, owners)
    return f"{nll.mean():.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
