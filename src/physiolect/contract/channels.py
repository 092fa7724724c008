"""Which channels of a recording a contract takes."""

from __future__ import annotations

import re
from dataclasses import replace

from physiolect.contract.contract import ANY_CHANNEL, InputContract
from physiolect.contract.report import Findings
from physiolect.contract.samples import has_two_states, is_dead, sampled_kind
from physiolect.errors import FormatError
from physiolect.recording import (
    Modality,
    Recording,
    canonical_channel,
    modality_of,
    names_text,
    stated_kind,
)
from physiolect.recording.channel_words import may_be_electrode

_WITH_RATE = re.compile(r"([^,:()]+?) \([\d.]+ Hz\)")
"""A channel of another rate in a notice of what was left out."""
_ELECTRODES = 2
"""Electrodes on the scalp beside which a doubtful name is another."""
_SLOWEST = 4.0
"""Hz up to which a series holds one number for many beats, as of heart rates, and no waveform."""


def select_channels(
    recording: Recording, contract: InputContract, channel: str | int | None = None
) -> Recording:
    """Return the recording with nothing but the channels that the contract takes, in its order.

    What was assumed in choosing them is added to its notices.

    Args:
        recording: what there is.
        contract: what is wanted.
        channel: the one channel to take instead of what the contract says, by name, alias or number.

    Raises:
        ContractError: the channels are not there, or measure something else.
    """
    findings = Findings(reading=recording.notices)
    rows = choose_channels(recording, contract, channel, findings)
    if findings.refusals:
        raise findings.error()
    chosen = recording.select(rows)
    return replace(chosen, notices=(*chosen.notices, *findings.notices))


def choose_channels(
    recording: Recording, contract: InputContract, channel: str | int | None, findings: Findings
) -> list[int]:
    """Return the rows of the recording that the contract takes, in its order; empty where it is refused.

    Args:
        recording: what there is.
        contract: what is wanted.
        channel: the one channel to take instead of what the contract says, by name, alias or number.
        findings: receives steps, notices and refusals.
    """
    if channel is not None:
        rows = _asked_for(recording, contract, channel, findings)
    elif contract.channels == (ANY_CHANNEL,):
        rows = _first_fitting(recording, contract, findings)
    else:
        rows = _named(recording, contract, findings)
    if rows:
        _check_kind(recording, rows, contract, findings)
        if findings.refusals:  # of another channel the window and the unit do not matter
            return []
    if rows and contract.modality is not None:
        _check_modality(recording, rows, contract.modality, findings)
    if rows:
        _tell_choice(recording, contract, rows, findings)
    return rows


def model_names(channels: tuple[str, ...], contract: InputContract) -> tuple[str, ...]:
    """Return the contract's own names for the channels chosen, save for one that takes another's place."""
    if contract.channels == (ANY_CHANNEL,):
        return channels
    pairs = zip(channels, contract.channels, strict=True)
    return tuple(name if goes_by(own, name) else own for own, name in pairs)


def goes_by(channel: str, name: str) -> bool:
    """Tell whether two names mean the same channel ("MLII" and "II" do, "V5" and "II" do not)."""
    return canonical_channel(channel).lower() == canonical_channel(name).lower()


def channel_modality(recording: Recording, row: int) -> Modality | None:
    """Return what a channel measures: by its own name, else by the recording's; None for a time or a pressure."""
    name = recording.channels[row]
    meant = modality_of(name)
    return meant if meant or stated_kind(name, recording.units[row]) else recording.modality


def other_kind(recording: Recording, row: int) -> str | None:
    """Return what a channel is by its unit, name or samples where it is no signal for a model: time, a pressure …."""
    kind = stated_kind(recording.channels[row], recording.units[row])
    return kind or sampled_kind(recording.signal[row], recording.fs)


def _check_kind(recording: Recording, rows: list[int], contract: InputContract, findings: Findings) -> None:
    """Refuse channels that are no waveform, and rates at which nothing is one."""
    if contract.modality == "spikes":  # counts are no waveform, and slow
        return
    for row in rows:
        kind = other_kind(recording, row)
        if kind is not None:
            unit = recording.units[row]
            findings.refuse(
                f"channel {recording.channels[row]}{f' in {unit}' if unit else ''} is {kind}"
                + (f", but the model reads {contract.modality}" if contract.modality else ", and no signal"),
                _another_channel(recording, contract),
            )
            return
    if contract.modality is not None and recording.fs <= _SLOWEST:
        findings.refuse(
            f"at {recording.fs:g} Hz there is one number for a beat or for many, as in a series of heart rates: this "
            f"is no {contract.modality}",
            "give the waveform itself, or the right rate (--fs)",
        )


