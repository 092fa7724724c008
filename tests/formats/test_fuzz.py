"""Whatever a file holds, nothing but our own errors comes out, nothing runs, and memory stays small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physiolect.errors import PhysiolectError
from physiolect.formats import list_recordings, read_recordings, write_recording
from physiolect.recording import Recording

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAX_GROWTH = 400 << 10  # KiB of resident memory that a fuzz test may add, over files of a few kB

SUFFIXES = (".csv", ".npy", ".npz", ".mat4", ".mat5", ".mat5c", ".mat73", ".edf", ".bdf")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small valid file of every format; filled at first use by `seed`."""
    return {}


@pytest.fixture
def seed(
    seeds: dict[str, bytes],
    tmp_path: Path,
    recording: Recording,
    write_edf: Callable[..., None],
    write_mat73: Callable[..., None],
) -> dict[str, bytes]:
    if not seeds:
        short = recording.slice(0, 40, by="samples")
        path = tmp_path / "seed"
        write_recording(short, path.with_suffix(".csv"))
        write_recording(short, path.with_suffix(".npz"))
        np.save(path.with_suffix(".npy"), short.signal)
        scipy.io.savemat(path.with_suffix(".mat4"), {"val": short.signal}, format="4", appendmat=False)
        scipy.io.savemat(
            path.with_suffix(".mat5"), {"ECG": {"data": short.signal, "fs": 250.0}}, appendmat=False
        )
        scipy.io.savemat(
            path.with_suffix(".mat5c"), {"val": short.signal}, do_compression=True, appendmat=False
        )
        write_mat73(path.with_suffix(".mat73"), val=short.signal)
        write_edf(path.with_suffix(".edf"))
        write_edf(path.with_suffix(".bdf"), bdf=True)
        for suffix in SUFFIXES:
            seeds[suffix] = path.with_suffix(suffix).read_bytes()
    return seeds


pytestmark = pytest.mark.usefixtures("confined")


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to spoil a file: cut it, overwrite, insert or remove a stretch, some times over."""
    where = st.floats(0, 1, exclude_max=True).map(lambda x: x**3)  # headers lie at the front
    edits = draw(
        st.lists(
            st.tuples(st.sampled_from("cwidn"), where, st.binary(min_size=1, max_size=8)),
            min_size=1,
            max_size=5,
        )
    )

    def apply(content: bytes) -> bytes:
        for kind, place, new in edits:
            at = int(place * len(content))
            if kind == "c":
                content = content[:at]
            elif kind == "w":
                content = content[:at] + new + content[at + len(new) :]
            elif kind == "i":
                content = content[:at] + new * 3 + content[at:]
            elif kind == "d":
                content = content[:at] + content[at + len(new) :]
            else:  # digits where digits may be: counts, sizes and rates that lie
                content = content[:at] + bytes(48 + b % 10 for b in new) + content[at + len(new) :]
        return content

    return apply


def read_all(path: Path, **keywords: object) -> None:
    """Read what a path holds; an error of ours is an answer."""
    try:
        for found in read_recordings(path, **keywords):  # type: ignore[arg-type]
            assert found.signal.dtype == np.float32
            repr(found)
    except PhysiolectError as error:
        said = error
    else:
        return
    assert str(said)
    assert said.hint


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(spoil=damage(), fs=st.sampled_from([None, 250]))
@FUZZ
def test_damaged_bytes(
    seed: dict[str, bytes], tmp_path: Path, suffix: str, spoil: Callable[[bytes], bytes], fs: int | None
) -> None:
    path = tmp_path / f"x{suffix[:4]}"
    path.write_bytes(spoil(seed[suffix]))
    read_all(path, fs=fs)


@given(
    content=st.binary(max_size=300),
    suffix=st.sampled_from(["", ".csv", ".npy", ".npz", ".mat", ".edf", ".hea"]),
)
@FUZZ
def test_any_bytes_at_all(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    read_all(path, fs=100)
    path.unlink()


@given(text=st.text(st.sampled_from("0123456789.,;-+eE \t\nnaN\"'()mVtIs#"), max_size=120))
@FUZZ
def test_any_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    read_all(tmp_path / "x.csv", fs=100)


NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "2", "-1", "65536", "2147483648", "999999999999", "1e308", "9" * 400, ""]),
    st.integers(0, 50).map(str),
)


@given(
    record=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    signals=st.lists(
        st.tuples(
            st.sampled_from(["x.dat", "x.hea", "~", "../x.dat", "/etc/passwd", "http://a/x.dat", "y.dat"]),
            st.sampled_from(
                ["8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "0", "99"]
            ),
            st.sampled_from(["", "x3", ":5", "+7", "x99999999999", ":99999999999", "+99999999999", "x0"]),
            NUMBERS,
            st.sampled_from(["", "(99999999999)", "(0)/mV", "/µV", "(-1)/"]),
        ),
        max_size=3,
    ),
    n_bytes=st.sampled_from([0, 1, 60, 400]),
)
@FUZZ
def test_wfdb_headers_that_lie(
    tmp_path: Path, record: tuple[str, ...], signals: list[tuple[str, ...]], n_bytes: int
) -> None:
    lines = [f"x {' '.join(record)}"]
    lines += [f"{file} {kind}{more} {gain}{unit} 16 0 0 0 0 II" for file, kind, more, gain, unit in signals]
    (tmp_path / "x.hea").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "x.dat").write_bytes(bytes(range(256)) * 2 if n_bytes == 400 else b"\x01" * n_bytes)
    read_all(tmp_path / "x", fs=None)
    list_recordings(tmp_path)


@given(
    n_signals=NUMBERS,
    length=NUMBERS,
    parts=st.lists(st.tuples(st.sampled_from(["m_1", "m_0", "~", "m", "gone"]), NUMBERS), max_size=4),
    variable=st.booleans(),
)
@FUZZ
def test_multi_segment_headers_that_lie(
    segments: Callable[[str], Path],
    n_signals: str,
    length: str,
    parts: list[tuple[str, str]],
    variable: bool,
) -> None:
    path = segments("variable" if variable else "fixed").with_suffix(".hea")
    lines = [f"m/{len(parts)} {n_signals} 250 {length}", *(" ".join(part) for part in parts)]
    path.write_text("\n".join(lines))
    read_all(path)


@given(spoil=damage())
@FUZZ
def test_damaged_annotations(tmp_path: Path, recording: Recording, spoil: Callable[[bytes], bytes]) -> None:
    if not (tmp_path / "r.seed").exists():
        write_recording(recording, tmp_path / "r")
        (tmp_path / "r.seed").write_bytes((tmp_path / "r.atr").read_bytes())
    (tmp_path / "r.atr").write_bytes(spoil((tmp_path / "r.seed").read_bytes()))
    read_all(tmp_path / "r")


def test_a_long_word_in_a_header_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "x.hea").write_text("x 1 250 10\n" + "a" * 1_000_000)
    read_all(tmp_path / "x")
    (tmp_path / "y.csv").write_text("1," * 500_000 + "1")
    read_all(tmp_path / "y.csv", fs=100)
