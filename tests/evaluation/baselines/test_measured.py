"""Baselines on the measurements of an ECG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from physiolect import Checkpoint, InputContract, evaluate
from physiolect.checkpoint import Outputs
from physiolect.datasets import Row, Store, StoreWriter, make_examples, open_store
from physiolect.errors import ConfigError
from physiolect.evaluation import make_folds
from physiolect.evaluation.baselines.measured import (
    CORNELL,
    MEASURED,
    SOKOLOW,
    boosting,
    measured_features,
    measured_in,
)
from physiolect.models.resnet import ResNet, ResNetConfig
from physiolect.recording import LEADS, Recording

CONTRACT = InputContract(
    fs=250.0,
    min_samples=2000,
    max_samples=2000,
    modality="ecg",
    channels=LEADS,
    normalisation="none",
    unit="mV",
)


def made(tall: float, rate: float = 75.0) -> np.ndarray:
    """Eight seconds of twelve leads: an R of `tall` mV in I, aVL and V5, an S of half of it in V1 and V3."""
    t = np.arange(2000) / 250
    phase = (t * rate / 60 + 0.3) % 1
    wave = 0.1 * np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 0.2 * np.exp(-(((phase - 0.78) / 0.05) ** 2))
    tip = np.exp(-(((phase - 0.5) / 0.012) ** 2))
    height = {"I": tall, "aVL": tall, "V5": tall, "V1": -tall / 2, "V3": -tall / 2}
    rng = np.random.default_rng(round(1000 * tall))
    leads = [wave + height.get(lead, 0.4) * tip for lead in LEADS]
    return (np.stack(leads) + 0.005 * rng.standard_normal((12, 2000))).astype(np.float32)


def test_voltages_of_hypertrophy_are_measured() -> None:
    found = dict(zip(MEASURED, measured_in(made(2.0), 250.0, LEADS), strict=True))
    assert found[SOKOLOW] == pytest.approx(3.0, abs=0.2)
    assert found[CORNELL] == pytest.approx(3.0, abs=0.2)
    assert found["rate"] == pytest.approx(75, abs=1)
    assert found["R in V5"] == pytest.approx(2.0, abs=0.1)
    assert found["rr_sd"] < 0.02


def test_what_is_not_there_is_missing() -> None:
    found = dict(zip(MEASURED, measured_in(made(1.0)[:2], 250.0, LEADS[:2]), strict=True))
    assert np.isnan(found[SOKOLOW])
    assert np.isnan(found["R in V5"])
    assert np.isfinite(found["R in II"])
    assert np.isnan(measured_in(made(1.0)[:, :20], 250.0, LEADS)).all()


@pytest.mark.parametrize("missing", ["V5", "V6"])
def test_either_lateral_lead_may_be_missing(missing: str) -> None:
    kept = [k for k, lead in enumerate(LEADS) if lead != missing]
    found = measured_in(made(2.0)[kept], 250.0, [LEADS[k] for k in kept])[MEASURED.index(SOKOLOW)]
    assert found == pytest.approx(1.0 + (0.4 if missing == "V5" else 2.0), abs=0.2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "store", CONTRACT) as writer:
        for k in range(40):
            tall = 1.0 + 1.2 * (k % 2) + 0.1 * rng.random()
            recording = Recording(made(tall), 250.0, LEADS, "mV", "ecg")
            labels = ("HYP", "old") if k % 2 else ("NORM",)
            writer.add(
                f"r{k}",
                [Row.from_recording(recording, source=f"r{k}", patient=f"p{k // 4}", labels=labels)],
            )
    return open_store(tmp_path / "store")


def test_boosting_reads_measurements_out_of_fold(store: Store) -> None:
    examples = make_examples(store, "classify", length=2000, several=True, channel=LEADS)
    told: list[tuple[int, int]] = []
    features = measured_features(examples, on_window=lambda done, n: told.append((done, n)))
    assert features.shape == (40, len(MEASURED))
    assert told[-1] == (40, 40)
    folds = make_folds(examples.groups, "k-fold", k=5)
    found = boosting(features, examples.target, folds)
    assert found.score.shape == (40, 3)
    assert roc_auc_score(examples.target[:, 0], found.score[:, 0]) == 1.0
    again = boosting(features, examples.target[:, 0], folds[:1]).score
    np.testing.assert_array_equal(again[folds[0].test], found.score[folds[0].test, 0])
    assert np.isnan(again[folds[0].train]).all()


@pytest.mark.parametrize("several", [False, True])
def test_evaluate_has_a_row_for_boosting_on_twelve_leads(store: Store, several: bool) -> None:
    outputs = Outputs("classify", ("NORM", "HYP"), several)
    model = ResNet(ResNetConfig(n_channels=12, context_length=2000, width=4, n_outputs=2)).eval()
    result = evaluate(store, Checkpoint(model, None, CONTRACT, outputs), task="classify", resamples=50)
    found = result.measures["boosting on measurements"]
    assert found.overall["macro auroc"].value == 1.0
    assert found.positives == {"NORM": 20, "HYP": 20}
    assert set(result.measures) >= {"model", "random weights + linear", "always the same"}


def test_a_test_set_may_lack_a_class(store: Store) -> None:
    outputs = Outputs("classify", ("NORM", "MI", "HYP"), True)
    model = ResNet(ResNetConfig(n_channels=12, context_length=2000, width=4, n_outputs=3)).eval()
    checkpoint = Checkpoint(model, None, CONTRACT, outputs)
    result = evaluate(store, checkpoint, task="classify", resamples=50, baselines="light")
    assert result.measures["model"].positives == {"NORM": 20, "MI": 0, "HYP": 20}
    assert np.isnan(result.measures["model"].per_class["MI"]["auroc"].value)
    assert np.isfinite(result.measures["model"].per_class["HYP"]["auroc"].value)
    assert "No window is of class MI: its AUROC and the macro AUROC do not exist." in result.notes
    assert "| MI | 0 | – |" in result.summary
    with pytest.raises(ConfigError, match=r"no row of .* is labelled MI"):
        make_examples(store, "classify", length=2000, several=True, channel=LEADS, classes=outputs.classes)
    with pytest.raises(ConfigError, match="is labelled CD, MI"):
        make_examples(store, "classify", length=2000, channel=LEADS, classes=("CD", "MI"), absent=True)