def _another_channel(recording: Recording, contract: InputContract) -> str:
    """Say which channels could be chosen, of the recording or of what was left out in reading it."""
    left_out = [name.strip() for notice in recording.notices for name in _WITH_RATE.findall(notice)]
    fitting = [name for name in (*recording.channels, *left_out) if modality_of(name) == contract.modality]
    if fitting and contract.modality is not None:
        return f"choose {' or '.join(fitting[:3])}"
    several = len(recording.channels) > 1
    other = f"{has_channels(recording)}; " if several else ""
    return f"{other}choose another channel, or give it its right name and unit"


def _asked_for(
    recording: Recording, contract: InputContract, channel: str | int, findings: Findings
) -> list[int]:
    if len(contract.channels) > 1:
        findings.refuse(
            f"channel '{channel}' was asked for, but the model takes {len(contract.channels)} channels "
            f"({', '.join(contract.channels)})",
            "leave channel out",
        )
        return []
    try:
        row = recording.index(channel)
    except FormatError as error:
        findings.refuse(str(error), error.hint or has_channels(recording))
        return []
    if contract.channels != (ANY_CHANNEL,) and not goes_by(recording.channels[row], contract.channels[0]):
        findings.notices.append(
            f"channel {recording.channels[row]} takes the place of {contract.channels[0]}, as asked for"
        )
    return [row]


def _first_fitting(recording: Recording, contract: InputContract, findings: Findings) -> list[int]:
    """Return the row of one channel that says it is what the model reads, or of the only one that may be.

    Of several that say so, lead II is taken, or else the first; of several that say nothing, none.
    """
    wanted, every = contract.modality, range(len(recording.channels))
    other = _stated_kinds(recording)
    meant = {row: modality_of(recording.channels[row]) for row in every if row not in other}
    modalities = {row: each or recording.modality for row, each in meant.items()}
    stated = {each for each in meant.values() if each is not None}
    only = (
        next(iter(stated)) if wanted is None and len(stated) == 1 else wanted
    )  # a model of any modality takes it
    says_so = [row for row in meant if only is not None and meant[row] == only]
    silent = [
        row for row in meant if only is None or (meant[row] is None and modalities[row] in (None, only))
    ]
    for rows in (says_so, silent):
        ramps = {row: kind for row in rows if (kind := sampled_kind(recording.signal[row], recording.fs))}
        other |= ramps
        rows[:] = [row for row in rows if row not in ramps]
        if rows:
            break
    may_be = [row for row in meant if row not in other]
    fitting = _living(recording, says_so or silent, findings)
    if len(fitting) == 1 or (fitting and says_so):
        return [_usual_lead(recording, fitting)]
    if fitting:
        _refuse_to_guess(recording, fitting, wanted, findings)
    else:
        _refuse_all(recording, {**{row: str(modalities[row]) for row in may_be}, **other}, contract, findings)
    return []


def _stated_kinds(recording: Recording) -> dict[int, str]:
    """Return what channels are by name or unit; beside electrodes on the scalp, "M1" and "C2" are such too."""
    rows = list(enumerate(zip(recording.channels, recording.units, strict=True)))
    kinds = {row: kind for row, (name, unit) in rows if (kind := stated_kind(name, unit))}
    if list(kinds.values()).count("EEG") >= _ELECTRODES:
        kinds |= {row: "EEG" for row, (name, _) in rows if row not in kinds and may_be_electrode(name)}
    return kinds


def _living(recording: Recording, rows: list[int], findings: Findings) -> list[int]:
    """Return the rows whose channels are not dead, and note the others; if all are dead, return all."""
    dead = [row for row in rows if is_dead(recording.signal[row])] if len(rows) > 1 else []
    switches = [row for row in rows if row not in dead and has_two_states(recording.signal[row])]
    left = [row for row in rows if row not in dead and row not in switches]
    if not left:
        return rows
    if dead:
        names = names_text([recording.channels[row] for row in dead])
        findings.notices.append(f"passed over {names}: empty or flat throughout")
    return left


