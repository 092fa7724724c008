from __future__ import annotations

from pathlib import Path

import pytest

from physiolect.datasets.examples.captions import read_captions
from physiolect.errors import ConfigError

SOURCES = ["r1", "r2", "r3"]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_texts_come_by_recording(tmp_path: Path) -> None:
    table = written(
        tmp_path, "a.csv", 'Text,x,recording\r\n"Sinus rhythm,\r\nnormal",1,r1\r\n\r\nAF,2,r9\r\n'
    )
    assert read_captions(table, SOURCES) == {"r1": "Sinus rhythm,\r\nnormal"}
    lines = written(
        tmp_path, "a.jsonl", '{"source": "r1", "report": "AF"}\n\n{"source": "r2", "report": " ST "}\n'
    )
    assert read_captions(lines, SOURCES) == {"r1": "AF", "r2": "ST"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("recording,text\nr1,AF\nr2,\n", "line 3: the text is missing"),
        ("recording,text\nr1,AF\nr2\n", "line 3: the text is missing"),
        ("recording,text\nr1,AF\nr2,NaN\n", "line 3: the text is missing"),
        ("recording,text\nr1,12.5\n", 'line 2: the text is "12.5", which is no text'),
        ('recording,text\nr1,"a\nb"\n,AF\n', "line 4: no recording is named"),
        ("recording,text\nr1,AF\nr1,SR\n", "line 3: a second text of r1"),
        ("recording,text\nr1,A\x00F\n", "line 2: "),
        ('recording,text\nr1,"AF\n', "line 2: "),
        ("recording,text\nr1,AF,\nr2,sinus rhythm, normal\n", "line 3: 3 cells, but the header has 2"),
        ("recording,text\nr1,1\nr2,2\nr3,3\nr4,4\nr5,5\n", "line 4: .*; and 2 more lines"),
    ],
)
def test_a_table_is_refused_by_line(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        read_captions(written(tmp_path, "a.csv", content), SOURCES)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"source": "r1", "text": "AF"}\n{"source": "r2"}\n', "line 2: the text is missing"),
        ('{"source": "r1", "text": null}\n', "line 1: the text is missing"),
        ('{"source": "r1", "text": 3}\n', "line 1: the text is 3, which is no text"),
        ('{"source": "r1", "text": ["AF"]}\n', "line 1: the text is ..AF.., which is no text"),
        ('{"source": 7, "text": "AF"}\n', "line 1: the recording is 7, which is no name in quotes"),
        ('\n{"source": "r1", "text": "AF"\n', "line 2: no JSON"),
        ("[1, 2]\n", "line 1: no recording is named"),
        ("[" * 100_000 + "\n", "line 1: no JSON"),
        (b'{"source": "r1", "text": "AF"}\n{"source": "r2", "text": "\xff"}\n', "line 2: it is not UTF-8"),
    ],
)
def test_json_lines_are_refused_by_line(content: str | bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        read_captions(written(tmp_path, "a.jsonl", content), SOURCES)


def test_files_of_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the store holds other recordings"):
        read_captions(written(tmp_path, "a.csv", "recording,text\nx,AF\n"), SOURCES)
    with pytest.raises(ConfigError, match="has no single column text"):
        read_captions(written(tmp_path, "a.csv", "recording,words\nr1,AF\n"), SOURCES)
    with pytest.raises(ConfigError, match="is no file of captions"):
        read_captions(written(tmp_path, "a.txt", "AF"), SOURCES)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_captions(tmp_path / "missing.csv", SOURCES)
    with pytest.raises(ConfigError, match="is no public dataset"):
        read_captions(tmp_path, SOURCES)


def test_reports_of_a_public_dataset(data: Path) -> None:
    found = read_captions(
        data / "ptbxl_raw", ["ptbxl/records500/00000/00001_hr", "ptbxl/records500/00000/00002_hr"]
    )
    assert len(found) == 2
    assert all("sinus" in text.lower() for text in found.values())
