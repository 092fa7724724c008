"""`physiolect demo`: watch a small transformer learn ECG, from made recordings to a report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from physiolect.commands.terminal import Terminated, listening, say, show, terminable

EXAMPLE = "physiolect demo --out physiolect-demo --minutes 2.5"


@dataclass(frozen=True)
class Config:
    """Watch a small transformer learn ECG on this computer, from nothing to a report."""

    out: str = "physiolect-demo"
    """Folder for recordings, stores, checkpoints and report.html; an earlier demo in it is replaced."""
    seed: int = 0
    """Another seed makes other patients and another model."""
    minutes: float = 2.5
    """Longest time that training may take."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        from physiolect.report.demonstration import demo_problems

        return demo_problems(self.out, self.seed, self.minutes)


def run(config: Config) -> int:
    """Run the demo; 130 or 143 where the user, or the machine, stopped it."""
    from physiolect.report.demonstration import demonstrate

    try:
        with terminable(), listening() as terminal:
            done = demonstrate(config.out, seed=config.seed, minutes=config.minutes, on_event=terminal)
    except (KeyboardInterrupt, Terminated) as stop:
        again = f"physiolect demo --out {shlex.quote(config.out)} --seed {config.seed} --minutes {config.minutes:g}"
        say(f"the demo was stopped before its report was written; to start over:\n  {again}")
        return 143 if isinstance(stop, Terminated) else 130
    show(done.summary)
    return 0
