"""Huffman codes of SCP-ECG: the default table, tables that a file brings along, and decoding.

Source: EN 1064:2020 (SCP-ECG), section 2 and the annex on compression.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DEFAULT = 19999
_MOST_TABLES = 64
_MOST_CODES = 4096
_LONGEST_CODE = 32
_WINDOW = 16
"""Bits in which a prefix is looked up at once."""


@dataclass(frozen=True)
class Code:
    """What follows a prefix."""

    value: int
    """The value that the prefix stands for, or the number of the table to go on with."""
    extra_bits: int = 0
    """Bits behind the prefix that are the value itself, as a signed number; 0 for none."""
    switches: bool = False
    """Whether the prefix changes the table and stands for no value."""


Table = dict[tuple[int, int], Code]
"""(length of a prefix, its bits as a number, first bit highest) -> what it means."""


def default_table() -> Table:
    """Return the table of the standard: values from -8 to 8 are short, others are stored behind a prefix."""
    table: Table = {(1, 0): Code(0)}
    for value in range(1, 9):
        bits = (1 << value) - 1 << 2  # `value` ones, a zero, and the sign
        table[value + 2, bits] = Code(value)
        table[value + 2, bits | 1] = Code(-value)
    table[10, 0b1111111110] = Code(0, extra_bits=8)
    table[10, 0b1111111111] = Code(0, extra_bits=16)
    return table


def read_tables(section: bytes) -> list[Table]:
    """Return the tables of section 2.

    Raises:
        ValueError: one is no Huffman table.
    """
    n_tables = struct.unpack_from("<H", section, 0)[0]
    if n_tables == _DEFAULT:
        return [default_table()]
    if not 1 <= n_tables <= _MOST_TABLES:
        raise ValueError(f"{n_tables} Huffman tables")
    tables: list[Table] = []
    at = 2
    for _ in range(n_tables):
        n_codes = struct.unpack_from("<H", section, at)[0]
        at += 2
        if n_codes > _MOST_CODES:
            raise ValueError(f"a Huffman table of {n_codes} codes")
        table: Table = {}
        for _ in range(n_codes):
            prefix, whole, mode, value, bits = struct.unpack_from("<BBBhI", section, at)
            at += 9
            if not (1 <= prefix <= whole <= _LONGEST_CODE + prefix) or prefix > _LONGEST_CODE:
                raise ValueError(f"a Huffman code of {prefix} and {whole} bits")
            # A prefix is stored with its first bit lowest.
            ordered = int(f"{bits & (1 << prefix) - 1:0{prefix}b}"[::-1], 2)
            table[prefix, ordered] = Code(value, whole - prefix, mode == 0)
        tables.append(table)
    return tables


def decode(chunk: bytes, n_samples: int, tables: list[Table]) -> NDArray[np.int64]:
    """Return the values of a lead, at most `n_samples` and as many as the bytes hold.

    Raises:
        ValueError: the bits follow no code.
    """
    unpacked = np.unpackbits(np.frombuffer(chunk, np.uint8))
    if len(tables) == 1 and all(
        length <= _WINDOW and not code.switches for (length, _), code in tables[0].items()
    ):
        return _decode_by_windows(unpacked, n_samples, tables[0])
    bits = unpacked.tolist()
    n_bits = len(bits)
    values: list[int] = []
    table, at = tables[0], 0
    longest = max((length for each in tables for length, _ in each), default=0)
    while len(values) < n_samples and at < n_bits:
        prefix, length = 0, 0
        code = None
        while code is None and at < n_bits and length < longest:
            prefix = prefix << 1 | bits[at]
            at += 1
            length += 1
            code = table.get((length, prefix))
        if code is None:
            if at >= n_bits:
                break  # what fills up the last byte
            raise ValueError("bits that are no Huffman code")
        if code.switches:
            if not 1 <= code.value <= len(tables):
                raise ValueError(f"a switch to Huffman table {code.value}")
            table = tables[code.value - 1]
            continue
        value = code.value
        if code.extra_bits:
            if at + code.extra_bits > n_bits:
                break
            value = int("".join(map(str, bits[at : at + code.extra_bits])), 2)
            value -= 1 << code.extra_bits if value >> code.extra_bits - 1 else 0
            at += code.extra_bits
        values.append(value)
    return np.array(values, np.int64)


def _decode_by_windows(bits: NDArray[np.uint8], n_samples: int, table: Table) -> NDArray[np.int64]:
    """Do what `decode` does for one table of short codes: look at 16 bits at every place, then hop from code to code.

    Raises:
        ValueError: the bits follow no code.
    """
    lengths = np.zeros(1 << _WINDOW, np.int64)
    values = np.zeros(1 << _WINDOW, np.int64)
    extras = np.zeros(1 << _WINDOW, np.int64)
    for (length, prefix), code in table.items():
        first, last = prefix << _WINDOW - length, prefix + 1 << _WINDOW - length
        lengths[first:last], values[first:last], extras[first:last] = length, code.value, code.extra_bits
    n_bits = len(bits)
    padded = np.concatenate([bits, np.ones(3 * _WINDOW, np.uint8)]).astype(np.int64)
    windows = np.zeros(n_bits + _WINDOW + 1, np.int64)  # the number that 16 bits from each place on are
    for shift in range(_WINDOW):
        windows |= padded[shift : shift + len(windows)] << _WINDOW - 1 - shift
    ends = np.arange(n_bits) + lengths[windows[:n_bits]] + extras[windows[:n_bits]]
    hops = np.where(lengths[windows[:n_bits]] > 0, ends, -1).tolist()
    places: list[int] = []
    at = 0
    while at < n_bits and len(places) < n_samples:
        hop = hops[at]
        if hop < 0:
            if n_bits - at < _WINDOW:
                break  # what fills up the last byte
            raise ValueError("bits that are no Huffman code")
        places.append(at)
        at = hop
    if at > n_bits:
        places.pop()
    where = np.array(places, np.int64)
    seen = windows[where]
    found, extra = values[seen], extras[seen]
    behind = where + lengths[seen]
    wide = np.flatnonzero(extra)
    if len(wide):
        if extra.max() > _WINDOW:
            raise ValueError(f"a value of {int(extra.max())} bits")
        stored = windows[np.minimum(behind[wide], n_bits)] >> _WINDOW - extra[wide]
        found[wide] = stored - (stored >> extra[wide] - 1 << extra[wide])
    return found
