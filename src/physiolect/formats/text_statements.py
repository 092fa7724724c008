"""What the lines above samples state in words that many programs use: rate, names and unit, in many languages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from physiolect.errors import FormatError
from physiolect.formats.time_stamps import is_date, is_day, moment_in
from physiolect.recording import Modality, StartTime, Unit
from physiolect.recording.time_words import SECONDS


@dataclass(frozen=True)
class Facts:
    """What the lines above the samples state; nothing of a person is kept."""

    fs: float | None = None
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    unit: Unit = None
    """Unit of all columns that state none."""
    scale: float = 1.0
    """What samples are multiplied by."""
    modality: Modality | None = None
    leave_out: str = ""
    """Pattern of the names of columns that are no signal."""
    rename: tuple[tuple[str, str], ...] = ()
    """Patterns in names, and what takes their place."""
    named: bool = False
    """Whether `names` replace a line of names above the samples."""
    start: StartTime | None = None
    """When the first sample was recorded."""


_RATE_STEMS = (
    "sampl|abtast|mess|muestre|échantillon|echantillon|campion|amostra|bemonster|próbkow|probkow|дискрет|采样|取样|採樣|"
    "サンプ|샘플|örnekle|ornekle|näytteen|vzork|mintav|eșantion|esantion|scan|acqui|record|data|ecg|ekg"
)
_RATE_NOUNS = (
    r"\brates?|rate\b|freq|frec|fréq|frequen|häufig|taxa|hz|khz|частот|频|頻|率|レート|周波|주파|속도|hız|taajuus|"
    r"frekv|częst|hastig"
)
_RATE_KEY = re.compile(
    rf"(?:{_RATE_STEMS})[^:=]*(?:{_RATE_NOUNS})|(?:{_RATE_NOUNS})[^:=]*(?:{_RATE_STEMS})|^(?:messrate|abtastrate)$"
    r"|^(?:fs|sfreq|srate|freq|frequency|frequenz|fréquence|frecuencia|frequenza|rate|hz|sps|curr_sample_rate|采样率)\b"
    r"|^samples?\s*(?:/|per)\s*s(?:ec|econd)?$",
    re.I,
)
_INTERVAL_KEY = re.compile(r"interval|intervall|\bperiod|^(dt|delta_?t|Δt)$|/sample", re.I)
_OTHER_KEY = re.compile(
    r"filter|cut-?off|notch|pass|low|high|band|mains|line freq|tief|hoch|count|number|anzahl|size|resolution|bits|"
    r"heart|puls|herz|cardia|cardía|screen|video|frame|version|max|min",
    re.I,
)
_HERTZ = (
    r"(k|M)?\s*(?:hz|hertz|hercios?|hertsi\w*|herců|herc\w*|гц|герц\w*|赫兹|赫茲|赫|ヘルツ|헤르츠|"
    r"sps|samples?\s*(?:/|per)\s*s\w*|/s|s-1)"
)
_NUMBER = r"([+-]?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?)"
_STATED = re.compile(rf"{_NUMBER}\s*{_HERTZ}\s*\.?", re.I)
_IN_A_LINE = re.compile(
    rf"\b(?:ecg|ekg|eeg|ppg|sampl\w*|rate)\s+(?:(?:rate|at|of)\s+)*({_NUMBER}\s*{_HERTZ})\b", re.I
)
_PLAIN = re.compile(rf"{_NUMBER}\s*(\w*)", re.I)
_LEAD_KEY = re.compile(
    r"^(ecg )?(leads?|ableitung(en)?|derivaci[óo]n|dérivations?|derivazione|derivação|avled\w*|afleiding|odprow\w*|"
    r"отведени\w*|导联|導聯|誘導|유도|kan[aä]l\w*|canal|channels?|channel ?names?|columns?|labels?|signals?|"
    r"signal ?names?)$",
    re.I,
)
_START_WORDS = (
    r"recording|record(?:ed)?|measurement|acquisition|start(?:ed)?|begin|date|time|datetime|timestamp|of|and|aufnahme|"
    r"mess|beginn|datum|zeit|uhrzeit|zeitpunkt|fecha|hora|inicio|début|debut|heure|data|ora|inizio"
)
_START_KEY = re.compile(rf"(?:(?:{_START_WORDS})[ _./-]*){{1,6}}", re.I)
"""Names of when a recording began; a date of birth, of a file or of a print has other words in it."""
_CLOCK_KEY = re.compile(r"start|begin|uhrzeit|hora|heure|\bora\b|inicio|d[ée]but|inizio|^time$", re.I)
_UNIT_KEY = re.compile(
    r"^((signal|measurement|channel|amplitude)? ?units?|einheit(en)?|unidad(es)?|unités?|unità|unidade|eenheid|"
    r"enhet|jednostk\w*|jednotk\w*|единиц\w*|единица измерения|单位|單位|単位|단위|yksikkö|egység|birim)$",
    re.I,
)


def read_statements(text: str, path: Path) -> Facts:
    """Read "key: value" lines of any program in many languages."""
    rates: dict[float, str] = {}
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    moments: list[tuple[str, str]] = []
    for key, value in _pairs(text):
        if _START_KEY.fullmatch(key):
            moments.append((key, value))
        elif (rate := _rate(key, value)) is not None and rate > 0:
            rates.setdefault(rate, key)
        elif _LEAD_KEY.search(key) and not names:
            names = _listed(value, key)
        elif _UNIT_KEY.search(key) and not units:
            units = tuple(re.split(r"\t|,\s*|;\s*", value.strip()))
    if len(rates) > 1:
        listed = " and ".join(f"{rate:g} Hz" for rate in list(rates)[:3])
        raise FormatError(
            f"the lines above the samples of {path} state two rates, {listed}",
            hint="correct the line that is wrong",
        )
    unit = units[0] if len(units) == 1 else None
    return Facts(next(iter(rates), None), names, () if unit else units, unit, start=_stated_start(moments))


def _stated_start(stated: list[tuple[str, str]]) -> StartTime | None:
    """Return when a recording began, out of what the file states: a moment, or a date and a time apart.

    A recording time or time of measurement without a date may be how long it lasts.
    """
    days = [text for _, text in stated if is_date(text)]
    clocks = [text for key, text in stated if is_day(text) and _CLOCK_KEY.search(key)]
    dated = [text for _, text in stated if not is_day(text)]
    joined = [f"{days[0]} {clocks[0]}"] if days and clocks else []
    found = [moment for text in [*dated, *joined, *clocks] if (moment := moment_in(text)) is not None]
    whole = [moment for moment in found if isinstance(moment, datetime)]
    return next(iter(whole or found), None)


def stated_rate(text: str) -> float | None:
    """Return the rate in Hz where a text is nothing but a rate, "500 Hz"."""
    found = _STATED.fullmatch(text.strip())
    return _rate("rate", text) if found else None


def rate_of_text(text: str) -> float | None:
    """Return the rate in Hz of a text that is known to state one: "500 Hz", or "500"."""
    return _rate("rate", text.strip().strip("\0")) if len(text) <= 64 else None


def rate_of_unit(text: str) -> float | None:
    """Return the rate in Hz that stands in the place of a unit, "500 Hz" or "0.004 sec"; None for a unit."""
    plain = _PLAIN.fullmatch(text.strip())
    if plain and plain[2].casefold() in SECONDS:
        return rate_of_interval(plain[1], plain[2])
    return stated_rate(text)


def is_statement(key: str) -> bool:
    """Return whether a word says what follows it on its line: a rate, a unit, leads."""
    return any(pattern.search(key) for pattern in (_RATE_KEY, _UNIT_KEY, _LEAD_KEY)) or bool(stated_rate(key))


def _listed(value: str, key: str) -> tuple[str, ...]:
    """Return the names that a value lists; "Ableitung I" after the key Ableitung is the lead I."""
    value = value.strip()
    if value.casefold().startswith(key.casefold()) and len(value) > len(key):
        value = value[len(key) :].strip()
    cells = [cell.strip().strip("'\"[]") for cell in re.split(r"\t|,\s*|;\s*", value) if cell.strip()]
    return (
        tuple(cell for cell in cells if not cell.isdigit())
        if cells and not all(c.isdigit() for c in cells)
        else ()
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield what lines state: "key: value", "key=value, key=value", "key,value", and "(key) value"."""
    for line in text.splitlines()[:400]:
        line = re.sub(r"^\s*(#|%|//|;)+\s*", "", line[:2000]).strip()
        if not line or line[0] in "{[":
            continue
        if found := _IN_A_LINE.search(line):
            yield "rate", found[1]
        whole = re.match(r"([^:=]{1,60}?)\s*(?::=|[:=])\s*(.*)", line)
        if whole:
            yield _key(whole[1]), whole[2].strip().strip("\"'").rstrip(",;")
            for part in re.split(r"[,;\t|]\s*", line)[1:]:
                if found := re.match(r"\s*([^:=]{1,60}?)\s*(?::=|[:=])\s*(.*)", part):
                    yield _key(found[1]), found[2].strip().strip("\"'")
            continue
        divided = next((mark for mark in "\t;," if mark in line), None)
        if divided:
            key, _, value = line.partition(divided)
            yield _key(key), value.strip().strip(",;\t").strip().strip("\"'")
        elif found := re.fullmatch(rf"(.*?[^\d\s.,])\s+({_NUMBER}\s*(?:{_HERTZ})?)", line, re.I):
            yield _key(found[1]), found[2]
        elif re.fullmatch(rf"{_NUMBER}\s*{_HERTZ}", line, re.I):
            yield "rate", line


