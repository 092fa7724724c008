"""`physiolect evaluate STORE --checkpoint CHECKPOINT --task TASK --out DIR`: how good a model is, beside baselines."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from physiolect.commands.settings import folder_problems
from physiolect.commands.terminal import listening, say, show
from physiolect.evaluation.settings import EvaluationSettings
from physiolect.files import check_writable

EXAMPLE = "physiolect evaluate store --checkpoint runs/af --task rhythm --out evaluated"


@dataclass(frozen=True, kw_only=True)
class Config(EvaluationSettings):
    """Evaluate a checkpoint, or a cross-validated run, on a store made by `prepare`."""

    POSITIONAL: ClassVar[tuple[str, ...]] = ("store",)

    store: str
    """Folder made by `prepare` with the checkpoint's contract."""
    checkpoint: str
    """A folder, a published HeartGPT file, ecg, owner/name; or the folder of a cross-validated finetune, of which each
    fold's model predicts the patients that it was not trained on."""
    compare: str | None = None
    """Another checkpoint or run, on the same windows; differences are paired."""
    out: str
    """Folder for results.json, table.md, model-card.md and figures."""
    json: bool = False
    """Print results.json on stdout in place of the table."""

    def problems(self) -> list[str]:
        """List everything that is wrong with the settings."""
        return [
            *self.setting_problems(lambda name: "--" + name.replace("_", "-")),
            *folder_problems(self.out),
        ]


def run(config: Config) -> int:
    """Evaluate, and write numbers, table, figures and a section for a model card."""
    from physiolect.evaluation import evaluate
    from physiolect.report.evaluation import write_evaluation

    check_writable(Path(config.out))
    settings = asdict(config)
    out, as_json = settings.pop("out"), settings.pop("json")
    with listening() as terminal:
        result = evaluate(**settings, on_event=terminal)
    for warning in result.warnings:
        say(f"WARNING: {warning}")
    for file in write_evaluation(result, out, command=shlex.join(["physiolect", *sys.argv[1:]])):
        say(f"wrote {file}")
    show(json.dumps(result.to_dict(), indent=2) if as_json else result.summary)
    return 0
