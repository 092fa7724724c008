"""Whatever a file of a hospital's format holds, nothing but our own errors comes out, and memory stays small."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physiolect.errors import PhysiolectError
from physiolect.formats import read_recordings

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAX_GROWTH = 300 << 10
"""KiB of resident memory that a test may add, over files of some kB."""
LONGEST = 5.0
"""Seconds that one file may take."""

KINDS = (
    "muse.xml",
    "plain.xml",
    "packed.xml",
    "aecg.xml",
    "x.scp",
    "h.scp",
    "x.ecg",
    "c.ecg",
    "x.mwf",
    "x.dcm",
    "x.xdf",
)


@pytest.fixture(scope="module")
def seeds() -> dict[str, bytes]:
    """A small valid file of every format; filled at first use by `seed`."""
    return {}


@pytest.fixture
def seed(seeds: dict[str, bytes], tmp_path: Path, make: ModuleType) -> dict[str, bytes]:
    if not seeds:
        leads = make.make_leads(12, 100)
        make.dicom(tmp_path / "seed.dcm", leads[:2], names=("I", "II"))
        contents = (
            make.muse(leads[:8]), make.sierra(leads, packed=False), make.sierra(leads, packed=True),
            make.aecg(leads), make.scp(leads), make.scp(leads, huffman=True, difference=2), make.ishne(leads),
            make.contec(leads[:8]), make.mfer(leads), (tmp_path / "seed.dcm").read_bytes(),
            make.xdf(leads, stamped="mixed"),
        )  # fmt: skip
        seeds.update(zip(KINDS, contents, strict=True))
    return seeds


pytestmark = pytest.mark.usefixtures("confined")


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to spoil a file: cut it, or overwrite, insert, remove or repeat a stretch, some times over."""
    where = st.floats(0, 1, exclude_max=True).map(lambda x: x**3)  # headers lie at the front
    news = st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from([b"\xff" * 4, b"\x7f\xff\xff\xff", b"9" * 9, b"<a>"]),
    )
    edits = draw(st.lists(st.tuples(st.sampled_from("cwidnr"), where, news), min_size=1, max_size=5))

    def apply(content: bytes) -> bytes:
        for kind, place, new in edits:
            at = int(place * len(content))
            if kind == "c":
                content = content[: max(at, 16)]
            elif kind == "w":
                content = content[:at] + new + content[at + len(new) :]
            elif kind == "i":
                content = content[:at] + new * 3 + content[at:]
            elif kind == "d":
                content = content[:at] + content[at + len(new) :]
            elif kind == "r":
                content = content[:at] + content[at : at + 40] * 20 + content[at:]
            else:  # digits where digits may be: counts, sizes and rates that lie
                content = content[:at] + bytes(48 + b % 10 for b in new) + content[at + len(new) :]
        return content

    return apply


def read_all(path: Path) -> None:
    """Read what a path holds; an error of ours is an answer."""
    began = time.process_time()
    try:
        for found in read_recordings(path, patient_key="k"):
            assert found.signal.dtype == np.float32
            repr(found)
    except PhysiolectError as error:
        said = error
    else:
        return
    assert str(said)
    assert said.hint
    assert time.process_time() - began < LONGEST


@pytest.mark.parametrize("kind", KINDS)
@given(spoil=damage())
@FUZZ
def test_damaged_bytes(
    seed: dict[str, bytes], tmp_path: Path, kind: str, spoil: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / kind
    path.write_bytes(spoil(seed[kind]))
    read_all(path)


@given(content=st.binary(max_size=300), kind=st.sampled_from([*KINDS, "x.acq"]))
@FUZZ
def test_any_bytes_at_all(seed: dict[str, bytes], tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / kind
    for start in (b"", seed.get(kind, b"")[:40], seed.get(kind, b"")[:140]):
        path.write_bytes(start + content)
        read_all(path)
    path.unlink()


@pytest.mark.parametrize("name", ["r35_test.acq", "r42_test.acq"])
@given(spoil=damage())
@settings(FUZZ, max_examples=20)
def test_damaged_acqknowledge_files(
    data: Path, tmp_path: Path, name: str, spoil: Callable[[bytes], bytes]
) -> None:
    content = (data / "format_samples" / "biopac_acq" / name).read_bytes()
    (tmp_path / name).write_bytes(spoil(content))
    read_all(tmp_path / name)
