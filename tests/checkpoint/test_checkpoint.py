"""A checkpoint's folder: whole, proved, and safe to load whoever wrote it."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiolect import Checkpoint, load_checkpoint
from physiolect.checkpoint import Outputs, export_published, load_published, load_state
from physiolect.contract import CONTRACTS
from physiolect.errors import CheckpointError, ConfigError, PhysiolectError, WriteError
from physiolect.models.gpt import GPT, GPT_PRESETS, GPTConfig
from physiolect.models.heads import choose_trained
from physiolect.models.published import heartgpt, weights_file
from physiolect.tokenizers import LevelTokenizer

SMALL = GPTConfig(context_length=24, width=16, n_layers=2, n_heads=2, mlp_width=32)
THEIRS = replace(
    GPT_PRESETS["heartgpt-ecg"],
    context_length=24,
    width=16,
    n_layers=2,
    n_heads=2,
    mlp_width=32,
    attention_scale=0.25,
)
PARTS = ("model.safetensors", "config.yaml", "contract.yaml", "signal_tokenizer.json")
ALL_FIVE = (
    "ECGPT_560k_iters", "ECGPT_AF_1k_iters", "PPGPT_500k_iters", "PPGPT_AF_1k_iters", "PPGPT_beat_5k_iters",
)  # fmt: skip
IDS = torch.arange(24)[None] * 7 % 101


def made(config: GPTConfig = SMALL, seed: int = 0) -> Checkpoint:
    """A checkpoint whose every weight matters."""
    torch.manual_seed(seed)
    model = GPT(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Checkpoint(model, LevelTokenizer(), CONTRACTS["heartgpt-ecg"], run={"command": "test"})


def logits(checkpoint: Checkpoint) -> torch.Tensor:
    with torch.inference_mode():
        return checkpoint.model(IDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made().save(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        THEIRS,
        replace(SMALL, tied=True),
        replace(SMALL, tied=True, bias=False, head_bias=False, norm="rms", qk_norm=True, band=7),
        replace(SMALL, n_outputs=1),
    ],
    ids=["modern", "published", "tied", "bare", "detector"],
)
def test_what_is_saved_is_loaded_and_proves_itself(config: GPTConfig, tmp_path: Path) -> None:
    checkpoint = made(config)
    checkpoint.outputs = Outputs("rhythm" if config.n_outputs else "forecast")
    folder = checkpoint.save(tmp_path / "here" / "checkpoint")
    loaded = load_checkpoint(shutil.move(folder, tmp_path / "elsewhere"))
    torch.testing.assert_close(logits(loaded), logits(checkpoint), rtol=0, atol=0)
    assert loaded.model.config == config
    assert (loaded.task.name, loaded.contract, loaded.tokenizer) == (
        checkpoint.task.name,
        checkpoint.contract,
        checkpoint.tokenizer,
    )
    assert loaded.run == {"command": "test"}
    assert not loaded.model.training
    assert loaded.verify().deviation < 1e-5
    if config.tied:
        assert loaded.model.head.weight is loaded.model.tokens.weight


@pytest.mark.parametrize(
    "outputs",
    [
        {"task": "classify", "classes": ("N", "S", "V")},
        {"task": "classify", "classes": ("a", "b", "c"), "several": True},
        {"task": "regress", "target": "age", "unit": "years", "mean": 50.0, "sd": 12.5},
        {"task": "rhythm", "classes": ("AFIB",)},
    ],
)
def test_what_outputs_mean_is_kept(outputs: dict[str, Any], tmp_path: Path) -> None:
    n_outputs = 3 if outputs["task"] == "classify" else 1
    model = replace(SMALL, n_outputs=n_outputs, pooling="attention", unmask_last=True)
    checkpoint = replace(made(model), outputs=Outputs(**outputs))
    loaded = load_checkpoint(checkpoint.save(tmp_path / "x"))
    assert loaded.outputs == Outputs(**outputs)
    assert loaded.verify().deviation < 1e-5


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"task": "classify", "classes": ("a", "b")}, "3 outputs, but the classes are a, b"),
        ({"task": "classify", "classes": ("a", "b", "b")}, "the classes are a, b, b"),
        ({"task": "classify"}, "0 classes, but at least 2 are needed"),
        ({"task": "regress"}, "3 outputs, but regress"),
        ({"sd": 0.0}, "sd is 0"),
    ],
)
def test_classes_that_do_not_fit_the_outputs_are_not_saved(
    outputs: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        replace(made(replace(SMALL, n_outputs=3)), outputs=Outputs(**outputs)).save(tmp_path / "x")
    assert caught.value.hint
    assert not (tmp_path / "x").exists()


def test_a_folder_from_before_there_were_classes_is_read(folder: Path) -> None:
    config = folder / "config.yaml"
    later = ("classes", "several", "target", "pooling", "unmask_last")
    kept = [line for line in config.read_text().splitlines() if not line.strip().startswith(later)]
    config.write_text("\n".join(kept) + "\n")
    assert load_checkpoint(folder).verify().deviation < 1e-5


def test_low_rank_additions_are_added_up_when_saved(tmp_path: Path) -> None:
    checkpoint = made(replace(SMALL, n_outputs=1))
    checkpoint.outputs = Outputs("rhythm")
    for name in choose_trained(checkpoint.model, "lora", rank=2):
        torch.nn.init.normal_(checkpoint.model.get_parameter(name), std=0.3)
    loaded = load_checkpoint(checkpoint.save(tmp_path / "x"))
    torch.testing.assert_close(logits(loaded), logits(checkpoint))
    assert loaded.verify().deviation < 1e-5
    assert checkpoint.verify().deviation < 1e-5


def test_a_model_in_bfloat16_is_proved_as_it_will_be_loaded(tmp_path: Path) -> None:
    checkpoint = made()
    checkpoint.model.bfloat16()
    loaded = load_checkpoint(checkpoint.save(tmp_path / "half"))
    assert loaded.model.head.weight.dtype == torch.float32
    assert loaded.verify().deviation < 1e-5
    assert checkpoint.model.head.weight.dtype == torch.bfloat16


def test_saving_leaves_a_model_in_training_as_it_was(tmp_path: Path) -> None:
    checkpoint = made(replace(SMALL, residual_dropout=0.5))
    checkpoint.model.train()
    assert load_checkpoint(checkpoint.save(tmp_path / "x")).verify().deviation < 1e-5
    assert checkpoint.model.training


def test_one_changed_weight_is_noticed(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    with torch.no_grad():
        checkpoint.model.trunk.blocks[1].mlp.up.bias[3] += 1e-6  # type: ignore[union-attr, index, operator]
    with pytest.raises(CheckpointError, match="weights are not those"):
        checkpoint.verify()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("attention_scale: null", "attention_scale: 0.25"),
        ("activation: gelu", "activation: relu"),
        ("rotary_base: 10000.0", "rotary_base: 500.0"),
        ("band: null", "band: 5"),
        ("context_length: 24", "context_length: 12"),
    ],
)
def test_a_changed_setting_is_noticed(folder: Path, before: str, after: str) -> None:
    config = folder / "config.yaml"
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))
    with pytest.raises(CheckpointError):
        load_checkpoint(folder).verify()


def test_a_setting_that_changes_shapes_is_refused_at_once(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("mlp_width: 32", "mlp_width: 64"))
    with pytest.raises(CheckpointError, match=r"does not fit config\.yaml"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (" width: 16", " width: 10000000"),
        (" width: 16", " width: 10000000000000000"),
        ("mlp_width: 32", "mlp_width: 1000000000000"),
        ("n_layers: 2", "n_layers: 1000000000"),
        ("vocabulary_size: 101", "vocabulary_size: 1000000000000"),
        ("positions: rotary", "positions: learned"),
    ],
)
def test_a_config_that_lies_about_sizes_costs_no_memory(folder: Path, before: str, after: str) -> None:
    config = folder / "config.yaml"
    text = config.read_text().replace("context_length: 24", "context_length: 1000000000000")
    assert before in text
    config.write_text(text.replace(before, after))
    with pytest.raises(CheckpointError, match=r"model\.safetensors does not fit config\.yaml") as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert "memory" not in str(caught.value)


@pytest.mark.parametrize("name", PARTS)
def test_a_missing_part_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name} missing") as caught:
        load_checkpoint(folder)
    assert caught.value.hint


@pytest.mark.parametrize("name", [*PARTS, "fingerprint.json", "run.yaml"])
@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{}", b"\x80\x04\xff", b"3", b"null", b'{"kind": []}'])
def test_a_damaged_part_is_one_sentence(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    if name == "run.yaml" and content in (b"", b"{}", b"null", b'{"kind": []}'):
        assert load_checkpoint(folder).verify()  # any mapping will do: it is for people
        return
    with pytest.raises(PhysiolectError) as caught:
        load_checkpoint(folder).verify()
    assert caught.value.hint


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    (folder / "signal_tokenizer.json").write_text(
        '{"kind": "levels", "n_levels": 201, "vocabulary_size": 201}'
    )
    with pytest.raises(CheckpointError, match=r"has 201 token ids, but the model .* has 101") as caught:
        load_checkpoint(folder)
    assert caught.value.hint


def test_a_damaged_training_state_is_one_sentence(tmp_path: Path) -> None:
    made().save(tmp_path / "run", state={"step": torch.tensor(3)})
    (tmp_path / "run" / "state" / "training.safetensors").write_bytes(b"\x80\x04\xff")
    with pytest.raises(CheckpointError, match="is damaged") as caught:
        load_state(tmp_path / "run")
    assert caught.value.hint


def test_without_a_fingerprint_nothing_is_proved(folder: Path) -> None:
    (folder / "fingerprint.json").unlink()
    with pytest.raises(CheckpointError, match="no fingerprint"):
        load_checkpoint(folder).verify()


@pytest.mark.parametrize(
    "change",
    [{"positions": [0, 12, 99]}, {"positions": [0, -1, 3]}, {"positions": [0]}, {"logits": [[1.0], [2.0]]}],
)
def test_a_foreign_fingerprint_is_refused(folder: Path, change: dict[str, Any]) -> None:
    file = folder / "fingerprint.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError, match="other sizes"):
        load_checkpoint(folder).verify()


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    other = made(seed=1).save(tmp_path / "other")
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match="weights are not those"):
        load_checkpoint(folder).verify()


def test_an_interrupted_save_leaves_the_old_one_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(path, target)

    before = logits(load_checkpoint(folder))
    for seed in (1, 2):  # the second finds what the first left behind
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", fail)
            with pytest.raises(KeyboardInterrupt):
                made(seed=seed).save(folder)
        assert not folder.exists()
        torch.testing.assert_close(logits(load_checkpoint(folder)), before, rtol=0, atol=0)
    made(seed=3).save(folder)
    torch.testing.assert_close(logits(load_checkpoint(folder)), logits(made(seed=3)), rtol=0, atol=0)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_save_that_fails_before_the_swap_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr("physiolect.checkpoint.checkpoint.save_tokenizer", fail)
    with pytest.raises(WriteError, match="the disk is full"):
        made(seed=1).save(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_nothing_but_a_checkpoint_is_ever_replaced(tmp_path: Path) -> None:
    thesis = tmp_path / "documents" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    for place in (thesis, thesis.parent):
        with pytest.raises(CheckpointError, match="would be lost"):
            made().save(place)
    assert thesis.read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    made().save(tmp_path / "empty")


def test_a_checkpoint_is_found_from_within(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert load_checkpoint(".").verify()
    made(seed=1).save(".")


def test_a_run_stands_for_its_best(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made(seed=1).save(run / "best")
    made(seed=2).save(run / "last", state={"step": torch.tensor(3)})
    (run / "config.yaml").write_text("learning_rate: 0.001\n")
    torch.testing.assert_close(logits(load_checkpoint(run)), logits(made(seed=1)))
    (run / "best").rename(run / "best.old")
    torch.testing.assert_close(logits(load_checkpoint(run)), logits(made(seed=1)))
    assert load_state(run / "last")["step"] == 3
    with pytest.raises(CheckpointError, match="no training state"):
        load_state(run / "best")


# The authors' files, and files that claim to be.


def pth(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def their_state() -> dict[str, torch.Tensor]:
    checkpoint = made(THEIRS)
    return heartgpt.to_heartgpt(checkpoint.model.state_dict(), THEIRS)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    payloads = {
        "plain.pth": pickle.dumps(Bomb(trace), protocol=2),
        "zip.pth": pth(Bomb(trace)),
        "inside.pth": pth({**their_state(), "lm_head.bias": Bomb(trace)}),
    }
    for name, payload in payloads.items():
        (tmp_path / name).write_bytes(payload)
        with pytest.raises(CheckpointError, match="no readable weights"):
            load_checkpoint(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "wrapped.zip", "w") as archive:
        archive.writestr("wrapped.pth", payloads["inside.pth"])
    with pytest.raises(CheckpointError, match="no readable weights"):
        load_checkpoint(tmp_path / "wrapped.zip")
    assert not trace.exists()
    pickle.loads(payloads["plain.pth"])  # it works, or this test shows nothing
    assert trace.exists()


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.pth", bytes(1 << 20))
    monkeypatch.setattr(weights_file, "MAX_BYTES", 1 << 19)
    with pytest.raises(CheckpointError, match="unpacks to 1048576 bytes"):
        load_checkpoint(tmp_path / "bomb.zip")


Change = Callable[[dict[str, torch.Tensor]], object]


def without(key: str) -> Change:
    return lambda state: {k: v for k, v in state.items() if k != key}


def with_(key: str, *shape: int) -> Change:
    return lambda state: {**state, key: torch.ones(shape)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: list(state.values()), "something else than named tensors"),
        (lambda state: {**state, "epoch": 3}, "something else than named tensors"),
        (lambda state: {}, "no HeartGPT weights"),
        (without("ln_f.bias"), "missing in the HeartGPT weights: ln_f.bias"),
        (without("blocks.1.sa.heads.1.key.weight"), "missing in the HeartGPT weights"),
        (with_("extra.weight", 3), "unknown in the HeartGPT weights: extra.weight"),
        (with_("blocks.0.sa.heads.1.tril", 3, 3), "no causal mask"),
        (with_("blocks.1.sa.heads.0.tril", 24, 24), "no causal mask"),
        (with_("ln_f.bias", 3), "do not fit together"),
        (with_("blocks.0.sa.heads.0.query.weight", 8), "do not fit together"),
        (with_("token_embedding_table.weight", 77, 16), "HeartGPT"),
        (with_("token_embedding_table.weight", 77), "no HeartGPT weights"),
    ],
)
def test_weights_that_are_not_heartgpts_are_one_sentence(tmp_path: Path, change: Change, told: str) -> None:
    (tmp_path / "x.pth").write_bytes(pth(change(their_state())))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "x.pth")
    assert told in str(caught.value) or "do not fit together" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("suffix", [".pth", ".zip"])
@pytest.mark.parametrize("kept", [0, 1, 10, 0.5, 0.99])
def test_a_truncated_file_is_one_sentence(tmp_path: Path, suffix: str, kept: float) -> None:
    whole = export_published(made(THEIRS), tmp_path / f"whole{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(cut)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["out.pth", "out.zip", "OUT.ZIP"])
def test_export_and_back(tmp_path: Path, name: str) -> None:
    checkpoint = made(THEIRS)
    back = load_checkpoint(export_published(checkpoint, tmp_path / "new" / name))
    torch.testing.assert_close(logits(back), logits(checkpoint), rtol=0, atol=0)
    assert [file.name for file in (tmp_path / "new").iterdir()] == [name]


def test_only_what_heartgpt_can_run_is_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="positions rotary"):
        export_published(made(), tmp_path / "x.pth")
    assert not list(tmp_path.iterdir())


def test_an_unknown_detector_must_say_what_it_detects(tmp_path: Path) -> None:
    checkpoint = made(replace(THEIRS, n_outputs=1))
    checkpoint.outputs = Outputs("beats")
    file = export_published(checkpoint, tmp_path / "mine.pth")
    with pytest.raises(CheckpointError, match="does not say what it detects"):
        load_published(file)
    assert load_published(file, task="beats").task.name == "beats"


@pytest.mark.parametrize("name", ALL_FIVE)
def test_the_authors_code_gets_back_what_it_published(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    checkpoint = load_checkpoint(weights / f"{name}.zip")
    assert checkpoint.run["published_as"] == name
    folder = checkpoint.save(tmp_path / "folder")
    file = export_published(load_checkpoint(folder), tmp_path / "out.pth")
    ours = torch.load(file, weights_only=True)
    theirs = weights_file.read_state(weights / f"{name}.zip")
    assert ours.keys() == theirs.keys()
    for key, tensor in theirs.items():
        assert (ours[key].dtype, ours[key].shape) == (tensor.dtype, tensor.shape), key
        np.testing.assert_array_equal(ours[key].numpy().view(np.int32), tensor.numpy().view(np.int32), key)

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from plain import PlainGPT

    config = checkpoint.model.config
    plain = PlainGPT(config).eval()
    if config.n_outputs is not None:
        plain.lm_head = torch.nn.Module()
        plain.lm_head.linear1 = torch.nn.Sequential(torch.nn.Linear(config.width, config.n_outputs))
        plain.lm_head.forward = lambda x: plain.lm_head.linear1(x)
    plain.load_state_dict(ours, strict=True)
    ids = torch.arange(config.context_length)[None] * 7 % 101
    with torch.inference_mode():
        torch.testing.assert_close(checkpoint.model(ids), plain(ids), rtol=0, atol=1e-3)
    sys.modules.pop("plain")


def test_a_bomb_inside_the_published_zip_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import zipfile

    from physiolect.models.published import weights_file

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(4_000_000))
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("model.pth", inner.getvalue())
    monkeypatch.setattr(weights_file, "MAX_BYTES", 1_000_000)
    with pytest.raises(CheckpointError, match="unpacks to 4000000 bytes"):
        load_checkpoint(tmp_path / "model.zip")


def test_a_key_of_a_far_layer_costs_nothing() -> None:
    from physiolect.models.gpt import GPT, GPT_PRESETS
    from physiolect.models.published.heartgpt import from_heartgpt, to_heartgpt

    state = to_heartgpt(GPT(GPT_PRESETS["heartgpt-ecg"]).state_dict(), GPT_PRESETS["heartgpt-ecg"])
    state["blocks.30000000.sa.heads.0.query.weight"] = torch.zeros(8, 64)
    with pytest.raises(CheckpointError, match="HeartGPT weights"):
        from_heartgpt(state)
