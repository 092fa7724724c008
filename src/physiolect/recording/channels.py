"""The names of channels: aliases of leads, the modality that names mean, and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from physiolect.recording.channel_words import (
    contradicting_kind,
    unit_kind,
    weakly_stated_kind,
)
from physiolect.recording.time_words import words_of

Modality = Literal["ecg", "ppg", "ecog", "spikes"]
Unit = str | None
MODALITIES: tuple[Modality, ...] = ("ecg", "ppg", "ecog", "spikes")
NEURAL: tuple[Modality, ...] = ("ecog", "spikes")
"""Modalities of many channels that belong together: electrodes, or spike counts of units in bins."""

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
_ECG_WORD = re.compile(
    r"(ecg|ekg|электрокардио|экг)\w*|m?y?(ecg|ekg)\d*|ele[ck]?t+ro[ck]ardiogram\w*|elettrocardiogramma|\w*(ecg|ekg)"
)
_PPG_WORD = re.compile(r"(ppg|pleth|bvp)\w*|\w+(ppg|pleth)|(photo|foto)plet\w*|фпг")
_LEAD_NAMES = """
lead leads derivation derivacion derivazione derivacao derivatie derivasjon ableitung abl avledning afleiding
odprowadzenie odpr svod svody отведение mdc 导联 誘導
"""
_LEAD_WORDS = frozenset(_LEAD_NAMES.split())
_CHINESE_ECG = ("心电", "心電", "심전도")


@lru_cache(1024)  # a collection has few names, and each is asked about many times a recording
def canonical_channel(name: str) -> str:
    """Return the standard name of a channel: "MLII", "ii", "ECG lead II" and "MDC_ECG_LEAD_II" are all "II".

    A lead is found inside a longer name where that also says ECG or lead, in the common languages of exports, and
    nothing else: "Lead I (Einthoven)" is I, "Derivación II" is II. Other names come back as they are, stripped.
    """
    stripped = name.strip()
    key = re.sub(r"^(ecg|ekg)[\s_:.-]*", "", stripped, flags=re.IGNORECASE)
    key = re.sub(r"^(lead|channel|derivation)[\s_:.-]*", "", key, flags=re.IGNORECASE).lower()
    return _ALIASES.get(key) or _lead_within(stripped) or stripped


def _lead_within(name: str) -> str | None:
    """Return the one lead that a longer name holds beside a word for ECG or lead."""
    words = words_of(re.sub(r"\baV[RLF]\b", lambda limb: limb[0].lower(), name))
    if len(words) < 2 or not any(_ECG_WORD.fullmatch(word) or word in _LEAD_WORDS for word in words):
        return None
    found = {_ALIASES[word] for word in words if word in _ALIASES}
    return found.pop() if len(found) == 1 and contradicting_kind(name) is None else None


@lru_cache(1024)
def modality_of(channel: str) -> Modality | None:
    """Return the modality that a channel's name means; None where it means none, or says that it is something else."""
    name = channel.strip()
    if _ECOG.match(name):
        return "ecog"
    if canonical_channel(name) in _ALIASES.values():
        return "ecg"
    if contradicting_kind(name) is not None:
        return None
    words = words_of(name)
    is_ecg = any(_ECG_WORD.fullmatch(word) for word in words) or any(sign in name for sign in _CHINESE_ECG)
    is_ppg = (
        bool(_PPG.search(name))
        or {"volume", "pulse"} <= set(words)
        or any(_PPG_WORD.fullmatch(word) for word in words)
    )
    if is_ecg and is_ppg:
        return None
    if is_ecg or (words and words[0] in _LEAD_WORDS):
        return "ecg"
    return "ppg" if is_ppg else None


def stated_kind(name: str, unit: Unit = None) -> str | None:
    """Return what a channel's unit or name says that it is ("time", "a pressure" …); None where it may be a signal.

    The unit goes before the name. Names are understood in the common languages of exports.
    """
    kind = unit_kind(unit) or contradicting_kind(name)
    if kind == "time" and contradicting_kind(name) == "intervals of beats":
        return "intervals of beats"
    if kind is None and modality_of(name) is None:
        kind = weakly_stated_kind(name)
    return kind


def shared_modality(channels: Sequence[str]) -> Modality | None:
    """Return the modality that all these channel names mean; None where they differ or mean none."""
    meant = {modality_of(name) for name in channels}
    return meant.pop() if len(meant) == 1 else None


_UNITS = {"uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "mmhg": "mmHg", "a.u.": "au", "au": "au"}
_OF_LANGUAGES = {"мкв": "uV", "мв": "mV", "微伏": "uV", "毫伏": "mV", "伏": "V"}


@lru_cache(1024)
def unit_name(text: str) -> Unit:
    """Return a unit in the house's spelling: "µV" and "microvolts" are "uV"; "" is None.

    Only spellings that cannot mean another unit are changed: "MV" stays, for it may be megavolts.
    """
    text = re.sub(r"[µμ]", "u", text.replace("\x00", "").strip())
    plain = re.sub(r"^(micro|mc|u)[- ]?v(ol(ts?)?)?$", "uV", text, flags=re.I)
    plain = re.sub(r"^(milli[- ]?v(ol(ts?)?)?|m[- ]?volts?)$", "mV", plain, flags=re.I)
    plain = re.sub(r"^volts?$", "V", plain, flags=re.I)
    plain = _OF_LANGUAGES.get(plain.casefold(), plain)
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