def _key(text: str) -> str:
    return text.strip().strip("\"'").strip()


def _rate(key: str, value: str) -> float | None:
    """Return the rate in Hz that a line states, or None."""
    value = value.strip()
    if _OTHER_KEY.search(key):
        return None
    if stated := _STATED.fullmatch(value):
        factor = {"k": 1e3, "m": 1e6}.get((stated[2] or "").lower(), 1.0)
        number = number_of(stated[1])
        return number * factor if number else None
    plain = _PLAIN.fullmatch(value)
    if plain is None:
        return None
    unit_in_key = re.search(r"[(\[]([^()\[\]]*)[)\]]", key)
    unit = (plain[2] or (unit_in_key[1] if unit_in_key else "")).casefold()
    if _INTERVAL_KEY.search(key) and unit in SECONDS:
        return rate_of_interval(plain[1], unit)
    if _RATE_KEY.search(key) and (unit in ("", "hz", "khz", "hertz", "sps") or not plain[2]):
        number = number_of(plain[1])
        return None if number is None else number * (1e3 if unit == "khz" else 1.0)
    return None


def rate_of_interval(number: str, unit: str) -> float | None:
    """Return the rate in Hz of a time from sample to sample."""
    step, scale = number_of(number), SECONDS.get(unit.casefold())
    if not step or scale is None or step <= 0:
        return None
    rate = 1 / (step * scale)
    digits = len(re.sub(r"e.*", "", number.replace(",", ".")).partition(".")[2])
    whole = round(rate)
    if digits >= 5 and whole and round(1 / (whole * scale), digits) == step:
        return float(whole)  # 0.00277778 s is 360 Hz: the interval of a whole rate, rounded
    return round(rate, 6) if math.isclose(rate, round(rate, 6), rel_tol=1e-9) else rate


def number_of(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
