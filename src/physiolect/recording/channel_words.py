"""What the words of a channel's name and its unit say that it is, where it is no ECG, PPG or ECoG."""

from __future__ import annotations

import re
from functools import lru_cache

from physiolect.recording.time_words import COUNTER_WORDS, SECONDS, TIME_WORDS, WEAK_COUNTER_WORDS, words_of

_WORDS: dict[str, str] = {
    "time": " ".join(sorted(TIME_WORDS)),
    "a counter": " ".join(sorted(COUNTER_WORDS)),
    "a heart rate": """
        heartrate bpm herzfrequenz hartslag hartfrequentie pulserate prate frecuencia frequence frequenza frequencia
        rate пульс 心率 心拍数""",
    "intervals of beats": "rr rri rrint ibi ppi nni nn rmssd sdnn hrv",
    "EEG": "eeg eegs ээг",
    "eye movement": "eog reog leog heog veog ieog eogl eogr eogh eogv",
    "muscle activity": "emg semg eemg эмг",
    "a pressure": """
        abp ibp nbp nibp nbps nbpd nbpm bp abps abpd abpm cvp icp pap pressure pressures arterial presion pression
        druck blutdruck pressao pressione cisnienie tryck давление 血压 血圧""",
    "respiration": """
        resp rsp respiration respiratory respir breath breathing breaths atmung respiracion respirazione respiracao
        ademhaling oddech thor thorax abdo airflow nasal cannula co2 etco2 capno capnography эдр дыхание 呼吸""",
    "acceleration": """
        acc accel accx accy accz accelerometer acceleration accelerometre acelerometro accelerometro beschleunigung
        aceleracion aceleracao accelerazione versnelling ускорение 加速度""",
    "rotation": "gyro gyr gyroscope gyrx gyry gyrz magnetometer",
    "a temperature": """
        temp temperature temperatures temperatur temperatura temperatuur skintemp skt температура 温度 体温""",
    "skin conductance": """
        eda gsr scl scr electrodermal elektrodermal hautleitwert conductance conductivity conductancia кгр""",
    "a marker": """
        marker markers trigger triggers trig event events annotation annotations label labels stim sti status flag
        stage stages button etiqueta etiquette marke marca marcador evento evenement ereignis markierung
        leadoff peaks rpeaks onsets offsets phase beats метка 标签""",
    "a quality": "quality sqi battery batt batterie bateria rssi qualitat qualite calidad humidity lux",
}
"""What a channel is -> the words that say so wherever they stand, without accents and in small letters."""
_WEAK: dict[str, str] = {
    "time": "ms ns us s t",
    "a counter": " ".join(sorted(WEAK_COUNTER_WORDS)),
    "a heart rate": "puls",
    "a pressure": "art map systolic diastolic sys dia ao",
    "oxygen saturation": "spo2 sao2 sat osat saturation oxygen",
    "respiration": "flow effort",
    "acceleration": "motion activity steps imu",
    "a marker": "class classes target category sync digital klasse clase classe symbol",
    "skin conductance": "skin sc",
    "light": "light ambient",
}
"""The same for words that say so where the name says nothing else: "sample number", but not "ECG sample"."""

_UNITS: dict[str, str] = {
    "time": " ".join(SECONDS),
    "a counter": "samples sample #",
    "a pressure": "mmhg cmh2o kpa pa hpa mbar bar psi torr",
    "a temperature": "°c c degc deg°c celsius ℃ °f f degf fahrenheit k kelvin grad gradc",
    "acceleration": "g mg m/s2 m/s^2 m/s² m/s/s gal",
    "rotation": "deg/s °/s dps rad/s ut gauss deg",
    "skin conductance": "usiemens microsiemens siemens ms/cm ohm kohm mohm",
    "a heart rate": "bpm b/min beats/min beats/minute /min 1/min min-1 rpm breaths/min",
    "respiration": "l/min lpm l/s ml/s ml l",
    "light": "lux",
}
"""What a channel is -> its units in small letters; micro is written u."""

