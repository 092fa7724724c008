from __future__ import annotations

import struct

import numpy as np
import pytest

from physiolect.formats.hospital.scp_huffman import Code, decode, default_table, read_tables


def packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def stored(*codes: tuple[int, int, int, int, str]) -> bytes:
    """A table as a file holds it: (bits of the prefix, of all, mode, value, prefix with its first bit first)."""
    return struct.pack("<H", len(codes)) + b"".join(
        struct.pack("<BBBhI", prefix, whole, mode, value, int(bits[::-1], 2))
        for prefix, whole, mode, value, bits in codes
    )


def test_the_default_table() -> None:
    bits = (
        "0" + "100" + "101" + "1100" + "1111111100" + "1111111101" + "1111111110" + "10000000" + "1111111111"
    )
    values = decode(packed(bits + f"{-1000 & 0xFFFF:016b}"), 8, [default_table()])
    assert values.tolist() == [0, 1, -1, 2, 8, -8, -128, -1000]


def test_tables_of_a_file_and_changes_between_them() -> None:
    first = stored((1, 1, 1, 0, "0"), (2, 2, 1, 5, "10"), (2, 2, 0, 2, "11"))
    second = stored((1, 5, 1, 0, "0"), (1, 1, 0, 1, "1"))
    tables = read_tables(struct.pack("<H", 2) + first + second)
    assert decode(packed("0" + "10" + "11" + "00111" + "01111" + "1" + "10"), 5, tables).tolist() == [
        0,
        5,
        7,
        -1,
        5,
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (struct.pack("<H", 0), "0 Huffman tables"),
        (struct.pack("<H", 500), "500 Huffman tables"),
        (struct.pack("<HH", 1, 60_000), "60000 codes"),
        (struct.pack("<H", 1) + stored((0, 0, 1, 0, "0")), "a Huffman code of 0"),
        (struct.pack("<H", 1) + stored((5, 200, 1, 0, "0")), "a Huffman code of 5 and 200 bits"),
    ],
)
def test_tables_that_are_none(section: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tables(section)


def test_looking_at_many_bits_at_once_gives_the_same_values() -> None:
    rng = np.random.default_rng(0)
    slow = {**default_table(), (20, 0xFFFFF): Code(0)}  # never reached, but too long to be looked up at once
    for _ in range(300):
        chunk = rng.integers(0, 256, rng.integers(1, 60), dtype=np.uint8).tobytes()
        count = int(rng.integers(1, 200))
        assert decode(chunk, count, [default_table()]).tolist() == decode(chunk, count, [slow]).tolist()


def test_bits_that_are_no_code() -> None:
    with pytest.raises(ValueError, match="no Huffman code"):
        decode(b"\xff" * 8, 10, [{(1, 0): Code(0)}])
