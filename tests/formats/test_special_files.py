"""Pipes and devices are never opened; names with control characters never reach a terminal."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from physiolect.commands.terminal import Terminal, say, show
from physiolect.errors import FormatError
from physiolect.events import Message
from physiolect.formats import read_recording, read_recordings
from physiolect.formats.readers import READERS
from physiolect.plain_text import escape_controls
from physiolect.tokenizers import load_tokenizer


@pytest.mark.parametrize("suffix", [*READERS, ".unknown"])
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device"])
def test_no_reader_opens_what_is_no_regular_file(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"x{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe" if kind == "link to a pipe" else "/dev/zero")
    with pytest.raises(FormatError, match=r"regular file|no header|no recording|there is no"):
        read_recording(path, fs=100)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(100, "f4"))
    (tmp_path / "link.npy").symlink_to(tmp_path / "x.npy")
    assert read_recording(tmp_path / "link.npy", fs=100).n_samples == 100


def test_a_folder_with_a_pipe_in_it_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(FormatError, match="no regular file"):
        list(read_recordings(tmp_path, fs=100))


def test_a_tokenizer_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "signal_tokenizer.json")
    with pytest.raises(FormatError, match="no regular file"):
        load_tokenizer(tmp_path)


def test_control_characters_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    name = "II\x1b[31m\x07\x9b\u202e"
    assert escape_controls(name) == "II\\x1b[31m\\x07\\x9b\\u202e"
    assert escape_controls("µV\tΩ\nII") == "µV\tΩ\nII"
    say(name)
    show(name)
    Terminal()(Message(name))
    out, err = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out + err)


def test_errors_and_inspect_write_control_characters_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from physiolect.cli import main

    np.savez(tmp_path / "x.npz", signal=np.zeros((1, 200), "f4"), fs=100.0, channels=np.array(["II\x1b[31m"]))
    assert main(["inspect", str(tmp_path / "x.npz")]) == 0
    assert main(["inspect", str(tmp_path / "\x1b[31m.csv")]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert r"II\x1b[31m" in out
