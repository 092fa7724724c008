"""Twelve leads by name, in one order; limb leads made of two others, and missing ones, only where asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from physiolect.contract.channels import has_channels, rows_of
from physiolect.contract.report import Findings
from physiolect.errors import FormatError
from physiolect.recording import LEADS, Recording, canonical_channel, modality_of

LIMB_LEADS: dict[str, tuple[float, float]] = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""What each limb lead is of I and of II: Einthoven's law, and Goldberger's leads."""


def name_lead(recording: Recording, lead: str, channel: str | int | None = None) -> Recording:
    """Return one channel of a recording as the lead that it is; a notice says so where it had another name.

    Args:
        recording: what there is.
        lead: what the channel is.
        channel: which one it is, by name, alias or number from 0; needed where there are several.

    Raises:
        FormatError: there are several channels and none was chosen, or no such channel.
    """
    if channel is None and len(recording.channels) > 1:
        raise FormatError(
            f"--lead {lead} names one channel, but {recording.source} has {', '.join(recording.channels)}",
            hint="choose it with --channel, or name all of them with --names",
        )
    one = recording.select([0 if channel is None else channel])
    own = one.channels[0]
    notices = (
        []
        if own == lead or re.fullmatch(r"ch\d+", own)
        else [f"renamed channels, as asked for: {own} to {lead}"]
    )
    return replace(
        one,
        channels=(lead,),
        modality=modality_of(lead) or one.modality,
        notices=(*one.notices, *notices),
    )


def arrange_leads(
    recording: Recording,
    leads: Sequence[str] = LEADS,
    *,
    derive_limb: bool = False,
    zero_missing: bool = False,
) -> Recording:
    """Return the recording with these leads alone, in this order, found by name or alias.

    Args:
        recording: what there is.
        leads: what is wanted; the twelve standard leads in the house's order where nothing is said.
        derive_limb: compute III, aVR, aVL and aVF out of I and II where they are missing.
        zero_missing: let a lead that is still missing be all zeros.

    Raises:
        ContractError: leads are missing or ambiguous, or I and II have different units; all of it is reported together.
    """
    findings = Findings()
    rows = {lead: rows_of(recording, lead) for lead in leads}
    for lead, found in rows.items():
        if len(found) > 1:
            same = ", ".join(recording.channels[row] for row in found)
            findings.refuse(f"lead {lead} could be any of {same}", "select the channels first")
    derived = _derivable(recording, rows, findings) if derive_limb else {}
    missing = [lead for lead, found in rows.items() if not found and lead not in derived]
    if missing and not zero_missing:
        findings.refuse(
            f"the recording has no lead {', '.join(missing)}",
            f"{has_channels(recording)}; {_offer(recording, missing)}",
        )
    if findings.refusals:
        raise findings.error()

    signal = np.zeros((len(rows), recording.n_samples), np.float32)
    units: list[str | None] = []
    for row, (lead, found) in enumerate(rows.items()):
        if found:
            signal[row] = recording.signal[found[0]]
        elif lead in derived:
            of_one, of_two = LIMB_LEADS[canonical_channel(lead)]
            one, two = derived[lead]
            signal[row] = of_one * recording.signal[one] + of_two * recording.signal[two]
        source = [*found, *derived.get(lead, ())]
        units.append(recording.units[source[0]] if source else None)
    known = {unit for unit in units if unit is not None}
    if len(known) == 1:  # zeros have whatever unit the others have
        units = [*known] * len(units)
    return replace(recording, signal=signal, channels=tuple(rows), unit=tuple(units), modality="ecg")


def available_leads(
    recording: Recording, leads: Sequence[str] = LEADS, *, derive_limb: bool = False
) -> tuple[str, ...]:
    """Return those of the leads that `arrange_leads` would find, or derive, without zeros."""
    both = all(rows_of(recording, lead) for lead in ("I", "II"))
    return tuple(
        lead
        for lead in leads
        if rows_of(recording, lead) or (derive_limb and both and canonical_channel(lead) in LIMB_LEADS)
    )


def _derivable(
    recording: Recording, rows: dict[str, list[int]], findings: Findings
) -> dict[str, tuple[int, int]]:
    """Return for each missing limb lead the rows of I and II; empty where these are not both there."""
    wanted = [lead for lead, found in rows.items() if not found and canonical_channel(lead) in LIMB_LEADS]
    ones, twos = rows_of(recording, "I"), rows_of(recording, "II")
    if not wanted or len(ones) != 1 or len(twos) != 1:
        return {}
    one, two = ones[0], twos[0]
    if recording.units[one] != recording.units[two]:
        findings.refuse(
            f"leads I and II are in {recording.units[one]} and {recording.units[two]}, which do not add up",
            "convert one of them first",
        )
    return dict.fromkeys(wanted, (one, two))


def _offer(recording: Recording, missing: Sequence[str]) -> str:
    """Say what could be asked for, so that the recording serves nevertheless."""
    from_two = all(canonical_channel(lead) in LIMB_LEADS for lead in missing)
    if from_two and rows_of(recording, "I") and rows_of(recording, "II"):
        return "ask for limb leads to be derived from I and II (--derive-limb)"
    return "give a recording with them, or ask for zeros in their place (--zero-missing)"
