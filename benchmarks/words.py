"""Made neural activity to words: attention, CTC on the same encoder, both together, a linear decoder, and n-gram alone.

    python benchmarks/words.py stores OUT                # sentences of day 0 and of a drifted day; seconds
    python benchmarks/words.py train OUT                 # minutes on a GPU

Trained on all blocks of day 0 but the last tenth, which is the test and chooses nothing; the drifted day is never
trained on, and channels are then standardised again without labels (statistics of that day's own activity). Words are
read off phonemes between pauses: each word by itself ("direct"), or with a bigram of the training sentences, which
also chooses among the beams ("rescored"). Errors stand with their 95 % interval by block, and as insertions + deletions
+ substitutions. It is made data: these numbers say nothing of a brain.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.evaluation.edits import Edits, count_edits, rate_interval
from physiolect.models.search import merge_frames, read_frames, search
from physiolect.models.seq2seq import N_SPECIAL, SEQ2SEQ_PRESETS, Seq2Seq
from physiolect.synthetic.words import PAUSE, SYMBOLS, WORDS, Sentence, made_sentences
from physiolect.training import Recipe, Sequences, Step, choose_device

WAYS: dict[str, dict[str, float]] = {
    "attention": {"ctc": 0.0},
    "joint": {"ctc": 0.3},
    "CTC": {"ctc": 1.0},
    "joint, no time mask": {"ctc": 0.3, "time_mask": 0.0},
}
NEIGHBOURS = 2
"""Bins to each side that the linear decoder sees."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("stores", "train"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--sentences", type=int, default=4000)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--patch", type=int, default=2, help="bins of an encoder token")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    (stores if given.what == "stores" else train)(given)


