"""The names of channels: aliases of leads, the modality that names mean, and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

Modality = Literal["ecg", "ppg", "ecog"]
Unit = str | None
MODALITIES: tuple[Modality, ...] = ("ecg", "ppg", "ecog")

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard ECG leads in the house's order."""

_ALIASES = {
    "mli": "I", "mlii": "II", "ml2": "II", "mliii": "III", "mv1": "V1", "mv2": "V2", "mv5": "V5",
    "mcl1": "MCL1", "di": "I", "dii": "II", "diii": "III",
    **{lead.lower(): lead for lead in LEADS},
    **{name: name.upper() for name in ("vx", "vy", "vz", "v3r", "v4r", "v5r", "v7", "v8", "v9")},
}  # fmt: skip
_PPG = re.compile(
    r"^(ppg|plethr?|(photo)?plethysmogra(m|ph|phy)|spo2[ _]?(wave|pleth))(\b|[_\d])|[ _-](ppg|pleth)$",
    re.IGNORECASE,
)
_ECOG = re.compile(r"^(ecog|ieeg|seeg)\b|^(ecog|seeg)_", re.IGNORECASE)
_ECG = re.compile(r"^(ecg|ekg)\b|^(ecg|ekg)[_\d]", re.IGNORECASE)


@lru_cache(1024)  # a collection has few names, and each is asked about many times a recording
def canonical_channel(name: str) -> str:
    """Return the standard name of a channel: "MLII", "ii", "ECG lead II" and "ECG-II" are all "II".

    Names that are no alias of a standard lead come back as they are, stripped.
    """
    stripped = name.strip()
    key = re.sub(r"^(ecg|ekg)[\s_:.-]*", "", stripped, flags=re.IGNORECASE)
    key = re.sub(r"^(lead|channel|derivation)[\s_:.-]*", "", key, flags=re.IGNORECASE).lower()
    return _ALIASES.get(key, stripped)


@lru_cache(1024)
def modality_of(channel: str) -> Modality | None:
    """Return the modality that a channel's name means; None where it means none."""
    name = channel.strip()
    if canonical_channel(name) in _ALIASES.values() or _ECG.match(name):
        return "ecg"
    if _PPG.search(name):
        return "ppg"
    return "ecog" if _ECOG.match(name) else None


def shared_modality(channels: Sequence[str]) -> Modality | None:
    """Return the modality that all these channel names mean; None where they differ or mean none."""
    meant = {modality_of(name) for name in channels}
    return meant.pop() if len(meant) == 1 else None


_UNITS = {"uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "mmhg": "mmHg", "a.u.": "au", "au": "au"}


@lru_cache(1024)
def unit_name(text: str) -> Unit:
    """Return a unit in the house's spelling: "µV" and "microvolts" are "uV"; "" is None.

    Only spellings that cannot mean another unit are changed: "MV" stays, for it may be megavolts.
    """
    text = re.sub(r"[µμ]", "u", text.replace("\x00", "").strip())
    plain = re.sub(r"^(micro|mc|u)[- ]?v(olts?)?$", "uV", text, flags=re.I)
    plain = re.sub(r"^(milli[- ]?v(olts?)?|m[- ]?volts?)$", "mV", plain, flags=re.I)
    plain = re.sub(r"^volts?$", "V", plain, flags=re.I)
    if plain and plain[0].islower():
        return _UNITS.get(plain.lower(), plain)
    return plain or None


_WITH_UNIT = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]")


def split_unit(text: str) -> tuple[str, Unit]:
    """Return name and unit of a column that is called like "II (mV)" or "II [mV]"; the unit as it is written."""
    match = _WITH_UNIT.fullmatch(text)
    return (match[1], match[2] or None) if match else (text, None)


def with_unit(name: str, unit: Unit) -> str:
    """Return a column's name that `split_unit` takes apart again."""
    if unit:
        return f"{name} ({unit})"
    return f"{name} ()" if _WITH_UNIT.fullmatch(name) else name
