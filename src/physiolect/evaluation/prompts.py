"""What classes are called in plain words, for models that compare signals with texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from physiolect import config
from physiolect.errors import ConfigError

PROMPTS: dict[str, tuple[str, ...]] = {
    # super-classes of PTB-XL
    "NORM": ("normal ecg", "sinus rhythm, no abnormality"),
    "MI": ("myocardial infarction", "pathological q waves of an old or recent infarction"),
    "STTC": ("st segment and t wave changes", "abnormal repolarisation, such as ischaemia"),
    "CD": ("conduction disturbance", "bundle branch block or atrioventricular block"),
    "HYP": ("hypertrophy", "high voltages of ventricular hypertrophy or atrial overload"),
    # rhythms
    "SR": ("sinus rhythm",),
    "N": ("sinus rhythm",),
    "AFIB": ("atrial fibrillation", "irregular rhythm without p waves"),
    "AF": ("atrial fibrillation", "irregular rhythm without p waves"),
    "AFLT": ("atrial flutter",),
    "STACH": ("sinus tachycardia", "fast sinus rhythm"),
    "SBRAD": ("sinus bradycardia", "slow sinus rhythm"),
    "SARRH": ("sinus arrhythmia",),
    "SVARR": ("supraventricular arrhythmia",),
    "SVTAC": ("supraventricular tachycardia",),
    "PSVT": ("paroxysmal supraventricular tachycardia",),
    "PACE": ("pacemaker rhythm",),
    "BIGU": ("bigeminy",),
    "TRIGU": ("trigeminy",),
    # sub-classes and statements
    "AMI": ("anterior myocardial infarction",),
    "IMI": ("inferior myocardial infarction",),
    "LMI": ("lateral myocardial infarction",),
    "PMI": ("posterior myocardial infarction",),
    "ISCA": ("ischaemia in anterior leads",),
    "ISCI": ("ischaemia in inferior leads",),
    "ISC_": ("ischaemic t wave changes",),
    "NST_": ("non-specific st changes",),
    "LAFB/LPFB": ("left anterior or posterior fascicular block",),
    "CLBBB": ("complete left bundle branch block",),
    "CRBBB": ("complete right bundle branch block",),
    "ILBBB": ("incomplete left bundle branch block",),
    "IRBBB": ("incomplete right bundle branch block",),
    "IVCD": ("intraventricular conduction delay",),
    "WPW": ("wolff-parkinson-white syndrome with a delta wave",),
    "_AVB": ("atrioventricular block",),
    "LVH": ("left ventricular hypertrophy",),
    "RVH": ("right ventricular hypertrophy",),
    "SEHYP": ("septal hypertrophy",),
    "LAO/LAE": ("left atrial enlargement",),
    "RAO/RAE": ("right atrial enlargement",),
    "PVC": ("ventricular extrasystoles",),
    "PAC": ("atrial extrasystoles",),
}
"""Label -> its wordings, ours; the vector of a class is the mean of theirs."""


def prompts_for(classes: Sequence[str], file: str | Path | None = None) -> dict[str, tuple[str, ...]]:
    """Return the wordings of each class.

    Args:
        classes: names of labels.
        file: YAML of class: text, or of class: list of texts; its classes replace ours.

    Raises:
        ConfigError: a class has no wording, or the file holds other things than texts.
    """
    own = {} if file is None else _read(Path(file))
    known = {**PROMPTS, **own}
    missing = [name for name in classes if name not in known]
    if missing:
        raise ConfigError(
            f"there are no prompts for {', '.join(missing[:8])}{' …' * (len(missing) > 8)}",
            hint="write them into a YAML file, one line a class (NORM: normal ecg), and name it: prompts, --prompts",
        )
    return {name: known[name] for name in classes}


def _read(file: Path) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for name, texts in config.read_yaml(file).items():
        listed = [texts] if isinstance(texts, str) else texts
        if (
            not isinstance(listed, list)
            or not listed
            or not all(isinstance(each, str) and each.strip() for each in listed)
        ):
            raise ConfigError(
                f"{file}: the prompt of {name} is no text", hint="write NORM: normal ecg, or a list of texts"
            )
        found[str(name)] = tuple(listed)
    return found
