"""Names and units of times, and names of counters, in many languages."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "sekunden": 1.0, "segundos": 1.0,
    "secondes": 1.0, "secondi": 1.0, "сек": 1.0, "с": 1.0, "秒": 1.0, "秒钟": 1.0, "초": 1.0, "hh:mm:ss": 1.0,
    "hh:mm:ss.mmm": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "millis": 1e-3,
    "millisekunden": 1e-3, "milisegundos": 1e-3, "millisecondes": 1e-3, "мс": 1e-3, "毫秒": 1e-3, "ミリ秒": 1e-3,
    "us": 1e-6, "usec": 1e-6, "µs": 1e-6, "μs": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6, "micros": 1e-6,
    "мкс": 1e-6, "微秒": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9, "nanos": 1e-9,
    "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "minuten": 60.0, "minutos": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
"""Unit of time in small letters -> seconds."""

_TIME_WORDS = """
time times tm timer timestamp timestamps datetime datetimes date clock elapsed epoch unixtime localtime utc
sec secs second seconds msec millis milliseconds micros microseconds usec nanos nanoseconds nsec minutes
zeit zeitstempel zeitpunkt uhrzeit datum sekunde sekunden millisekunden tiempo hora fecha segundos milisegundos
temps heure horodatage secondes tempo ora orario secondi tijd tijdstip tijdstempel tid tidspunkt tidpunkt
tidsstempel tidsstampel klokke aika aikaleima aeg laiks laikas czas cas vrijeme vreme ido idobelyeg timp zaman
saat waktu masa χρονος время час дата 时间 時間 时刻 時刻 시간 समय เวลา الوقت وقت זמן
"""
TIME_WORDS = frozenset(_TIME_WORDS.split())
"""Words that say that something is a time, wherever they stand, without accents and in small letters."""
_COUNTER_WORDS = """
index idx indice indeks counter packet packets packetnumber seq nseq seqno sequence zahler zaehler compteur
contador contatore teller licznik счетчик индекс номер 序号 索引 番号 번호
"""
COUNTER_WORDS = frozenset(_COUNTER_WORDS.split())
"""The same for counters."""
_WEAK_COUNTER_WORDS = """
sample samples samplenumber count counts number num nr no row rows frame frames line id muestra muestras campione
campioni amostra amostras echantillon echantillons abtastwert nummer numero unnamed
"""
WEAK_COUNTER_WORDS = frozenset(_WEAK_COUNTER_WORDS.split())
"""Words that say it where a name says nothing else: "sample number", but not "ECG sample"."""
_CHARACTERS = tuple(word for word in TIME_WORDS if not word.isascii() and len(word) <= 4)
"""Words of languages that put no spaces between words, or endings to them."""
_UNIT_AT_END = re.compile(
    r"[_\s](s|secs?|seconds?|ms|msecs?|milliseconds?|us|µs|microseconds?|ns|nanoseconds?|min|minutes?)$"
)


@lru_cache(1024)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name without accents, in small letters: "accX_left" is acc, x, left."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFKC", plain)  # puts letters together again that only were taken apart
    apart = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", plain)
    return tuple(re.findall(r"[^\W_]+", apart.casefold()))


def letters_of(name: str) -> list[str]:
    """Return the words of a name without their digits: "Unnamed: 0" is unnamed."""
    return [bare for word in words_of(name) if (bare := re.sub(r"\d+", "", word))]


def is_time_name(name: str) -> bool:
    """Return whether a column's name says that it holds times."""
    if re.fullmatch(r"t[ _]*\(?(s|ms|us|sec)?\)?|[mnuµ]s", name.strip().lower()):
        return True
    words = letters_of(name)
    return (
        any(word in TIME_WORDS for word in words)
        or "".join(words) in TIME_WORDS
        or any(characters in name for characters in _CHARACTERS)
    )


def is_counter_name(name: str) -> bool:
    """Return whether a column's name says that it counts rows; a column without a name may."""
    words = letters_of(name)
    return (
        not words
        or all(word in COUNTER_WORDS or word in WEAK_COUNTER_WORDS for word in words)
        or words[-1] in ("index", "counter", "nseq")
    )


def time_unit(name: str, unit: str | None) -> float | None:
    """Return the seconds of one unit of a time column; None where neither its unit nor its name states one."""
    if unit:
        return SECONDS.get(unit.strip().casefold())
    whole = name.strip().casefold()
    found = _UNIT_AT_END.search(whole)
    if found:
        return SECONDS[found[1]]
    return SECONDS.get(whole) if len(whole) > 1 else None


def epoch_unit(first: float) -> float | None:
    """Return the seconds of one unit where a number is a Unix time between 1980 and 2100, else None."""
    for unit in (1.0, 1e-3, 1e-6, 1e-9):
        if 3.15e8 <= first * unit <= 4.1e9:
            return unit
    return None