def stores(given: argparse.Namespace) -> None:
    """Make sentences of two days."""
    for day, n in ((0, given.sentences), (1, given.sentences // 10)):
        made = made_sentences(n, noise=given.noise, day=day, per_block=_per_block(n), seed=given.seed)
        np.savez_compressed(
            given.out / f"day{day}.npz",
            activity=np.concatenate([each.activity for each in made], 1).astype(np.float16),
            spoken=np.concatenate([each.spoken for each in made]),
            bins=[each.activity.shape[1] for each in made],
            words=[" ".join(each.words) for each in made],
            phonemes=[" ".join(each.phonemes) for each in made],
            block=[each.block for each in made],
        )
        print(f"day {day}: {n} sentences, {sum(each.activity.shape[1] for each in made):,} bins")


def train(given: argparse.Namespace) -> None:
    """Train each way, and print the table."""
    day0, day1 = (_load(given.out / f"day{day}.npz", day) for day in (0, 1))
    last = max(each.block for each in day0)
    first_held = math.ceil(0.9 * (last + 1))
    known = [each for each in day0 if each.block < first_held]
    tests = {"held-out blocks": [each for each in day0 if each.block >= first_held], "drifted day": day1}
    language = _Bigram(known)
    print("| decoder | on | phoneme errors | WER direct | WER rescored |\n|---|---|---|---|---|")
    found: dict[str, Any] = {}
    linear = _Linear(known)
    for name, test in tests.items():
        alone = [count_edits(each.words, language.likeliest(len(each.words))) for each in test]
        print(f"| n-gram alone, its length known | {name} | | {_rate(alone, test)} | |")
        print(
            f"| linear, frames right {linear.share_right(test):.1%} | {name} {_row(linear.read(test), test, language)}"
        )
    for way in given.ways:
        model = _trained(known, way, given)
        for name, test in tests.items():
            for reader, read in _readers(model, WAYS[way]["ctc"], given).items():
                phonemes = read(test, own_statistics=name == "drifted day")
                line = _row(phonemes, test, language)
                found[f"{way}, {reader}, {name}"] = line
                print(f"| {way}: {reader} | {name} {line}", flush=True)
    (given.out / "train.json").write_text(json.dumps(found, indent=1) + "\n")


Phonemes = list[list[tuple[tuple[str, ...], float]]]
"""For each sentence what was read, best first, each with its log-probability; a reader that gives one gives 0."""


def _readers(model: Seq2Seq, ctc: float, given: argparse.Namespace) -> dict[str, Callable[..., Phonemes]]:
    def read(test: list[Sentence], *, own_statistics: bool, frames: bool) -> Phonemes:
        x, _ = _tensors(test, model.config.context_length)
        held = {name: value.clone() for name, value in model.named_buffers()}
        if own_statistics:
            model.fit_statistics(x.to(model.device))
        found: Phonemes = []
        for part in x.split(64):
            part = part.to(model.device)
            if frames:
                found += [[(_spell(ids), 0.0)] for ids in read_frames(model, part)]
            else:
                answers = search(model, part, beams=given.beams)
                found += [[(_spell(each.ids), each.log_probability) for each in row] for row in answers]
        for name, value in model.named_buffers():
            value.copy_(held[name])
        return found

    readers: dict[str, Callable[..., Phonemes]] = {}
    if ctc < 1:
        readers[f"{given.beams} beams"] = lambda test, **how: read(test, frames=False, **how)
    if ctc > 0:
        readers["CTC head"] = lambda test, **how: read(test, frames=True, **how)
    return readers


def _trained(known: list[Sentence], way: str, given: argparse.Namespace) -> Seq2Seq:
    device = choose_device(given.device)
    torch.manual_seed(given.seed)
    longest_bins = max(each.activity.shape[1] for each in known)
    changed: dict[str, Any] = {name: value for name, value in WAYS[way].items() if name != "ctc"}
    config = replace(
        SEQ2SEQ_PRESETS["modern"], n_channels=len(known[0].activity), n_outputs=N_SPECIAL + len(SYMBOLS),
        patch=given.patch, longest=80,
        context_length=given.patch * math.ceil(1.5 * longest_bins / given.patch), **changed,
    )  # fmt: skip
    model = Seq2Seq(config).to(device)
    x, ids = _tensors(known, longest_bins)
    model.fit_statistics(x.to(device))
    # windows of like length share a batch, so that little is padding
    order = np.argsort([each.activity.shape[1] for each in known], kind="stable")
    x, ids = x.to(device), ids.to(device)

    def batch(step: int | Tensor, part: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([given.seed, int(step)])
        first = int(rng.integers(0, max(1, len(order) - 2 * given.batch)))
        chosen = rng.permutation(order[first : first + 2 * given.batch])[: given.batch]
        bins = max(known[i].activity.shape[1] for i in chosen.tolist())
        symbols = max(len(known[i].phonemes) for i in chosen.tolist())
        return x[chosen, :, : bins + -bins % config.patch], ids[chosen, :symbols]

    if WAYS[way]["ctc"] == 1:  # what does not learn must not decay
        for part in (model.symbols, model.decoder, model.head):
            part.requires_grad_(False)
    step = Step(
        model.train(), Sequences(ctc=WAYS[way]["ctc"], smoothing=0.1), batch,
        Recipe(2e-3, warmup_steps=min(200, given.steps // 5), weight_decay=0.1, beta2=0.98), given.steps,
    )  # fmt: skip
    for _ in range(given.steps):
        step()
    step.read()
    return model.eval()


def _tensors(sentences: Sequence[Sentence], longest: int) -> tuple[Tensor, Tensor]:
    """Return windows (n, C, T), missing where a sentence is over, and symbols (n, L)."""
    T = min(longest, max(each.activity.shape[1] for each in sentences))
    L = max(len(each.phonemes) for each in sentences)
    x = torch.full((len(sentences), len(sentences[0].activity), T), torch.nan)
    ids = torch.zeros((len(sentences), L), dtype=torch.int64)
    number = {symbol: i + N_SPECIAL for i, symbol in enumerate(SYMBOLS)}
    for i, each in enumerate(sentences):
        kept = min(T, each.activity.shape[1])
        x[i, :, :kept] = torch.from_numpy(each.activity[:, :kept])
        ids[i, : len(each.phonemes)] = torch.tensor([number[symbol] for symbol in each.phonemes])
    return x, ids


def _spell(ids: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(SYMBOLS[i - N_SPECIAL] for i in ids)


class _Bigram:
    """What the training sentences say of which word follows which; and words read off phonemes."""

    def __init__(self, sentences: Sequence[Sentence], *, weight: float = 0.6, bonus: float = 1.5) -> None:
        self.names, self.weight, self.bonus = tuple(WORDS), weight, bonus
        place = {name: i for i, name in enumerate(self.names)}
        starts = Counter(each.words[0] for each in sentences)
        pairs = Counter(pair for each in sentences for pair in pairwise(each.words))
        self.first = np.log([starts[name] + 0.5 for name in self.names])
        self.first -= np.log(np.exp(self.first).sum())
        counts = np.full((len(place), len(place)), 0.1)
        for (before, after), n in pairs.items():
            counts[place[before], place[after]] += n
        self.next = np.log(counts / counts.sum(1, keepdims=True))

    def likeliest(self, n: int) -> tuple[str, ...]:
        """Return the likeliest sentence of n words."""
        return self._best(np.zeros((n, len(self.names))), 1.0)

    def words(self, phonemes: Sequence[str], *, rescored: bool) -> tuple[str, ...]:
        """Return the words between pauses, each by itself or with the bigram."""
        parts = [part.split() for part in " ".join(phonemes).split(PAUSE)]
        parts = [part for part in parts if part]
        if not parts:
            return ()
        far = np.array([[count_edits(WORDS[name], part).errors for name in self.names] for part in parts])
        return self._best(-2.0 * far.astype(float), self.weight if rescored else 0.0)

    def rescored(self, read: Sequence[tuple[tuple[str, ...], float]]) -> tuple[str, ...]:
        """Return the words of the answer that the model and the bigram together like best."""
        place = {name: i for i, name in enumerate(self.names)}

        def total(words: tuple[str, ...], likely: float) -> float:
            at = [place[word] for word in words]
            spoken = [self.first[at[0]], *(self.next[a, b] for a, b in pairwise(at))] if at else []
            return likely + self.weight * float(sum(spoken)) + self.bonus * len(words)

        every = [(self.words(phonemes, rescored=True), likely) for phonemes, likely in read]
        return max(every, key=lambda each: total(*each))[0]

    def _best(self, fits: NDArray[np.float64], weight: float) -> tuple[str, ...]:
        """Return the best way through words whose scores are (n, words): Viterbi's."""
        score, back = fits[0] + weight * self.first, []
        for own in fits[1:]:
            every = score[:, None] + weight * self.next
            back.append(every.argmax(0))
            score = every.max(0) + own
        at = [int(score.argmax())]
        for came in reversed(back):
            at.append(int(came[at[-1]]))
        return tuple(self.names[i] for i in reversed(at))


class _Linear:
    """Ridge regression on single bins with their neighbours; it names a phoneme or none in each bin."""

    def __init__(self, sentences: Sequence[Sentence], *, penalty: float = 10.0) -> None:
        x = np.concatenate([self._seen(each) for each in sentences])
        y = np.concatenate([each.spoken for each in sentences])
        self.mean, self.sd = x.mean(0), x.std(0)
        z = np.c_[(x - self.mean) / self.sd, np.ones(len(x))]
        every = np.eye(len(SYMBOLS))[np.where(y < 0, len(SYMBOLS) - 1, y)]
        self.weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ every)

    def scores(self, sentence: Sentence) -> NDArray[np.float64]:
        z = (self._seen(sentence) - self.mean) / self.sd
        return z @ self.weights[:-1] + self.weights[-1]

    def share_right(self, sentences: Sequence[Sentence]) -> float:
        """Return the share of phonemes' bins that get the right phoneme."""
        right = [(self.scores(each)[:, :-1].argmax(1) == each.spoken)[each.spoken >= 0] for each in sentences]
        return float(np.concatenate(right).mean())

    def read(self, sentences: Sequence[Sentence]) -> Phonemes:
        """Return phonemes: scores smoothed over five bins, repeats merged; pauses where none is spoken."""
        found = []
        for each in sentences:
            smooth = np.apply_along_axis(np.convolve, 0, self.scores(each), np.ones(5) / 5, "same")
            found.append([(_spell(merge_frames((smooth.argmax(1) + N_SPECIAL).tolist())), 0.0)])
        return found

    @staticmethod
    def _seen(sentence: Sentence) -> NDArray[np.float64]:
        bins = sentence.activity.T.astype(np.float64)
        padded = np.pad(bins, ((NEIGHBOURS, NEIGHBOURS), (0, 0)), mode="edge")
        return np.concatenate([padded[i : i + len(bins)] for i in range(2 * NEIGHBOURS + 1)], 1)


def _row(phonemes: Phonemes, test: Sequence[Sentence], language: _Bigram) -> str:
    """Return the cells of a decoder: phoneme and word errors; pauses are no phonemes."""
    best = [each[0][0] for each in phonemes]
    spoken = [
        count_edits([p for p in each.phonemes if p != PAUSE], [p for p in mine if p != PAUSE])
        for each, mine in zip(test, best, strict=True)
    ]
    direct = [language.words(mine, rescored=False) for mine in best]
    rescored = [language.rescored(each) for each in phonemes]
    words = [
        [count_edits(each.words, mine) for each, mine in zip(test, found, strict=True)]
        for found in (direct, rescored)
    ]
    return f"| {_rate(spoken, test)} | {_rate(words[0], test)} | {_rate(words[1], test)} |"


def _rate(edits: Sequence[Edits], test: Sequence[Sentence]) -> str:
    total = Edits.of_all(edits)
    blocks = [each.block for each in test]
    low, high = rate_interval(edits, blocks if len(set(blocks)) > 2 else None)
    kinds = f"{total.insertions} + {total.deletions} + {total.substitutions}"
    return f"{total.rate:.1%} ({low:.1%} to {high:.1%}; {kinds})"


def _per_block(n: int) -> int:
    return max(1, min(50, n // 10))


def _load(file: Path, day: int) -> list[Sentence]:
    held = np.load(file)
    ends = held["bins"].cumsum()[:-1]
    parts = zip(
        np.split(held["activity"].astype(np.float32), ends, 1), np.split(held["spoken"], ends), held["words"],
        held["phonemes"], held["block"], strict=True,
    )  # fmt: skip
    return [
        Sentence(tuple(str(words).split()), tuple(str(phonemes).split()), activity, spoken, int(block), day)
        for activity, spoken, words, phonemes, block in parts
    ]


if __name__ == "__main__":
    main()
