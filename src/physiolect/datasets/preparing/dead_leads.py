"""Leads that are empty or flat throughout, which are missing by another name."""

from __future__ import annotations

from physiolect.contract import InputContract, Remark
from physiolect.contract.channels import rows_of
from physiolect.contract.samples import is_dead
from physiolect.errors import ContractError
from physiolect.recording import Recording


def without_dead(recording: Recording, contract: InputContract, remarks: list[Remark]) -> Recording:
    """Return a recording without channels that are empty or flat throughout, which are missing by another name.

    `remarks` receives which of the contract's leads they are.
    """
    dead = [row for row, signal in enumerate(recording.signal) if is_dead(signal)]
    if not dead:
        return recording
    if len(dead) == len(recording.channels):
        raise ContractError(
            "every lead of the recording is empty or flat throughout",
            hint="is the file whole, and its gain above 0?",
        )
    rows = [rows_of(recording, lead) for lead in contract.channels]
    if named := [recording.channels[found[0]] for found in rows if found and found[0] in dead]:
        note = f"empty or flat throughout, as if missing: {', '.join(named)}"
        remarks.append(Remark(recording.source, "flat", note))
    return recording.select([row for row in range(len(recording.channels)) if row not in dead])
