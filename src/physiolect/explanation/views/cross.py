"""The view of cross-attention: where a model that writes sequences looks in the signal, symbol by symbol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiolect.checkpoint import Checkpoint
from physiolect.errors import ContractError
from physiolect.explanation.cutting import cut_answer
from physiolect.explanation.target import Target
from physiolect.explanation.views.explanation import Explanation
from physiolect.explanation.views.question import Question
from physiolect.explanation.views.words import score_facts, score_line, score_lines, titled, window_numbers
from physiolect.models.capture import Capture
from physiolect.models.search import search
from physiolect.models.seq2seq import END, Seq2Seq

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEAMS = 4
_AT_ONCE = 64
_THE_END = "(end)"


@dataclass(frozen=True)
class _AnswerTarget(Target):
    """The log-probability of one answer, with its end."""

    ids: tuple[int, ...] = ()

    def of_inputs(
        self,
        checkpoint: Checkpoint,
        inputs: Tensor,
        n_tokens: int,
        *,
        tell: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Return the number for each of several windows (B, C, T), (B,)."""
        model = checkpoint.model.eval()
        assert isinstance(model, Seq2Seq)
        wanted = torch.tensor([[*self.ids, END]], device=inputs.device)
        found, done = [], 0
        with torch.inference_mode():
            for rows in inputs.split(_AT_ONCE):
                logs = model.teach(rows, wanted[:, :-1].expand(len(rows), -1)).logits.float().log_softmax(-1)
                found.append(logs.gather(2, wanted.expand(len(rows), -1).unsqueeze(2)).sum((1, 2)))
                done += len(rows)
                if tell is not None:
                    tell(done, len(inputs))
        return torch.cat(found)


def show_cross(asked: Question) -> Explanation:
    """Show the decoder's cross-attention over the last trial, or the last window, for the likeliest answer."""
    checkpoint, source = asked.checkpoint, asked.recording.source
    model = checkpoint.model.eval()
    assert isinstance(model, Seq2Seq)
    window = cut_answer(checkpoint, asked.recording, channel=asked.channel, first=asked.first)
    x = window.tensor(checkpoint)
    answer = search(model, x, beams=_BEAMS)[0][0]
    if not np.isfinite(answer.log_probability):
        raise ContractError("the model's answer is no number", hint="choose another stretch")
    capture = Capture.of(range(len(model.decoder.blocks)))
    capture.cross = True
    ids = torch.tensor([answer.ids], dtype=torch.int64, device=x.device)
    with torch.inference_mode():
        model.look(x, ids, capture)
    weights = torch.stack(capture.crossed).mean((0, 2))[0].double().cpu().numpy()  # (L + 1, N)
    importance: NDArray[np.float64] = weights.mean(0)
    symbols = (*checkpoint.outputs.spell(answer.ids), _THE_END)
    target = _AnswerTarget(
        f"log-probability of {' '.join(symbols[:-1]) or 'nothing'}", window.n_positions, window.n_tokens,
        window.n_positions - 1, lambda logits: logits, True, ids=answer.ids,
    )  # fmt: skip
    score = asked.faithfulness(window, importance, target=target)
    middle = window.token_spans.mean(1)
    looked = middle[weights.argmax(1)]

    def draw() -> Figure:
        from physiolect.plots import cross_figure

        return cross_figure(
            np.atleast_2d(window.signal), weights, symbols, start=window.start,
            stop=window.start + window.n_positions / window.fs,
            title=titled("Cross-attention, mean over layers and heads", source, window), evidence=score_line(score),
        )  # fmt: skip

    places = [f"{name} {moment:.2f} s" for name, moment in zip(symbols, looked.tolist(), strict=True)]

    return Explanation(
        view="cross",
        source=source,
        windows=(window,),
        numbers={**window_numbers(window), "weights": weights, "symbols": np.array(symbols)},
        facts={
            "explained": target.words, "symbols": list(symbols), "looks_at_s": looked.tolist(), **score_facts(score),
        },
        lines=(
            f"  explained   {target.words}, {answer.log_probability:.2f}",
            f"  looks at    {', '.join(places)}",
            *score_lines(score),
        ),
        draw=draw,
        columns={"symbol": list(symbols), "looks_at_s": looked, "weight": weights.max(1)},
        listed=True,
    )  # fmt: skip
