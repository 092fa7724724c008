"""One file to rows: its leads arranged, looked over, cut, and labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physiolect.contract import CONTRACTS, InputContract, adapt, arrange_leads
from physiolect.datasets import open_store
from physiolect.datasets.preparing.listing import known_files, list_files, read_labels
from physiolect.datasets.preparing.outcomes import Watcher
from physiolect.datasets.preparing.preparation import File, Preparation, Prepared, prepare_file
from physiolect.datasets.preparing.prepare import prepare_store
from physiolect.errors import FormatError
from physiolect.formats import read_recording, write_recording
from physiolect.recording import LEADS, Annotations, Recording

PLAIN = InputContract(
    fs=250.0, min_samples=100, max_samples=2500, modality="ecg", channels=("II", "V1"), unit="mV"
)


def write(path: Path, *, seconds: float = 10, fs: float = 500, channels: tuple[str, ...] = LEADS) -> Path:
    rng = np.random.default_rng(list(path.stem.encode()))
    signal = rng.standard_normal((len(channels), round(seconds * fs))).cumsum(axis=1) / 50
    write_recording(Recording(signal, fs, channels, unit="mV"), path)
    return path


@pytest.mark.parametrize("length", [250, 500, 1250, 2500])
def test_segments_are_the_recording_piece_by_piece(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "a.npz", seconds=10.5)
    whole = prepare_file(File("a", path, "p1", ("NORM", "SR")), Preparation(PLAIN))
    cut = prepare_file(File("a", path, "p1", ("NORM", "SR")), Preparation(PLAIN, segment=length))
    (row,) = whole.rows
    assert (len(cut.rows), cut.dropped) == (2625 // length, 2625 % length)
    assert whole.dropped == 0
    for k, piece in enumerate(cut.rows):
        stretch = row.recording().signal[:, k * length : (k + 1) * length]
        step = np.maximum(row.scale, piece.scale)[:, np.newaxis]
        assert (np.abs(piece.recording().signal - stretch) <= 1.01 * step).all()
        assert piece.start == pytest.approx(k * length / 250)
        assert (piece.source, piece.patient, piece.labels) == ("a", "p1", ("NORM", "SR"))


def test_a_recording_shorter_than_a_segment_is_told(tmp_path: Path) -> None:
    prepared = prepare_file(File("a", write(tmp_path / "a.npz", seconds=2)), Preparation(PLAIN, segment=501))
    assert not prepared.rows
    assert "500 samples at 250 Hz fill no segment of 501" in prepared.rejected[0].reason
    assert prepared.dropped == 0


def test_labels_and_remarks_and_what_was_dropped_are_in_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        write(folder / f"{name}.npz", seconds=5.2)
    spoilt = read_recording(folder / "b.npz")
    spoilt.signal[spoilt.index("V1"), 100:900] = 0.2
    write_recording(spoilt, folder / "b.npz")
    (tmp_path / "labels.csv").write_text("recording,label\na,NORM\nin/b.npz,MI\nb,AFIB\na,SR\na,NORM\n")
    files, notes = known_files(list_files([folder]), labels=read_labels(tmp_path / "labels.csv"))
    assert notes == ["labels for 2 of 3 files", "not used of the labels: b"]
    recipe = Preparation(PLAIN, segment=500)
    for out, shard_bytes in (("one", 1), ("two", 2**26)):  # a shard a file, and one for all
        manifest = prepare_store(files, tmp_path / out, recipe, workers=1, shard_bytes=shard_bytes)
        assert manifest.dropped == 3 * 300
        store = open_store(tmp_path / out, verify=True)
        assert store.labels == [("NORM", "SR")] * 2 + [("MI",)] * 2 + [()] * 2
        assert store.row(2).labels == ("MI",)
        assert [(remark.source, remark.kind) for remark in store.remarks] == [("in/b.npz", "flat")]
    prepare_store(files, tmp_path / "refused", replace(recipe, refuse=("flat", "swap")), workers=1)
    refused = open_store(tmp_path / "refused")
    assert set(refused.sources) == {"in/a.npz", "in/c.npz"}
    assert "V1 is flat for" in refused.rejected[0].reason
    assert len(refused.remarks) == 1


def test_remarks_survive_an_interruption(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        recording = read_recording(write(folder / f"{name}.npz", seconds=5.2))
        recording.signal[recording.index("V1"), 100:900] = 0.2
        write_recording(recording, folder / f"{name}.npz")

    class Stop(Watcher):
        seen = 0

        def ended(self, outcome: Prepared) -> None:
            self.seen += 1
            if self.seen == 2:  # the first one's shard is written
                raise KeyboardInterrupt

    files, recipe = list_files([folder]), Preparation(PLAIN, segment=500)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            prepare_store(files, tmp_path / "out", recipe, workers=1, shard_bytes=1, watcher=Stop())
    assert len(list((tmp_path / "out").iterdir())) == 2
    manifest = prepare_store(files, tmp_path / "out", recipe, workers=1, shard_bytes=1)
    once = prepare_store(files, tmp_path / "once", recipe, workers=1, shard_bytes=1)
    assert manifest == once
    assert (len(manifest.remarks), manifest.dropped) == (4, 1200)


def test_marks_come_along_at_the_new_rate_in_every_segment_and_past_a_gap(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "a.npz", seconds=10.5))
    beats = np.arange(100, 5250, 400)
    sample = np.sort([0, 2150, *beats])
    symbol = tuple("+" if at in (0, 2150) else "N" for at in sample)
    note = tuple({0: "(N", 2150: "(AFIB"}.get(int(at), "") for at in sample)
    write_recording(replace(recording, annotations=Annotations(sample, symbol, note)), tmp_path / "a.hea")
    (tmp_path / "a.npz").unlink()
    file = File("a", tmp_path / "a.hea")
    (whole,) = prepare_file(file, Preparation(PLAIN)).rows
    assert list(whole.annotations) == [
        (at // 2, *mark) for at, *mark in zip(sample, symbol, note, strict=True)
    ]
    pieces = prepare_file(file, Preparation(PLAIN, segment=500)).rows
    rhythms = ["(N", "(N", "(N", "(AFIB", "(AFIB"]
    for k, (piece, rhythm) in enumerate(zip(pieces, rhythms, strict=True)):
        marks = list(piece.annotations)
        assert marks[0] == (0, "+", rhythm)
        assert [at for at, kind, _ in marks if kind == "N"] == [
            at // 2 - 500 * k for at in beats if 500 * k <= at // 2 < 500 * (k + 1)
        ]
    assert list(pieces[2].annotations)[1:-1].count((75, "+", "(AFIB")) == 1  # 2150 at 500 Hz
    recording = read_recording(tmp_path / "a.hea")
    recording.signal[:, 2000:3001] = np.nan
    given = File("a", tmp_path / "a.hea", given=lambda: recording)
    before, after = prepare_file(given, Preparation(PLAIN)).rows
    assert after.start == pytest.approx(3001 / 500)
    assert list(before.annotations)[-1] == (850, "N", "")
    assert list(after.annotations)[:2] == [(0, "+", "(AFIB"), (150, "N", "")]  # 3300 is 299 after 3001


def test_missing_leads_are_refused_derived_or_zero_as_asked(tmp_path: Path) -> None:
    file = File("a", write(tmp_path / "a.npz", channels=("II", "I", "V1", "V2")))
    twelve = replace(PLAIN, channels=LEADS)
    refused = prepare_file(file, Preparation(twelve))
    assert not refused.rows
    assert "III" in refused.rejected[0].reason
    half = prepare_file(file, Preparation(twelve, derive_limb=True))
    assert not half.rows
    assert "no lead V3, V4, V5, V6" in half.rejected[0].reason
    (row,) = prepare_file(file, Preparation(twelve, derive_limb=True, zero_missing=True)).rows
    recording = row.recording()
    assert recording.channels == LEADS
    assert np.flatnonzero(~recording.signal.any(axis=1)).tolist() == [8, 9, 10, 11]
    prepared = prepare_file(file, Preparation(twelve, derive_limb=True, zero_missing=True))
    assert [str(remark) for remark in prepared.remarks] == [
        "a: III, aVR, aVL, aVF computed from I and II",
        "a: zeros in place of V3, V4, V5, V6",
    ]
    one, two, three = recording.signal[:3]
    np.testing.assert_allclose(three, two - one, atol=2e-3)
    (row,) = prepare_file(file, Preparation(twelve, zero_missing=True)).rows
    assert np.flatnonzero(~row.samples.any(axis=1)).tolist() == [2, 3, 4, 5, 8, 9, 10, 11]
    nothing = prepare_file(
        File("b", write(tmp_path / "b.npz", channels=("x",))), Preparation(twelve, zero_missing=True)
    )
    assert "has none of I, II" in nothing.rejected[0].reason


def test_a_lead_of_zeros_is_as_good_as_missing_where_missing_ones_may_be_zeros(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "a.npz", channels=("I", "II", "V1", "V2")))
    recording.signal[[0, 2]] = 0  # I, of which no other lead may be made, and V1
    file = File("a", tmp_path / "a.npz", given=lambda: recording)
    four = replace(PLAIN, channels=("I", "II", "III", "V1", "V2"))
    assert "V1" in prepare_file(file, Preparation(four, derive_limb=True)).rejected[0].reason
    prepared = prepare_file(file, Preparation(four, derive_limb=True, zero_missing=True))
    assert np.flatnonzero(prepared.rows[0].recording().signal.any(axis=1)).tolist() == [1, 4]
    assert [str(remark) for remark in prepared.remarks] == [
        "a: empty or flat throughout, as if missing: I, V1",
        "a: zeros in place of I, III, V1",
    ]
    recording.signal[:, 300:303] = np.nan  # a gap is no sign of life
    (row,) = prepare_file(file, Preparation(four, derive_limb=True, zero_missing=True)).rows
    assert np.flatnonzero(row.recording().signal.any(axis=1)).tolist() == [1, 4]
    refused = prepare_file(file, Preparation(four, zero_missing=True, refuse=("flat",)))
    assert not refused.rows
    assert "empty or flat throughout" in refused.rejected[0].reason
    recording.signal[:] = 0
    assert "every lead" in prepare_file(file, Preparation(four, zero_missing=True)).rejected[0].reason


def test_no_lead_is_told_as_left_out_where_the_contract_takes_all_of_them(tmp_path: Path) -> None:
    names = ("I", "II", "III", "AVR", "AVL", "AVF", *LEADS[6:])
    file = File("a", write(tmp_path / "a.npz", channels=names))
    for contract in (PLAIN, replace(PLAIN, channels=LEADS)):
        for settings in ({}, {"zero_missing": True}, {"derive_limb": True}):
            prepared = prepare_file(file, Preparation(contract, **settings))
            assert prepared.rows
            assert not prepared.left_out
    one = replace(PLAIN, channels=("aVR",))
    (left,) = {tuple(prepare_file(file, Preparation(one, zero_missing=True)).left_out)}
    assert left == tuple(name for name in names if name != "AVR")


def test_the_ecg_byte_contract_cleans_what_it_takes(data: Path) -> None:
    path = data / "cinc" / "cinc2021" / "E07500.hea"
    contract = CONTRACTS["ecg-byte"]
    (row,) = prepare_file(File("E07500", path), Preparation(contract, segment=2500)).rows
    from physiolect.signals import preprocess

    recording = read_recording(path)
    clean, _ = preprocess(arrange_leads(recording).signal, recording.fs)
    assert (row.samples.shape, row.fs, row.units[0]) == ((12, 2500), 250.0, "mV")
    np.testing.assert_allclose(row.recording().signal, clean, atol=row.scale.max())
    last, report = adapt(recording, replace(contract, max_samples=500))
    np.testing.assert_allclose(last.signal, clean[:, -500:], atol=1e-6)
    assert "as ECG-Byte does (modern), 500 -> 250 Hz" in str(report)


def test_a_csv_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("recording,diagnosis\na,b\n")
    with pytest.raises(FormatError, match="no column 'label'") as caught:
        read_labels(tmp_path / "x.csv")
    assert "recording,label" in str(caught.value.hint)


@pytest.mark.parametrize("zero_missing", [False, True])
@pytest.mark.parametrize("value", [np.nan, 0.0, -3.5])
def test_a_dead_channel_that_is_not_needed_refuses_nothing(
    tmp_path: Path, value: float, zero_missing: bool
) -> None:
    recording = read_recording(write(tmp_path / "a.npz", channels=("I", "ABP", "II")))
    recording.signal[1] = value
    file = File("a", tmp_path / "a.npz", given=lambda: recording)
    three = replace(PLAIN, channels=("I", "II", "V1") if zero_missing else ("I", "II"))
    prepared = prepare_file(file, Preparation(three, zero_missing=zero_missing))
    assert not prepared.rejected
    assert prepared.rows[0].channels == three.channels
    recording.signal[0] = value  # a lead that is needed
    prepared = prepare_file(file, Preparation(three, zero_missing=zero_missing))
    assert bool(prepared.rows) == zero_missing
