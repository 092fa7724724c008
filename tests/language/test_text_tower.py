from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from physiolect.errors import CheckpointError, ConfigError
from physiolect.language import load_text_tower, weights_digest

transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra lm)")

TEXTS = [
    "normal sinus rhythm",
    "atrial fibrillation",
    "normal sinus rhythm",
    "left bundle branch block no st elevation",
]


@pytest.fixture(scope="module")
def folder(tiny_text: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text.write_bert(tmp_path_factory.mktemp("text") / "bert")


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_features_are_those_of_each_text_alone(folder: Path, pooling: str) -> None:
    tower = load_text_tower(folder, pooling=pooling)
    features = tower.features(TEXTS, batch_size=2)
    assert features.shape == (4, tower.width) == (4, 16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for text, found in zip(TEXTS, features, strict=True):
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(
            found, hidden.mean(0) if pooling == "mean" else hidden[0], rtol=1e-4, atol=1e-5
        )
    assert torch.equal(features[0], features[2])


def test_the_last_layers_train_and_no_others(folder: Path) -> None:
    tower = load_text_tower(folder)
    assert not tower.trains
    tower = load_text_tower(folder, trained_layers=1)
    assert tower.trains
    assert {name.split(".")[3] for name in tower.trained_weights()} == {"2"}
    tower.train()
    assert [layer.training for layer in tower.layers] == [False, False, True]
    ids, mask = tower.tokens(TEXTS)
    tower(ids, mask).sum().backward()
    assert {name for name, p in tower.named_parameters() if p.grad is not None} == set(
        tower.trained_weights()
    )
    with pytest.raises(ConfigError, match=r"9 layers of the text tower .* are to train, but 3 were found"):
        load_text_tower(folder, trained_layers=9)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_a_tokenizer_that_pads_on_the_left_or_not_at_all_gives_each_text_its_own_features(
    folder: Path, pooling: str, tmp_path: Path
) -> None:
    for name, changed in (("left", {"padding_side": "left"}), ("none", {"pad_token": None})):
        own = tmp_path / name
        shutil.copytree(folder, own)
        file = own / "tokenizer_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
        tokenizer = transformers.AutoTokenizer.from_pretrained(own)
        assert {key: getattr(tokenizer, key) for key in changed} == changed
        tower = load_text_tower(own, pooling=pooling)
        alone = torch.cat([tower.features([text]) for text in TEXTS])
        torch.testing.assert_close(tower.features(TEXTS), alone, rtol=1e-4, atol=1e-5)


def test_long_texts_are_cut_and_counted(folder: Path) -> None:
    tower = load_text_tower(folder)
    long = " ".join(["normal"] * 50)
    assert tower.most_tokens == 24
    assert tower.tokens([long])[0].shape == (1, 24)
    assert tower.n_cut([long, "normal"]) == 1


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_text_tower(folder).features(TEXTS)
    assert capfd.readouterr() == ("", "")
    assert transformers.utils.logging.is_progress_bar_enabled()


def test_the_digest_is_of_the_weights(folder: Path, tiny_text: ModuleType, tmp_path: Path) -> None:
    digest = weights_digest(load_text_tower(folder))
    assert digest == weights_digest(load_text_tower(folder, trained_layers=2))
    assert digest != weights_digest(load_text_tower(tiny_text.write_bert(tmp_path / "other", seed=1)))


def test_what_is_no_text_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no folder, and no owner/name"):
        load_text_tower(tmp_path / "missing" / "folder")
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load_text_tower(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in folder.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_text_tower(broken)


def test_code_that_comes_with_a_model_does_not_run(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for file in folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    config = json.loads((own / "config.json").read_text())
    config |= {
        "model_type": "of-its-own",
        "auto_map": {"AutoModel": "code.Model", "AutoConfig": "code.Config"},
    }
    (own / "config.json").write_text(json.dumps(config))
    (own / "code.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass\n"
    )
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_text_tower(own)
    assert not (tmp_path / "ran").exists()


def test_the_room_imports_transformers_only_when_used() -> None:
    code = "import sys, physiolect.language; print('transformers' in sys.modules, 'peft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_published_encoder_from_pypi(minilm: Path) -> None:
    tower = load_text_tower(minilm)
    assert tower.width == 384
    rhythm, same, other = torch.nn.functional.normalize(
        tower.features(["atrial fibrillation", "the ECG shows atrial fibrillation", "a recipe for bread"]),
        dim=-1,
    )
    assert rhythm @ same > 0.5 > rhythm @ other
