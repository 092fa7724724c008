"""The quick reading of a sequence gives what pydicom gives, and leaves to pydicom what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from physiolect.formats import read_recording
from physiolect.formats.hospital import dicom
from physiolect.formats.hospital.dicom_items import Item, items_of

_DEFINITIONS = 0x003A0200


def stored(path: Path) -> bytes:
    """Return the bytes of the channels' definitions of the rhythm."""
    return pydicom.dcmread(path).WaveformSequence[1].get_item(_DEFINITIONS).value


def plain(dataset: pydicom.Dataset) -> Item:
    """Return what pydicom reads of an item, as `items_of` gives it."""
    elements = [dataset.get_item(tag) for tag in dataset.keys()]  # noqa: SIM118
    return {
        int(each.tag): [plain(item) for item in dataset[each.tag].value] if each.VR == "SQ" else each.value
        for each in elements
    }


def test_the_items_are_those_of_pydicom(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    group = pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[1]
    items = items_of(stored(tmp_path / "x.dcm"))
    assert items == [plain(channel) for channel in group.ChannelDefinitionSequence]
    assert len(items) == 8


def test_what_is_encoded_in_another_way_is_left_to_pydicom(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    whole = stored(tmp_path / "x.dcm")
    assert items_of(b"") == []
    starts = {0}  # between two items, a cut sequence is whole
    while max(starts) < len(whole):
        at = max(starts)
        starts.add(at + 8 + int.from_bytes(whole[at + 4 : at + 8], "little"))
    for cut in range(1, len(whole)):
        assert (items_of(whole[:cut]) is not None) == (cut in starts)
    first = whole[: sorted(starts)[1]]
    assert items_of(first.replace(b"DS", b"XX", 1)) is None
    assert items_of(first.replace(b"SQ", b"UN", 1)) is None  # a sequence of another encoding may lie in it
    assert items_of(first[:4] + b"\xff" * 4 + first[8:]) is None  # no stated length
    assert items_of(whole * (1 + (1 << 20) // len(whole))) is None
    deep = b""
    for _ in range(20):
        content = (
            b"\x3a\x00\x08\x02SQ\0\0" + len(deep).to_bytes(4, "little") + deep
        )  # an item with a sequence in it
        deep = b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content
    assert items_of(deep) is None


def make_undefined(group: pydicom.Dataset) -> None:
    """Let the definitions end with a mark, and state no length."""
    group["ChannelDefinitionSequence"].is_undefined_length = True
    for item in group.ChannelDefinitionSequence:
        item.is_undefined_length_sequence_item = True


def make_unknown(group: pydicom.Dataset) -> None:
    """Add an element of a maker to each definition."""
    for item in group.ChannelDefinitionSequence:
        item.add_new(0x003B0010, "LO", "maker")
        item.add_new(0x003B1001, "UN", b"\x01\x02")


@pytest.mark.parametrize("change", [make_undefined, make_unknown])
def test_files_are_read_the_same_either_way(
    tmp_path: Path,
    make: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pydicom.Dataset], None],
) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    quick = read_recording(tmp_path / "x.dcm")
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    change(dataset.WaveformSequence[1])
    dataset.save_as(tmp_path / "y.dcm")
    other = read_recording(tmp_path / "y.dcm")
    monkeypatch.setattr(dicom, "items_of", lambda _: None)
    for recording in (other, read_recording(tmp_path / "x.dcm")):
        assert (recording.channels, recording.units) == (quick.channels, quick.units)
        np.testing.assert_array_equal(recording.signal, quick.signal)


def test_a_code_that_is_no_sequence_is_refused(tmp_path: Path, make: ModuleType) -> None:
    make.dicom(tmp_path / "x.dcm", make.make_leads())
    dataset = pydicom.dcmread(tmp_path / "x.dcm")
    for item in dataset.WaveformSequence[1].ChannelDefinitionSequence:
        del item.ChannelSourceSequence
        item.add_new(0x003A0208, "LO", "Lead I")
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(dicom.FormatError, match="element 003a0208 is no sequence"):
        read_recording(tmp_path / "x.dcm")
