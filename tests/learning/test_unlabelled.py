"""`pretrain` with objectives that need no labels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from physiolect import config, finetune, load_checkpoint, pretrain
from physiolect.checkpoint import load_state
from physiolect.cli import main
from physiolect.errors import CheckpointError, ConfigError
from physiolect.language import load_text_tower
from physiolect.learning.pretrain_settings import PretrainSettings
from physiolect.learning.unlabelled.settings import FIRST_STAGES
from physiolect.models.encoder_config import EncoderConfig

OBJECTIVES = ("masked", "jepa", "contrastive", "merl", "contrastive+masked")


@pytest.fixture(scope="module")
def store(signal_store: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = signal_store.write_store(tmp_path_factory.mktemp("signals"))
    return folder


@pytest.fixture(scope="module")
def bert(tiny_text: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="transformers is not installed (extra lm)")
    folder: Path = tiny_text.write_bert(tmp_path_factory.mktemp("text") / "bert")
    return folder


@pytest.fixture(scope="module")
def settings_of(signal_store: ModuleType, store: Path, bert: Path) -> Callable[..., dict[str, Any]]:
    """Return the settings of a small run."""

    def settings(objective: str, **changed: Any) -> dict[str, Any]:
        found = {**signal_store.SETTINGS, "objective": objective}
        if "contrastive" in objective or "merl" in objective:
            found |= {"captions": str(store.parent / "captions.jsonl"), "text_tower": str(bert)}
            found["pairing"] = {"width": 12, "trained_layers": 1}
        return {**found, **changed}

    return settings


@pytest.fixture(scope="module")
def runs(
    store: Path, settings_of: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return the folder of a finished run of each objective."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def run(objective: str) -> Path:
        if objective not in made:
            made[objective] = folder / objective
            assert pretrain(store, out=made[objective], **settings_of(objective)).finished
        return made[objective]

    return run


def losses(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_run_saves_verifies_and_resumes_to_the_bit(
    objective: str, runs: Any, store: Path, settings_of: Any, tmp_path: Path
) -> None:
    whole = runs(objective)
    for kind in ("last", "best"):
        checkpoint = load_checkpoint(whole / kind)
        assert checkpoint.verify()
        assert checkpoint.task.name == "embed"
        assert (checkpoint.text is not None) == (objective not in ("masked", "jepa"))
        width = 12 if checkpoint.text else 16
        assert checkpoint.predict(torch.zeros(2, 3, 64)).shape == (2, width)
        assert checkpoint.run["trained_on"]
    halves = tmp_path / "halves"
    first = pretrain(
        store, out=halves, on_event=lambda event: getattr(event, "step", 0) >= 3, **settings_of(objective)
    )
    assert not first.finished
    assert pretrain(store, out=halves, resume=True).finished
    assert losses(halves) == losses(whole)
    ours, theirs = (load_state(run / "last") for run in (halves, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if name != "best")
    ours, theirs = (load_checkpoint(run / "last").model.state_dict() for run in (halves, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("objective", ["masked", "jepa", "merl"])
def test_the_loss_falls(objective: str, store: Path, settings_of: Any, tmp_path: Path) -> None:
    result = pretrain(
        store,
        out=tmp_path / "run",
        **settings_of(
            objective, steps=300, batch_size=16, evaluate_every=200, recipe={"learning_rate": 0.01}
        ),
    )
    told = [line["loss"] for line in losses(tmp_path / "run") if "loss" in line]
    assert sum(told[-10:]) < 0.9 * sum(told[:10])
    assert result.unit == ""
    assert "nats" not in result.summary


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_captured_updates_on_a_gpu(objective: str, store: Path, settings_of: Any, tmp_path: Path) -> None:
    changed = {"device": "cuda", "precision": "float32", "steps": 30, "evaluate_every": 30, "save_every": 30}
    told = {}
    for form in ("eager", "captured"):
        settings = settings_of(objective, **changed, form=form)
        if "pairing" in settings:
            settings["pairing"] = {"width": 12, "dropout": 0.0}  # a frozen tower
        result = pretrain(store, out=tmp_path / form, **settings)
        assert result.checkpoint.verify()
        told[form] = [line["loss"] for line in losses(tmp_path / form) if "loss" in line]
    assert sum(told["captured"]) == pytest.approx(sum(told["eager"]), rel=0.05)


def test_a_sum_weighs_its_objectives(store: Path, settings_of: Any, tmp_path: Path) -> None:
    first = []
    for number, weights in enumerate([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0)]):
        out = tmp_path / str(number)
        pretrain(store, out=out, **settings_of("contrastive+masked", weights=weights, steps=1))
        first.append(losses(out)[0]["loss"])
    sum_, pairs, patches = first[0], first[1] - first[0], first[2] - first[0]
    assert pairs > 0.1
    assert patches > 0.1
    assert sum_ == pytest.approx(pairs + patches, rel=1e-5)


def test_the_text_side_lies_beside_the_weights(
    runs: Any, bert: Path, tmp_path: Path, tiny_text: ModuleType
) -> None:
    text = load_checkpoint(runs("merl") / "last").text
    assert text is not None
    assert {name.partition(".")[0] for name in text.tensors} == {"projection", "tower"}
    vectors = text.open().vectors(["sinus bradycardia", "sinus tachycardia"])
    assert vectors.shape == (2, 12)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    trained = text.open().tower.state_dict()
    fresh = load_text_tower(bert).state_dict()
    assert {name.split(".")[3] for name in fresh if not torch.equal(fresh[name], trained[name])} == {"2"}
    other = tiny_text.write_bert(tmp_path / "other", seed=5)
    with pytest.raises(CheckpointError, match="other weights than the one that the checkpoint learned with"):
        text.open(other)
    with pytest.raises(CheckpointError, match="text tower cannot be loaded"):
        text.open(tmp_path / "missing")


def test_an_altered_projection_is_refused(runs: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    checkpoint = load_checkpoint(runs("merl") / "last")
    checkpoint.save(tmp_path / "copy")
    assert load_checkpoint(tmp_path / "copy").text == load_checkpoint(runs("merl") / "last").text
    file = tmp_path / "copy" / "text" / "text.safetensors"
    tensors = load_file(file)
    tensors["projection.0.bias"] += 0.01
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match="was altered"):
        load_checkpoint(tmp_path / "copy")
    file.unlink()
    with pytest.raises(CheckpointError, match=r"lacks text\.safetensors"):
        load_checkpoint(tmp_path / "copy")


@pytest.mark.parametrize("objective", ["masked", "merl"])
def test_a_first_stage_is_fine_tuned(objective: str, runs: Any, store: Path, tmp_path: Path) -> None:
    shared = {"steps": 3, "batch_size": 8, "device": "cpu", "threads": 1}
    result = finetune(
        store,
        runs(objective),
        task="classify",
        out=tmp_path / "tuned",
        train_on="train",
        validate_on="test",
        **shared,
    )
    before, after = load_checkpoint(runs(objective)), result.checkpoint
    assert after.verify()
    assert after.outputs.classes == ("fast", "slow")
    assert after.text is None
    assert type(after.model) is type(before.model)
    assert after.run["base"]["checkpoint"] == str(runs(objective))


def test_pretraining_goes_on_from_a_first_stage(
    runs: Any, store: Path, settings_of: Any, tmp_path: Path
) -> None:
    before = load_checkpoint(runs("masked")).model.state_dict()
    settings = settings_of("jepa", steps=1, recipe={"learning_rate": 1e-9}, checkpoint=str(runs("masked")))
    with pytest.raises(ConfigError, match="checkpoint brings its own model"):
        pretrain(store, out=tmp_path / "run", **settings)
    del settings["encoder"]
    said: list[str] = []
    result = pretrain(
        store, out=tmp_path / "run", on_event=lambda e: said.append(str(e)) and None, **settings
    )
    after = result.checkpoint.model.state_dict()
    torch.testing.assert_close(after["embedding.weight"], before["embedding.weight"])
    assert load_checkpoint(tmp_path / "run").run["base"]["checkpoint"] == str(runs("masked"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"fs": 125.0}, "is at 125 Hz, but the model takes 250 Hz"),
        ({"channels": ("II", "I", "V1")}, "holds II, I, V1, but the model takes I, II, V1"),
        ({"unit": "uV"}, "holds amplitudes in uV, but the model takes amplitudes in mV"),
    ],
)
def test_a_first_stage_does_not_go_on_with_other_inputs(
    changed: dict[str, Any], told: str, signal_store: ModuleType, store: Path, settings_of: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = settings_of("masked", steps=1)
    settings["encoder"] = {**settings["encoder"], "scaling": "none"}
    first = str(pretrain(store, out=tmp_path / "first", **settings).out)
    monkeypatch.setattr(signal_store, "CONTRACT", replace(signal_store.CONTRACT, **changed))
    other = signal_store.write_store(tmp_path)
    del settings["encoder"]
    with pytest.raises(CheckpointError, match=told):
        pretrain(other, out=tmp_path / "run", checkpoint=first, **settings)


def test_images_are_masked_in_encoders_of_images_alone(
    runs: Any, store: Path, settings_of: Any, tmp_path: Path
) -> None:
    settings = settings_of("masked-image", checkpoint=str(runs("masked")))
    del settings["encoder"]
    with pytest.raises(ConfigError, match="reads samples, and masked-image needs an encoder of images"):
        pretrain(store, out=tmp_path / "run", **settings)
    image = settings_of("masked-image", steps=1)
    image["encoder"] = {**image["encoder"], "image_patch": 4, "positions": "each", "per_lead": True}
    first = pretrain(store, out=tmp_path / "first", **image)
    settings |= {"checkpoint": str(first.out), "steps": 1}
    assert pretrain(store, out=tmp_path / "second", **settings).finished


def test_rows_without_text_are_left_out_and_told(
    signal_store: ModuleType, settings_of: Any, tmp_path: Path
) -> None:
    store = signal_store.write_store(tmp_path, without_text=5)
    said: list[str] = []
    out = tmp_path / "run"
    settings = settings_of("contrastive", captions=str(tmp_path / "captions.jsonl"), steps=1)
    pretrain(store, out=out, on_event=lambda event: said.append(str(event)) and None, **settings)
    assert any("5 of 24 rows have no text and are left out" in each for each in said)
    run = load_checkpoint(out).run
    assert not {f"source r{k}" for k in range(5)} & {*run["trained_on"], *run["validated_on"]}


def test_epochs_count_the_rows_that_have_a_text(
    signal_store: ModuleType, settings_of: Any, tmp_path: Path
) -> None:
    store = signal_store.write_store(tmp_path, without_text=12)  # 18 rows train, of which 6 have a text
    changed = {"steps": None, "epochs": 2, "batch_size": 3, "captions": str(tmp_path / "captions.jsonl")}
    assert pretrain(store, out=tmp_path / "run", **settings_of("contrastive", **changed)).step == 4


def test_a_captions_file_is_refused_by_line(
    store: Path, settings_of: Any, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "bad.csv").write_text("recording,text\nr1,sinus\nr2,\nr3,17\n")
    config.dump(settings_of("merl", captions=str(tmp_path / "bad.csv")), tmp_path / "settings.yaml")
    words = [
        "pretrain",
        str(store),
        "--out",
        str(tmp_path / "run"),
        "--config",
        str(tmp_path / "settings.yaml"),
    ]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "line 3: the text is missing; line 4: the text is" in told
    assert "Traceback" not in told


def test_the_teacher_lags_behind(runs: Any) -> None:
    state, model = (
        load_state(runs("jepa") / "last"),
        load_checkpoint(runs("jepa") / "last").model.state_dict(),
    )
    names = [name for name in state if ".teacher." in name and name.endswith("qkv.weight")]
    assert names
    assert not any(torch.equal(state[name], model[name.partition(".teacher.")[2]]) for name in names)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"objective": "maskd"}, "objective 'maskd' is not one of"),
        ({"objective": "merl+contrastive"}, "merl contains contrastive"),
        ({"objective": "masked+masked"}, "names each objective once"),
        ({"objective": "next-level+masked"}, "next-level alone"),
        ({"objective": "contrastive"}, r"(?s)give captions.*give text_tower"),
        ({"objective": "masked", "captions": "x.csv"}, "captions is for contrastive and merl"),
        ({"objective": "masked", "network": "resnet"}, "hides patches"),
        ({"objective": "masked", "weights": (1.0, 2.0)}, "weights needs a number above 0 for each of masked"),
        ({"objective": "masked", "preset": "heartgpt-ecg"}, "predicts the next level"),
        ({"preset": "merl", "objective": "masked"}, r"fixes the objective \(merl\)"),
        ({"preset": "st-mem", "network": "resnet"}, "fixes model and recipe"),
        ({"objective": "masked", "masking": {"share": 1.5}}, r"masking\.share is 1\.5"),
        ({"objective": "masked", "epochs": 2.0, "steps": 5}, "without steps"),
        ({"captions": "x.csv"}, "next-level reads no text"),
    ],
)
def test_contradictions_are_told_before_any_work(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        pretrain("store", out=tmp_path / "run", **changed)


def test_epochs_are_counted_in_rows() -> None:
    settings = PretrainSettings("store", "out", preset="merl", captions="c", text_tower="t")
    assert not [each for each in settings.problems() if "store" not in each]
    sized = settings.sized(1000)
    assert (sized.batch_size, sized.steps) == (64, 313)  # 20 epochs of 1000 rows
    assert PretrainSettings("store", "out").sized(0).steps == 2000
    assert PretrainSettings("store", "out", objective="masked", epochs=2, batch_size=10).sized(95).steps == 19


@pytest.mark.parametrize("preset", FIRST_STAGES)
def test_a_preset_trains_saves_resumes_and_verifies_at_tiny_sizes(
    preset: str, store: Path, settings_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = FIRST_STAGES[preset]
    if isinstance(stage.network, EncoderConfig) and stage.network.image_patch:
        small: Any = {
            "context_length": 64,
            "patch": 16,
            "image_patch": 4,
            "width": 16,
            "n_layers": 2,
            "n_heads": 2,
        }
    elif isinstance(stage.network, EncoderConfig):
        small = {
            "context_length": 2400,
            "patch": 8,
            "width": 16,
            "n_layers": 2,
            "n_heads": 2,
            "mlp_width": 32,
        }
    else:
        small = {"depth": 18, "width": 4, "projection": 8}
    monkeypatch.setitem(FIRST_STAGES, preset, replace(stage, network=replace(stage.network, **small)))
    settings = settings_of("+".join(stage.weights), preset=preset)
    del settings["encoder"], settings["objective"]
    said: list[Any] = []
    first = pretrain(store, out=tmp_path / "run", on_event=lambda e: getattr(e, "step", 0) >= 3, **settings)
    assert not first.finished
    result = pretrain(store, out=tmp_path / "run", resume=True, on_event=said.append)
    assert result.finished
    assert result.step == 6
    assert result.checkpoint.verify()
    assert type(result.checkpoint.model.config) is type(stage.network)
    assert load_checkpoint(tmp_path / "run" / "last").predict(torch.zeros(1, 3, 64)).shape[0] == 1


@pytest.mark.parametrize("preset", FIRST_STAGES)
def test_presets_are_as_published(preset: str) -> None:
    stage = PretrainSettings("store", "out", preset=preset).stage
    if preset == "merl":
        assert (stage.pairing.projection, stage.pairing.learned, stage.pairing.temperature) == (
            "two-layer",
            False,
            0.07,
        )
    if preset == "resnet":
        assert (stage.pairing.projection, stage.pairing.learned) == ("linear", True)
    if preset in ("resnet", "merl"):
        assert (stage.batch_size, stage.epochs, stage.network.scaling) == (64, 20, "joint-range")
    if preset == "st-mem":
        assert stage.network.scaling == "joint-standard"
        assert (stage.network.patch, stage.network.context_length, stage.masking.share) == (75, 2250, 0.75)
    if preset == "ecg-jepa":
        assert (stage.network.patch, stage.network.n_patches, stage.network.n_channels) == (50, 50, 8)


@pytest.mark.parametrize("kind", ["vit", "clip"])
def test_published_image_encoders_are_where_training_begins(
    kind: str, store: Path, settings_of: Any, tmp_path: Path
) -> None:
    import transformers

    sizes = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    if kind == "vit":
        model = transformers.ViTModel(transformers.ViTConfig(**sizes))
    else:
        text = {**sizes, "vocab_size": 30, "bos_token_id": 0, "eos_token_id": 1}
        clip = transformers.CLIPConfig(text_config=text, vision_config=sizes, projection_dim=12)
        model = transformers.CLIPModel(clip)
    model.save_pretrained(tmp_path / kind)
    objective = {"vit": "masked", "clip": "contrastive"}[kind]
    settings = settings_of(objective, preset=kind, image_encoder=str(tmp_path / kind), steps=1)
    settings = {**settings, "objective": None, "batch_size": 2}
    del settings["encoder"]
    found = pretrain(store, out=tmp_path / "run", **settings).checkpoint.model
    assert found.config.n_patches == 4
    theirs = model.state_dict()
    if kind == "clip":
        torch.testing.assert_close(
            found.head.weight, theirs["visual_projection.weight"], rtol=0, atol=1e-3
        )  # one update away
    name = {
        "vit": "embeddings.patch_embeddings.projection.weight",
        "clip": "vision_model.embeddings.patch_embedding.weight",
    }
    torch.testing.assert_close(found.embedding.weight, theirs[name[kind]].flatten(1), rtol=0, atol=1e-3)


def launch(how: tuple[str, ...], *words: str) -> None:
    """Run `physiolect` in two processes."""
    command = [sys.executable, "-m", "accelerate.commands.launch", *how, "--num_processes", "2"]
    done = subprocess.run(
        [*command, "--main_process_port", "0", "-m", "physiolect", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


HOW = {"DDP": ("--multi_gpu",), "FSDP": ("--use_fsdp", "--fsdp_version", "2")}


@pytest.mark.parametrize(("objective", "how"), [("contrastive", "DDP"), ("merl", "FSDP")])
def test_two_processes_train_as_one_on_the_gathered_batch(
    objective: str, how: str, store: Path, settings_of: Any, tmp_path: Path
) -> None:
    pairing = {"width": 12, "dropout": 0.0}
    alone = settings_of(objective, pairing=pairing)
    pretrain(store, out=tmp_path / "one", **alone)
    config.dump(alone, tmp_path / "settings.yaml")
    words = (
        "pretrain",
        str(store),
        "--out",
        str(tmp_path / "two"),
        "--config",
        str(tmp_path / "settings.yaml"),
    )
    launch(HOW[how], *words)
    one, two = (losses(tmp_path / name) for name in ("one", "two"))
    for mine, theirs in zip(one, two, strict=True):
        assert mine.keys() == theirs.keys()
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)
    ours, theirs = (load_checkpoint(tmp_path / name / "last") for name in ("one", "two"))
    mine, other = (each.model.state_dict() | dict(each.text.tensors) for each in (ours, theirs))  # type: ignore[union-attr]
    assert mine.keys() == other.keys()
    for name in mine:
        torch.testing.assert_close(other[name], mine[name], rtol=1e-3, atol=1e-4)


def test_a_run_of_two_processes_with_a_teacher_resumes_in_one(
    store: Path, settings_of: Any, tmp_path: Path
) -> None:
    config.dump(settings_of("jepa+merl"), tmp_path / "settings.yaml")
    out = tmp_path / "two"
    launch(
        HOW["FSDP"], "pretrain", str(store), "--out", str(out), "--config", str(tmp_path / "settings.yaml")
    )
    before = load_state(out / "last")
    assert load_checkpoint(out / "last").verify()
    assert before["weights/parts.jepa.teacher.embedding.weight"].shape == (16, 8)
    assert pretrain(store, out=out, resume=True, steps=8).step == 8
