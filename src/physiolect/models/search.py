"""Answers of a sequence-to-sequence model: greedy, by beam search, drawn by chance, or read off its CTC head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.models.seq2seq import END, PADDING, START, Seq2Seq


@dataclass(frozen=True)
class Answer:
    """A sequence of symbols, and how likely the model finds it."""

    ids: tuple[int, ...]
    """Symbols without start and end."""
    log_probability: float
    """Natural logarithm, with that of the end."""
    ended: bool
    """Whether the model ended it; otherwise it reached the most symbols."""

    def score(self, penalty: float) -> float:
        """Return the log-probability over its length to the power of `penalty`."""
        return self.log_probability / (len(self.ids) + int(self.ended)) ** penalty


@torch.inference_mode()
def search(
    model: Seq2Seq,
    x: Tensor,
    *,
    beams: int = 1,
    penalty: float = 1.0,
    longest: int | None = None,
    attention_mask: Tensor | None = None,
) -> list[list[Answer]]:
    """Return the likeliest answers to each window, best first, found by beam search; one beam is greedy.

    Answers under way and answers that have ended compete for the beams by their score.

    Args:
        model: in eval mode.
        x: windows (B, C, T).
        beams: answers that are followed at once.
        penalty: scores are log-probabilities over length to this power: 0 favours short answers.
        longest: most symbols; None takes the model's.
        attention_mask: as for `Seq2Seq.forward`.

    Raises:
        ConfigError: a setting is out of range.
    """
    longest = _longest(model, longest)
    if beams < 1 or not penalty >= 0:
        raise ConfigError(
            f"beams is {beams} and penalty {penalty:g}, but beams must be at least 1 and penalty at least 0",
            hint="beams 4 and penalty 1 are usual",
        )
    memory = model.listen(x, attention_mask=attention_mask)
    memory.repeat(beams)
    B, V, device = len(x), model.config.n_outputs, x.device
    total = torch.full((B, beams), -torch.inf, device=device)
    total[:, 0] = 0
    ids = torch.full((B, beams, 1), START, device=device)
    length = torch.zeros(B, beams, device=device)
    ended = torch.zeros(B, beams, dtype=torch.bool, device=device)
    first_rows = torch.arange(B, device=device).unsqueeze(1) * beams
    for _ in range(longest + 1):
        logs = model.say(ids[:, :, -1].flatten(), memory).float().log_softmax(-1).view(B, beams, V)
        logs[:, :, [PADDING, START]] = -torch.inf
        if ids.shape[2] > longest:  # an answer this long can only end
            logs[:, :, END + 1 :] = -torch.inf
        logs = logs.masked_fill(ended.unsqueeze(2), -torch.inf)
        logs[:, :, PADDING] = logs[:, :, PADDING].masked_fill(ended, 0)
        sums = total.unsqueeze(2) + logs  # (B, n, V)
        lengths = length + (~ended).float()
        scores = sums / lengths.clamp_min(1).pow(penalty).unsqueeze(2)
        _, best = scores.flatten(1).topk(beams, 1)  # (B, n)
        came, symbol = best // V, best % V
        total = sums.flatten(1).gather(1, best)
        length = lengths.gather(1, came)
        ended = ended.gather(1, came) | (symbol == END)
        ids = torch.cat((ids.gather(1, came.unsqueeze(2).expand_as(ids)), symbol.unsqueeze(2)), 2)
        if bool((ended | total.isinf()).all()):
            break
        memory.choose((first_rows + came).flatten())
    return _answers(ids[:, :, 1:], total, penalty)


def _answers(ids: Tensor, total: Tensor, penalty: float) -> list[list[Answer]]:
    """Return the answers of beams (B, n, L) and their log-probabilities (B, n), best first."""
    found = []
    for row, sums in zip(ids.tolist(), total.tolist(), strict=True):
        beams = [
            Answer(tuple(symbol for symbol in beam if symbol > END), value, END in beam)
            for beam, value in zip(row, sums, strict=True)
            if value > -float("inf")
        ]
        found.append(sorted(beams, key=lambda each: -each.score(penalty)))
    return found


@torch.inference_mode()
def sample(
    model: Seq2Seq,
    x: Tensor,
    *,
    temperature: float = 1.0,
    longest: int | None = None,
    seed: int = 0,
    attention_mask: Tensor | None = None,
) -> list[Answer]:
    """Return one answer to each window, drawn by the model's probabilities.

    Args:
        model: in eval mode.
        x: windows (B, C, T).
        temperature: logits are divided by it.
        longest: most symbols; None takes the model's.
        seed: of the draws.
        attention_mask: as for `Seq2Seq.forward`.

    Raises:
        ConfigError: a setting is out of range.
    """
    longest = _longest(model, longest)
    if not temperature > 0:
        raise ConfigError(
            f"temperature is {temperature:g}, but must be above 0", hint="1 leaves logits alone"
        )
    memory = model.listen(x, attention_mask=attention_mask)
    generator = torch.Generator(x.device).manual_seed(seed)
    B = len(x)
    ids = torch.full((B, 1), START, device=x.device)
    total, ended = torch.zeros(B, device=x.device), torch.zeros(B, dtype=torch.bool, device=x.device)
    for _ in range(longest + 1):
        logits = model.say(ids[:, -1], memory).float()
        logits[:, [PADDING, START]] = -torch.inf
        if ids.shape[1] > longest:
            logits[:, END + 1 :] = -torch.inf
        drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)  # (B, 1)
        gained = logits.log_softmax(-1).gather(1, drawn)[:, 0]
        total = total + gained.masked_fill(ended, 0)
        ids = torch.cat((ids, drawn.masked_fill(ended.unsqueeze(1), PADDING)), 1)
        ended = ended | (drawn[:, 0] == END)
        if bool(ended.all()):
            break
    return [each[0] for each in _answers(ids[:, None, 1:], total.unsqueeze(1), 0.0)]


@torch.inference_mode()
def read_frames(model: Seq2Seq, x: Tensor, *, attention_mask: Tensor | None = None) -> list[tuple[int, ...]]:
    """Return the answer of the CTC head to each window: its likeliest symbols, repeats merged and blanks left out.

    Raises:
        ConfigError: the model has no CTC head.
    """
    if model.frame_head is None:
        raise ConfigError("the model has no CTC head", hint="train one with ctc: true")
    source, real = model.encode(x, attention_mask=attention_mask)
    best = model.frame_head(source).argmax(-1)  # (B, N)
    if real is not None:
        best = best.masked_fill(~real, PADDING)
    return [merge_frames(row) for row in best.tolist()]


def merge_frames(symbols: list[int]) -> tuple[int, ...]:
    """Return the answer that one symbol or blank for each frame stands for (Graves et al. 2006, eq. 2)."""
    pairs = zip([PADDING, *symbols], symbols, strict=False)
    return tuple(now for before, now in pairs if now not in (before, PADDING, START, END))


def _longest(model: Seq2Seq, longest: int | None) -> int:
    most = model.config.longest
    if longest is not None and not 1 <= longest <= most:
        raise ConfigError(
            f"longest is {longest}, but must be from 1 to the model's {most}", hint="leave it out"
        )
    return longest or most
