"""Sequence to sequence: cached against full, beam search against a plain one, padding, CTC, and the joint loss."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from physiolect.errors import ConfigError
from physiolect.models.capture import Capture
from physiolect.models.search import Answer, merge_frames, read_frames, sample, search
from physiolect.models.seq2seq import END, PADDING, START, Seq2Seq, Seq2SeqConfig
from physiolect.training import Sequences, answer_loss, frame_loss

_CONFIG = Seq2SeqConfig(
    n_channels=3, context_length=20, n_outputs=6, longest=4, patch=2, width=16, n_layers=2, n_decoder_layers=2,
    n_heads=2, mlp_width=24,
)  # fmt: skip


def make_model(config: Seq2SeqConfig = _CONFIG, seed: int = 0) -> Seq2Seq:
    torch.manual_seed(seed)
    model = Seq2Seq(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model


def windows(n: int = 3, T: int = 20) -> Tensor:
    return torch.randn(n, 3, T, generator=torch.Generator().manual_seed(1))


def test_step_by_step_with_a_cache_it_says_what_it_says_at_once() -> None:
    model, x = make_model(), windows()
    ids = torch.tensor([[3, 4, 5, 3], [5, 5, 4, 3], [4, 3, 3, 3]])
    full = model.teach(x, ids).logits
    memory = model.listen(x)
    steps = [model.say(each, memory) for each in torch.cat((torch.full((3, 1), START), ids), 1).unbind(1)]
    torch.testing.assert_close(torch.stack(steps, 1), full)


def test_an_answer_is_causal_by_gradient() -> None:
    model, x = make_model(), windows(1)
    source, _ = model.encode(x)
    embedded = model.symbols(torch.tensor([[START, 3, 4, 5]])).detach().requires_grad_()
    out = model.head(model.decoder(embedded, source=source))
    (gradient,) = torch.autograd.grad(out[0, 1].sum(), embedded)
    assert gradient[0, :2].abs().min() > 0
    assert gradient[0, 2:].abs().max() == 0


def test_the_answer_depends_on_the_whole_window() -> None:
    x = windows(1).requires_grad_()
    (gradient,) = torch.autograd.grad(
        make_model().teach(x, torch.tensor([[3]])).logits[0, -1].square().sum(), x
    )
    assert gradient.abs().amin() > 0


def test_steps_missing_at_the_end_are_padding() -> None:
    model, x, ids = make_model(), windows(), torch.tensor([[3, 4], [5, 0], [4, 4]])
    padded = x.clone()
    padded[1, :, 9:] = torch.nan
    together = model.teach(padded, ids)
    alone = model.teach(x[1:2, :, :9], ids[1:2, :1])
    torch.testing.assert_close(together.logits[1:2, :2], alone.logits)
    assert together.n_frames.tolist() == [10, 5, 10]
    assert together.frames is not None
    assert alone.frames is not None
    torch.testing.assert_close(together.frames[1:2, :5], alone.frames)
    torch.testing.assert_close(model(padded, last_only=True)[1], model(x[1:2, :, :9], last_only=True)[0])
    found = search(model, padded, beams=3)
    (lone,) = search(model, x[1:2, :, :9], beams=3)
    assert [each.ids for each in found[1]] == [each.ids for each in lone]


@torch.inference_mode()
def plain_beams(model: Seq2Seq, x: Tensor, beams: int, penalty: float) -> list[Answer]:
    """Beam search of one window without a cache, in plain Python."""
    held = [Answer((), 0.0, False)]
    for _ in range(model.config.longest + 1):
        new = [each for each in held if each.ended]
        for each in held:
            if each.ended:
                continue
            logs = model.teach(x, torch.tensor([each.ids], dtype=torch.int64)).logits[0, -1].log_softmax(-1)
            full = len(each.ids) == model.config.longest
            for symbol in [END] if full else range(END, model.config.n_outputs):
                ids = each.ids if symbol == END else (*each.ids, symbol)
                new.append(Answer(ids, each.log_probability + float(logs[symbol]), symbol == END))
        held = sorted(new, key=lambda each: -each.score(penalty))[:beams]
    return held


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("beams", [1, 3])
def test_beam_search_finds_what_a_plain_one_finds(beams: int, penalty: float) -> None:
    model, x = make_model(seed=3), windows(4)
    for found, row in zip(search(model, x, beams=beams, penalty=penalty), x, strict=True):
        expected = plain_beams(model, row[None], beams, penalty)
        assert [each.ids for each in found] == [each.ids for each in expected]
        for mine, other in zip(found, expected, strict=True):
            assert mine.log_probability == pytest.approx(other.log_probability, abs=1e-4)
            assert mine.ended


def test_beams_enough_for_all_answers_find_the_likeliest_and_sum_to_one() -> None:
    model, x = make_model(replace(_CONFIG, longest=2), seed=5), windows(1)
    (found,) = search(model, x, beams=13, penalty=0.0)
    every = {ids for n in range(3) for ids in itertools.product((3, 4, 5), repeat=n)}
    assert {each.ids for each in found} == every
    logs = model.teach(x, torch.tensor([found[0].ids], dtype=torch.int64)).logits[0].log_softmax(-1)
    path = [*found[0].ids, END]
    total = sum(float(logs[i, symbol].detach()) for i, symbol in enumerate(path))
    assert found[0].log_probability == pytest.approx(total, abs=1e-4)


def test_one_beam_is_greedy() -> None:
    model, x = make_model(seed=2), windows(1)
    ids: list[int] = []
    while len(ids) < model.config.longest:
        logits = model.teach(x, torch.tensor([ids], dtype=torch.int64)).logits[0, -1]
        best = int(logits[END:].argmax()) + END
        if best == END:
            break
        ids.append(best)
    assert search(model, x)[0][0].ids == tuple(ids)


def test_draws_follow_the_model_and_their_seed() -> None:
    model = make_model(replace(_CONFIG, longest=1), seed=4)
    x = windows(1).expand(4000, -1, -1)
    drawn = sample(model, x, seed=1)
    assert drawn == sample(model, x, seed=1)
    assert drawn != sample(model, x, seed=2)
    logits = model.teach(x[:1], torch.empty(1, 0, dtype=torch.int64)).logits[0, 0].clone()
    logits[[PADDING, START]] = -torch.inf
    share = sum(each.ids == (3,) for each in drawn) / len(drawn)
    assert share == pytest.approx(float(logits.softmax(-1)[3].detach()), abs=0.03)


def test_frames_merge_repeats_and_leave_blanks_out() -> None:
    assert merge_frames([0, 3, 3, 0, 3, 4, 4, 0, 0]) == (3, 3, 4)
    assert merge_frames([]) == ()
    model, x = make_model(), windows(2)
    x[1, :, 7:] = torch.nan
    assert read_frames(model, x)[1] == read_frames(model, x[1:, :, :7])[0]
    with pytest.raises(ConfigError, match="no CTC head"):
        read_frames(make_model(replace(_CONFIG, ctc=False)), x)


def plain_ctc(logs: Tensor, ids: list[int]) -> Tensor:
    """The CTC loss of one row by adding up every path, (N, V) log-probabilities."""
    N, V = logs.shape
    paths = [p for p in itertools.product(range(V), repeat=N) if merge_frames_with_all(p) == ids]
    return -torch.logsumexp(
        torch.stack([torch.stack([logs[i, s] for i, s in enumerate(p)]).sum() for p in paths]), 0
    )


def merge_frames_with_all(path: tuple[int, ...]) -> list[int]:
    return [now for before, now in zip((0, *path), path, strict=False) if now not in (before, 0)]


def test_the_ctc_loss_is_that_of_all_paths_forward_and_backward() -> None:
    frames = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    ids, n_frames = torch.tensor([[1, 1, 0], [3, 2, 1]]), torch.tensor([4, 5])
    loss = frame_loss(frames, n_frames, ids)
    logs = frames.log_softmax(-1)
    expected = (plain_ctc(logs[0, :4], [1, 1]) / 2 + plain_ctc(logs[1], [3, 2, 1]) / 3) / 2
    torch.testing.assert_close(loss, expected)
    found, wanted = (torch.autograd.grad(each, frames, retain_graph=True)[0] for each in (loss, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_the_answer_loss_counts_symbols_and_ends_and_no_padding() -> None:
    logits = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(3))
    ids = torch.tensor([[3, 5, 4], [4, 0, 0]])
    logs = logits.log_softmax(-1)
    counted = [logs[0, 0, 3], logs[0, 1, 5], logs[0, 2, 4], logs[0, 3, END], logs[1, 0, 4], logs[1, 1, END]]
    torch.testing.assert_close(answer_loss(logits, ids), -torch.stack(counted).mean())


def test_the_joint_loss_is_a_mixture_and_trains_everything() -> None:
    model, x, ids = make_model().train(), windows(), torch.tensor([[3, 4], [5, 0], [4, 5]])
    model.decoder.blocks[0].dropout = 0.0
    Sequences(ctc=0.3)(model, (x, ids)).backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in model.parameters())
    model.eval()
    parts = [float(Sequences(ctc=share)(model, (x, ids)).detach()) for share in (0.0, 1.0, 0.3)]
    assert parts[2] == pytest.approx(0.7 * parts[0] + 0.3 * parts[1], rel=1e-5)
    whole = Sequences(ctc=0.3).of_all(model, [x[:2], x[2:]], ids)
    assert whole == pytest.approx(parts[2], rel=0.5)


def test_time_masks_cover_their_share_and_only_in_training() -> None:
    model = make_model(replace(_CONFIG, time_mask=0.5, mask_span=4, context_length=400, patch=1, noise=0.0))
    x = torch.ones(32, 3, 400)
    assert (model.embed(x) != 0).all()
    covered = (model.train().embed(x) == 0).all(-1).float().mean()
    assert float(covered) == pytest.approx(0.5, abs=0.05)


def test_token_inputs_are_ids_in_one_channel() -> None:
    config = replace(_CONFIG, n_channels=1, input_vocabulary=9, patch=1, statistics="none")
    model = make_model(config)
    x = torch.tensor([[[1.0, 5.0, 8.0, 0.0, 0.0]], [[2.0, 2.0, 3.0, 4.0, 1.0]]])
    together = model.teach(x, torch.tensor([[3], [4]])).logits
    alone = model.teach(x[:1, :, :3], torch.tensor([[3]])).logits
    torch.testing.assert_close(together[:1], alone)
    assert model(model.probe()).shape == (1, 20, 6)


def test_cross_attention_is_kept_for_explanation() -> None:
    model, x = make_model(), windows(2)
    x[1, :, 10:] = torch.nan
    capture = Capture.of(layers=(0, 1))
    capture.cross = True
    logits = model.look(x, torch.tensor([[3, 4], [5, 3]]), capture)
    torch.testing.assert_close(logits, model.teach(x, torch.tensor([[3, 4], [5, 3]])).logits)
    assert [each.shape for each in capture.crossed] == [(2, 2, 3, 10)] * 2
    for each in capture.crossed:
        torch.testing.assert_close(each.sum(-1), torch.ones(2, 2, 3))
        assert each[1, :, :, 5:].max() == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_outputs": 3}, "n_outputs is 3"),
        ({"time_mask": 1.0}, "time_mask"),
        ({"input_vocabulary": 5}, "input tokens come in one channel"),
        ({"width": 15}, "no multiple of n_heads"),
        ({"counts": "cubes"}, "counts is 'cubes'"),
    ],
)
def test_wrong_settings_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(_CONFIG, **changed)  # type: ignore[arg-type]


def test_wrong_questions_are_refused() -> None:
    model = make_model()
    with pytest.raises(ConfigError, match="windows end at 20"):
        model(torch.zeros(1, 3, 21))
    with pytest.raises(ConfigError, match="beams is 0"):
        search(model, windows(), beams=0)
    with pytest.raises(ConfigError, match="longest is 9"):
        search(model, windows(), longest=9)
    with pytest.raises(ConfigError, match="temperature is 0"):
        sample(model, windows(), temperature=0.0)
