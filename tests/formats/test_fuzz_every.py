"""Every reader is given spoiled files: nothing but our own errors comes out, in bounded time and memory."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import re
import resource
import select
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.signal

from physiolect.errors import PhysiolectError
from physiolect.formats import read_recordings, write_recording
from physiolect.formats.readers import _MAGIC, _MAGIC_WITHIN, READERS, find_reader
from physiolect.recording import Recording
from physiolect.report.inspection import inspect
from tests.neural_files import nwb, vhdr

LONGEST, LARGEST = 5.0, 1 << 20
"""Seconds of the processor and KiB of resident memory that one file may take."""
NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"99999999",
    b"2147483647",
    b"4294967296",
    b"1e308",
    b"nan",
    b"inf",
    b"9" * 30,
    b"",
    b"1,5",
)
BYTES = (
    b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0" * 8, b"\x80\0\0\0", b"\xff" * 8, b"\n", b"\x1b[31m",
    *(struct.pack("<d", value) for value in (float("inf"), float("nan"), 1e300)), struct.pack(">d", 1e300),
)  # fmt: skip
Files = dict[str, bytes]


def spoil(chance: random.Random, content: bytes) -> bytes:
    """Return bytes with one to six faults: another number, a bit, a cut, something repeated or moved."""
    spoiled = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 6])):
        at = int(chance.random() ** chance.choice([1, 3, 5]) * len(spoiled))  # headers lie at the front
        kind = chance.choice("bbwwwwdirncnnnnm")
        if kind == "b" and spoiled:
            spoiled[at] ^= 1 << chance.randrange(8)
        elif kind == "w":
            new = chance.choice([*BYTES, chance.randbytes(4)])
            spoiled[at : at + len(new)] = new
        elif kind == "d":
            del spoiled[at : at + chance.choice([1, 2, 4, 80, 512])]
        elif kind == "i":
            spoiled[at:at] = chance.choice(BYTES)
        elif kind == "r":
            spoiled[at:at] = spoiled[at : at + chance.choice([4, 40, 400])] * chance.choice([1, 3, 20])
        elif kind == "c":
            del spoiled[max(at, 8) :]
        elif kind == "m":
            other = int(chance.random() * len(spoiled))
            spoiled[at : at + 64] = spoiled[other : other + 64]
        elif found := list(re.finditer(rb"-?\d+(?:\.\d+)?", spoiled[at : at + 400])):
            number, new = chance.choice(found), chance.choice(NUMBERS)
            size = number.end() - number.start()
            new = new.ljust(size)[:size] if chance.random() < 0.6 else new
            spoiled[at + number.start() : at + number.end()] = new
    return bytes(spoiled)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, make: ModuleType) -> dict[str, Files]:
    """Small valid files of every format, by a name; the first file of each is the one to read."""
    folder = tmp_path_factory.mktemp("seeds")
    leads = make.make_leads(12, 300)
    made = {
        "muse.xml": make.muse(leads[:8]), "sierra.xml": make.sierra(leads, packed=True), "aecg.xml": make.aecg(leads),
        "a.scp": make.scp(leads), "b.scp": make.scp(leads, huffman=True, difference=2), "i.ecg": make.ishne(leads),
        "c.ecg": make.contec(leads[:8]), "a.mwf": make.mfer(leads), "a.xdf": make.xdf(leads, stamped="mixed"),
    }  # fmt: skip
    make.dicom(folder / "a.dcm", leads[:2], names=("I", "II"))
    signal = np.round(np.stack([np.sin(np.arange(300) / 9), np.cos(np.arange(300) / 11)]), 3)
    recording = Recording(signal.astype(np.float32), 250.0, ("II", "V5"), "mV", "ecg")
    for name in ("own.npz", "own.edf", "own.bdf", "own.hea", "own.csv"):
        write_recording(recording, folder / name)
    np.save(folder / "a.npy", signal)
    scipy.io.savemat(folder / "v4.mat", {"val": signal, "fs": 250.0}, format="4")
    scipy.io.savemat(folder / "v5.mat", {"x": {"ecg": signal, "fs": "250 Hz"}})
    scipy.io.savemat(folder / "packed.mat", {"val": signal, "fs": 250.0}, do_compression=True)
    _write_hdf5(folder / "a.h5", signal)
    table = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=300, freq="4ms"), "II (mV)": signal[0]})
    table.to_parquet(folder / "a.parquet")
    table.to_feather(folder / "a.feather")
    table.to_excel(folder / "a.xlsx", index=False)
    text = table.to_csv(index=False).encode()
    made |= {
        "a.csv.gz": gzip.compress(text),
        "a.csv.bz2": bz2.compress(text),
        "a.csv.xz": lzma.compress(text),
    }
    table.to_csv(folder / "a.csv.zip", index=False)
    nwb(folder / "a.nwb", units=True)
    header = (folder / "own.hea").read_bytes()
    of_many = {name: (folder / name).read_bytes() for name in ("own.hea", "own.dat")}
    found = {
        path.name: {path.name: path.read_bytes()}
        for path in folder.iterdir()
        if path.suffix not in (".hea", ".dat")
    }
    found |= {name: {name: content} for name, content in made.items()}
    (folder / "neural").mkdir()
    vhdr(folder / "neural", "a")
    found["a.vhdr"] = {
        name: (folder / "neural" / name).read_bytes() for name in ("a.vhdr", "a.vmrk", "a.eeg")
    }
    found["own.hea"] = {"own.hea": header, **of_many}
    found["many.hea"] = {"many.hea": b"many/3 2 250 800\nown 300\n~ 200\nown 300\n", **of_many}
    return found


def _write_hdf5(path: Path, signal: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        stored = file.create_dataset(
            "rec/ecg", data=signal, chunks=(1, 100), compression="gzip", shuffle=True
        )
        stored.attrs["fs"] = 250.0


@pytest.fixture
def acq(data: Path) -> Files:
    path = data / "format_samples" / "biopac_acq" / "r42_test.acq"
    return {path.name: path.read_bytes()}


def lay(folder: Path, files: Files, chance: random.Random | None) -> Path:
    """Write files into a folder, one of them spoiled; return the first."""
    first = next(iter(files))
    spoiled = chance.choice([first, *files]) if chance else ""
    for name, content in files.items():
        (folder / name).write_bytes(spoil(chance, content) if chance and name == spoiled else content)
    return folder / first


def attempt(work: Callable[[], object]) -> str:
    """Do it; an error of ours is an answer, if it says what to do and holds no control characters."""
    try:
        work()
    except PhysiolectError as error:
        said, hint = str(error), error.hint
    else:
        return ""
    assert hint
    assert "\x1b" not in f"{said}{hint}"
    return said


def read_and_inspect(path: Path) -> None:
    def read() -> None:
        for found in read_recordings(path):
            assert found.signal.dtype == np.float32
            assert "\x1b" not in repr(found)

    said = attempt(read)
    attempt(lambda: json.dumps(inspect(path).facts))
    if "rate" in said:
        attempt(lambda: list(read_recordings(path, fs=250)))


def test_every_reader_has_a_file_here(seeds: dict[str, Files], tmp_path: Path) -> None:
    used = set()
    for files in seeds.values():
        path = lay(tmp_path, files, None)
        used.add(find_reader(path, None)[0])
        assert list(read_recordings(path, fs=250 if path.suffix == ".npy" else None))
    readers = {*READERS.values(), *(reader for _, reader in (*_MAGIC, *_MAGIC_WITHIN))}
    assert {reader.__module__ for reader in readers - used} <= {
        "physiolect.formats.research.acq",  # real files only
        "physiolect.formats.hospital.ishne",  # recorders reads i.ecg
        "physiolect.formats.hospital.contec",
    }


def test_spoiled_files_of_every_format(seeds: dict[str, Files], tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, files in seeds.items():
        chance = random.Random(name)
        for _ in range(8):
            path = lay(tmp_path, files, chance)
            began = time.process_time()
            read_and_inspect(path)
            assert time.process_time() - began < LONGEST, name
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST // 2


def test_spoiled_acqknowledge_files(acq: Files, tmp_path: Path) -> None:
    chance = random.Random("acq")
    for _ in range(8):
        read_and_inspect(lay(tmp_path, acq, chance))


def _real(data: Path) -> Iterator[tuple[str, Files]]:
    """Yield the real samples, and what lies beside a header."""
    for path in sorted((data / "format_samples").rglob("*")):
        if (
            path.is_file()
            and path.suffix.lower() not in (".md", ".eeg", ".ann")
            and path.stat().st_size < 1 << 20
        ):
            yield f"{path.parent.name}/{path.name}", {path.name: path.read_bytes()}
    for path in sorted((data / "wfdb_samples").glob("*.hea")):
        beside = {each.name: each.read_bytes() for each in path.parent.glob(f"{path.stem}.*")}
        yield path.name, {path.name: beside.pop(path.name), **beside}


def in_a_child(path: Path) -> str:
    """Read and inspect a file in a process of its own; return what was wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            read_and_inspect(path)
        except BaseException:
            os.write(writing, traceback.format_exc()[-3000:].encode())
        finally:
            os._exit(0)
    os.close(writing)
    hangs = not select.select([reading], [], [], 30)[0]
    if hangs:
        os.kill(child, 9)
    said = os.read(reading, 4096).decode(errors="replace")
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    if hangs or seconds > LONGEST:
        return f"took {seconds:.1f} s"
    if usage.ru_maxrss > max(LARGEST, 2 * path.stat().st_size >> 10):
        return f"took {usage.ru_maxrss >> 10} MB"
    return said or (f"died with {status}" if status else "")


@pytest.mark.slow
def test_spoiled_real_files(data: Path, seeds: dict[str, Files], tmp_path: Path) -> None:
    wrong = []
    count = 0
    for name, files in (*_real(data), *seeds.items()):
        chance = random.Random(f"long {name}")
        for i in range(12):
            folder = tmp_path / f"{count}"
            folder.mkdir()
            path = lay(folder, files, chance if i else None)
            count += 1
            if problem := in_a_child(path):
                wrong.append(f"{name} {i}: {problem}")
    assert count > 300
    assert not wrong, "\n".join(wrong)
