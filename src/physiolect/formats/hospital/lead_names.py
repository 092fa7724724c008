"""Names and codes of leads in SCP-ECG, DICOM, HL7 and ISHNE, in the house's spelling.

Sources: EN 1064 (SCP-ECG) table of lead codes, which DICOM and ISO/IEEE 11073-10102 number the same way;
Badilini, The ISHNE Holter standard output file format, 1998.
"""

from __future__ import annotations

import re
from functools import lru_cache

from physiolect.recording import LEADS, canonical_channel

_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6", "V7")
_RIGHT = ("V2R", "V3R", "V4R", "V5R", "V6R", "V7R")

SCP_LEADS: dict[int, str] = {
    1: "I", 2: "II",
    **dict(enumerate(_CHEST, 3)), **dict(enumerate(_RIGHT, 10)),
    16: "X", 17: "Y", 18: "Z", 19: "CC5", 20: "CM5", 21: "LA", 22: "RA", 23: "LL",
    24: "fI", 25: "fE", 26: "fC", 27: "fA", 28: "fM", 29: "fF", 30: "fH",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9", 68: "V8R", 69: "V9R",
    70: "D", 71: "A", 72: "J",
}  # fmt: skip
"""SCP-ECG's code of a lead -> its name."""

LEAD_CODES = {name: code for code, name in SCP_LEADS.items()}
"""A lead's name -> SCP-ECG's code."""

ISHNE_LEADS: dict[int, str] = {
    1: "bipolar", 2: "X", 3: "Y", 4: "Z",
    5: "I", 6: "II", 7: "III", 8: "aVR", 9: "aVL", 10: "aVF",
    **dict(enumerate(_CHEST[:6], 11)), 17: "ES", 18: "AS", 19: "AI",
}  # fmt: skip
"""ISHNE's code of a lead -> its name."""


@lru_cache(maxsize=1024)
def lead_name(text: str) -> str:
    """Return the standard name in a longer one; a name without one comes back stripped.

    "Lead I (Einthoven)", "MDC_ECG_LEAD_I" and "ECG Lead I" are "I"; "aVR, augmented voltage, right" is "aVR".
    """
    stripped = " ".join(text.split())
    plain = re.sub(r"\(.*?\)", " ", stripped)
    plain = re.sub(r"^MDC_ECG_(LEAD|ELEC_POTL)_", "", plain.strip(), flags=re.IGNORECASE)
    plain = canonical_channel(plain.partition(",")[0].strip())
    return plain if plain in _KNOWN else stripped


def numbered_names(names: list[str]) -> list[str]:
    """Return the names, with "ch3" where the third has none; two of one name stay, and are chosen by number."""
    return [name or f"ch{number}" for number, name in enumerate(names, 1)]


_KNOWN = {*LEADS, *SCP_LEADS.values(), *ISHNE_LEADS.values(), "VX", "VY", "VZ", "MCL1"}
