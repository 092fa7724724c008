"""Does a diverse sample train a better tokenizer than a random one of the same size?

`python benchmarks/selection.py` trains ECG-Byte tokenizers on recordings of PTB-XL folds 1 to 8 chosen either way, and
encodes the held-out recordings (fold 9) with each. PTB-XL lies at 100 Hz, band-passed and z-scored by whoever shared
it; it is resampled to 250 Hz, and letters are cut by the percentiles of all training recordings, so that nothing but
the merges differs. Compression is letters a token. Reads from PHYSIOLECT_DATA.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from cohorts import ptbxl
from numpy.typing import NDArray

from physiolect.datasets.examples.selection import select_diverse
from physiolect.signals import Percentiles, resample
from physiolect.signals.features import ecg_features
from physiolect.tokenizers import EcgByteTokenizer

FS = 250.0

Signals = NDArray[np.float32]


def signals(side: str) -> Signals:
    """Return the recordings of one side of the split, (records, 12, 2500)."""
    return np.stack([resample(recording.signal, 100, FS) for _, _, recording in ptbxl(side)])


def compression(tokenizer: EcgByteTokenizer, held_out: Signals) -> tuple[float, float]:
    """Return letters a token over all recordings, and over the tenth that is compressed least."""
    tokens = np.array([len(ids) for ids in tokenizer.encode_batch(list(held_out), fs=FS)])
    hard = np.sort(tokens)[-max(1, len(tokens) // 10) :]
    letters = held_out[0].size
    return letters / tokens.mean(), letters / hard.mean()


def interval(differences: NDArray[np.float64]) -> str:
    """Return the mean and its 95 % interval by Student's t, in percent."""
    from scipy.stats import t

    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / len(differences) ** 0.5
    return (
        f"{differences.mean():+.2f} % ({differences.mean() - half:+.2f} to {differences.mean() + half:+.2f})"
    )


def main() -> None:
    """Print one line a size of sample and number of merges."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--records", type=int, nargs="+", default=[50, 300])
    parser.add_argument("--merges", type=int, nargs="+", default=[1000, 3500])
    options = parser.parse_args()
    train, held_out = signals("train"), signals("test")
    gathered = Percentiles()
    gathered.add(train)
    low, high = gathered.at((1, 99))
    features = np.stack([ecg_features(signal, FS) for signal in train])
    print(f"{len(train)} recordings to choose from, {len(held_out)} held out, {options.seeds} seeds\n")
    print("| recordings | merges | random | diverse | diverse against random | on the hardest tenth |")
    print("|---|---|---|---|---|---|")
    for n in options.records:
        for n_merges in options.merges:
            found = np.zeros((2, options.seeds, 2))  # (way, seed, all or hardest)
            for seed in range(options.seeds):
                random = np.random.default_rng(seed).permutation(len(train))[:n]
                for way, chosen in enumerate((random, select_diverse(features, n, seed=seed))):
                    made = EcgByteTokenizer.train(
                        train[chosen], percentiles=(low, high), n_merges=n_merges, fs=FS, unit=None
                    )
                    found[way, seed] = compression(made, held_out)
                    print(f"{n} {n_merges} {seed} {way}: {found[way, seed].round(3)}", file=sys.stderr)
            gain = 100 * (found[1] / found[0] - 1)  # (seed, all or hardest)
            means = found.mean(axis=1)[:, 0]
            print(
                f"| {n} | {n_merges} | {means[0]:.3f} | {means[1]:.3f} | {interval(gain[:, 0])} "
                f"| {interval(gain[:, 1])} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