_ELECTRODE = (
    r"(?:[nfcpoi]z|fp[12z]|af(?:z|[1-9]|10)|(?:fc|cp)[z1-6]|(?:ft|tp)(?:[7-9]|10)|po(?:z|[3-9]|10)|[fpt](?:[3-9]|10)"
    r"|c[34]|o[12])"
)
_DOUBTFUL = r"(?:[fcp][12]|c[56]|i[12]|cb[12]|[am][12])"
"""Electrodes whose names also mean other things: C1 to C6 are V1 to V6 of an ECG, A1 the first analogue input."""
_TEN_TEN = re.compile(rf"{_ELECTRODE}([-_ ]?({_ELECTRODE}|{_DOUBTFUL}|ref|le|avg))?")
_AMONG_ELECTRODES = re.compile(rf"{_DOUBTFUL}([-_ ]?({_ELECTRODE}|{_DOUBTFUL}|ref|le|avg))?")
_STRONG_OF = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_WEAK_OF = {word: kind for kind, words in _WEAK.items() for word in words.split()}
_UNIT_OF = {unit: kind for kind, units in _UNITS.items() for unit in units.split()}
_LONG = tuple(word for word in _STRONG_OF if len(word) >= 6 and word not in ("second", "secondi", "status"))
_RUN_TOGETHER = re.compile(
    r"(a?bp|ni?bp|ibp|art|cvp)(mean|sys|dia|avg|m|s|d)\w*|(acc|accel|gyro|gyr|mag)[xyz]\w*"
)
_WITHOUT_SPACES = tuple(word for word in _STRONG_OF if not word.isascii() and len(word) <= 4)
"""Words of languages that put no spaces between words, or endings to them."""


@lru_cache(1024)
def contradicting_kind(name: str) -> str | None:
    """Return what a name says it is though it may hold "ECG" too: "ECG timestamp" is time, "ECG quality" a quality."""
    words = words_of(name)
    if "co2" in words or "etco2" in words:
        return "respiration"
    bare = [re.sub(r"\d+$", "", word) or word for word in words]
    if ("heart" in bare and "rate" in bare) or ("pulse" in bare and "rate" in bare):
        return "a heart rate"
    for word in (*words, *bare, "".join(words)):
        kind = _STRONG_OF.get(word) or _by_beginning(word)
        if kind == "time" and word not in (bare[0], bare[-1], words[0], words[-1]):
            continue  # "ECG real time signal" is an ECG
        if kind is not None:
            return kind
    return next((_STRONG_OF[word] for word in _WITHOUT_SPACES if word in name), None)


def _by_beginning(word: str) -> str | None:
    """Return what a word says that is run together with another: "timestampms", "abpmean", "gyroz"."""
    if _RUN_TOGETHER.fullmatch(word):
        return "a pressure" if "b" in word or word.startswith(("art", "cvp")) else "acceleration"
    return next((_STRONG_OF[long] for long in _LONG if word.startswith(long)), None)


@lru_cache(1024)
def weakly_stated_kind(name: str) -> str | None:
    """Return what a name says that holds no word for ECG, PPG or ECoG: "sample number" is a counter."""
    kind = contradicting_kind(name)
    if kind is not None:
        return kind
    if _TEN_TEN.fullmatch(name.strip().casefold()):
        return "EEG"
    found = (_WEAK_OF.get(word) or _WEAK_OF.get(word.rstrip("0123456789")) for word in words_of(name))
    return next((kind for kind in found if kind is not None), None)


def may_be_electrode(name: str) -> bool:
    """Return whether a name is that of an electrode on the scalp if others beside it are: "M1", "C2"."""
    return _AMONG_ELECTRODES.fullmatch(name.strip().casefold()) is not None


def unit_kind(unit: str | None) -> str | None:
    """Return what is measured in a unit: time in "ms", a pressure in "mmHg"; None for volts and plain numbers."""
    plain = (
        re.sub(r"[µμ]", "u", (unit or "").strip()).replace(" ", "").replace("Ω", "ohm").replace("Ω", "ohm")
    )
    if plain in ("uS", "nS", "mS", "S", "umho"):
        return "skin conductance"
    return _UNIT_OF.get(plain.casefold())
