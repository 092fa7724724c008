"""Units of amplitude, and the factors between them."""

from __future__ import annotations

from physiolect.contract.report import Findings
from physiolect.recording import Recording, names_text

_VOLTS = {"v": 0, "mv": -3, "uv": -6, "µv": -6, "μv": -6, "nv": -9}
"""Power of ten of each unit of voltage; micro is written with u, the micro sign or the Greek letter."""


def conversion_factor(unit: str, wanted: str) -> float | None:
    """Return what samples in `unit` are multiplied by to be in `wanted`; None where that is impossible."""
    if unit == wanted:
        return 1.0
    have, want = (_VOLTS.get(name.strip().lower()) for name in (unit, wanted))
    return None if have is None or want is None else 10.0 ** (have - want)


def unit_factors(
    recording: Recording, rows: list[int], wanted: str | None, findings: Findings
) -> list[float]:
    """Return what each channel is multiplied by to be in the unit wanted; None leaves every unit as it is."""
    if wanted is None:
        return [1.0] * len(rows)
    factors, unknown = [], []
    changed: dict[str, list[str]] = {}
    for row in rows:
        name, unit = recording.channels[row], recording.units[row]
        factor = None if unit is None else conversion_factor(unit, wanted)
        if unit is None:
            unknown.append(name)
        elif factor is None:
            findings.refuse(
                f"channel {name} is in {unit}, which cannot become {wanted}",
                f"give a recording in {wanted}",
            )
        elif factor != 1.0:
            changed.setdefault(f"from {unit} to {wanted} (x {factor:g})", []).append(name)
        factors.append(1.0 if factor is None else factor)
    if unknown and wanted == "count":  # which have no other unit, and few files state it
        findings.notices.append(
            f"nothing states the unit of {names_text(unknown)}; they are taken to be counts"
        )
    elif unknown:
        findings.refuse(
            f"the unit of channel {names_text(unknown)} is unknown, but the model needs {wanted}",
            "state the unit in the recording, or when it is read (--unit)",
        )
    if changed:
        listed = ", ".join(f"{names_text(names)} {how}" for how, names in changed.items())
        findings.steps.append(f"converted {listed}")
    return factors
