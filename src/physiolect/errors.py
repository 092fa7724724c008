"""What Physiolect raises for users: one sentence, and a hint what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

_PIP_NAMES = {"sklearn": "scikit-learn", "yaml": "PyYAML", "pywt": "PyWavelets"}
"""Module -> the name that pip knows it by, where that differs."""


class PhysiolectError(Exception):
    """A mistake the user can mend: `str(error)` says what is wrong, `error.hint` what to do.

    A traceback shows the hint too, below the message.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")


class FormatError(PhysiolectError):
    """A file cannot be read as the recording, store or checkpoint it claims to be."""


class ContractError(PhysiolectError):
    """A recording cannot be made into what a model accepts."""


class ConfigError(PhysiolectError):
    """A setting is unknown, of the wrong type or out of range."""


class CheckpointError(PhysiolectError):
    """A checkpoint is incomplete, altered or of another kind than asked for."""


class WriteError(PhysiolectError):
    """A file or folder cannot be written, or another run is writing to it."""


class DownloadError(PhysiolectError):
    """Something on the network cannot be had, or is not what its publisher says it is."""


class Cancelled(PhysiolectError):  # noqa: N818 (nothing went wrong)
    """The caller's listener asked the work to stop."""


def closest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that `name` is likely a slip of, or None."""
    names = sorted(allowed)
    folded = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return "did you mean 'x'?", or what is allowed where nothing is close."""
    names = sorted(allowed)
    near = closest(name, names)
    return f"did you mean '{near}'?" if near else f"allowed: {', '.join(names)}"


def check_option(name: str, value: str, allowed: Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of `allowed`."""
    names = list(allowed)
    if value not in names:
        raise ConfigError(
            f"{name} is '{value}', which is not one of {', '.join(names)}", hint=did_you_mean(value, names)
        )


def require(module: str, *, extra: str) -> Any:
    """Return a module of an optional dependency.

    Args:
        module: as it is imported.
        extra: the extra of Physiolect that installs it.

    Raises:
        PhysiolectError: it is not installed.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise PhysiolectError(
            f"this needs the package {_PIP_NAMES.get(package, package)}, which is not installed",
            hint=f"pip install 'physiolect[{extra}]'",
        ) from error