def _refuse_to_guess(
    recording: Recording, rows: list[int], wanted: Modality | None, findings: Findings
) -> None:
    names = names_text([recording.channels[row] for row in rows])
    findings.refuse(
        f"any of the channels {names} might be {f'the {wanted}' if wanted else 'the one'} that the model reads, and "
        "none says so",
        f"choose one by name or number (--channel {rows[0]})",
    )


def _refuse_all(
    recording: Recording, kinds: dict[int, str], contract: InputContract, findings: Findings
) -> None:
    of_kind: dict[str, list[str]] = {}
    for row in sorted(kinds):
        of_kind.setdefault(kinds[row], []).append(recording.channels[row])
    held = ", ".join(f"{names_text(names)} ({kind})" for kind, names in of_kind.items())
    findings.refuse(
        f"the model reads {contract.modality or 'a signal'}, but the recording holds {held}",
        f"give a recording with {contract.modality or 'a signal'}, or a checkpoint for what this one holds",
    )


def _usual_lead(recording: Recording, rows: list[int]) -> int:
    """Return which of several channels that fit is taken: lead II, else the first."""
    names = {canonical_channel(recording.channels[row]): row for row in reversed(rows)}
    return names.get("II", rows[0])


def _named(recording: Recording, contract: InputContract, findings: Findings) -> list[int]:
    found = {name: rows_of(recording, name) for name in contract.channels}
    missing = [name for name, rows in found.items() if not rows]
    if missing:
        findings.refuse(
            f"the model needs {names_text(contract.channels)}, but the recording has no {names_text(missing)}",
            f"{has_channels(recording)}; {_how_to_name(contract, missing)}",
        )
    for name, rows in found.items():
        if len(rows) > 1:
            same = ", ".join(recording.channels[row] for row in rows)
            findings.refuse(f"channel {name} could be any of {same}", _by_number(rows))
    return [rows[0] for rows in found.values()] if all(len(rows) == 1 for rows in found.values()) else []


def _by_number(rows: list[int]) -> str:
    return f"choose one by number: --channel {' or '.join(map(str, rows))}"


def _how_to_name(contract: InputContract, missing: list[str]) -> str:
    if len(contract.channels) == 1:
        return f"where one of them is {missing[0]}, say so: --lead {missing[0]}"
    return "where they are the same leads, name them as the model does: --names"


def rows_of(recording: Recording, name: str) -> list[int]:
    """Return the rows of that very name, or else of its aliases."""
    exact = [row for row, own in enumerate(recording.channels) if own == name]
    return exact or [row for row, own in enumerate(recording.channels) if goes_by(own, name)]


def _check_modality(recording: Recording, rows: list[int], wanted: Modality, findings: Findings) -> None:
    modalities = [channel_modality(recording, row) for row in rows]
    for row, modality in zip(rows, modalities, strict=True):
        if modality not in (None, wanted):
            findings.refuse(
                f"channel {recording.channels[row]} is {modality}, but the model reads {wanted}",
                f"choose another channel, or a checkpoint for {modality}",
            )
    unknown = [
        recording.channels[row] for row, modality in zip(rows, modalities, strict=True) if modality is None
    ]
    if unknown:
        findings.notices.append(
            f"nothing says what {', '.join(unknown)} measures; it is taken to be {wanted}"
        )


def _tell_choice(recording: Recording, contract: InputContract, rows: list[int], findings: Findings) -> None:
    own = tuple(recording.channels[row] for row in rows)
    listed = ", ".join(
        mine if mine == name else f"{mine} as {name}"
        for mine, name in zip(own, model_names(own, contract), strict=True)
    )
    for row in rows:
        if (count := recording.channels.count(recording.channels[row])) > 1:
            findings.notices.append(
                f"{count} channels are named {recording.channels[row]}: number {row} is taken"
            )
    if len(rows) < len(recording.channels):
        findings.steps.append(
            f"kept channel{'s' * (len(rows) > 1)} {listed} of {names_text(recording.channels)}"
        )
    elif own != recording.channels:
        findings.steps.append(f"put the channels in the order {listed}")
    elif own != model_names(own, contract):
        findings.steps.append(f"took {listed}")


def has_channels(recording: Recording) -> str:
    """Name a recording's channels, for a hint."""
    return f"the recording has {names_text(recording.channels)}"
