"""The files of an evaluation: numbers, table, figures and a section for a model card."""

from __future__ import annotations

import json
from pathlib import Path

from physiolect.evaluation import EvaluationResult
from physiolect.files import replacing, writing


def write_evaluation(
    result: EvaluationResult, folder: str | Path, *, command: str | None = None
) -> list[Path]:
    """Write figures, table.md, model-card.md and results.json, each file whole or not at all, the numbers last.

    Args:
        result: what was found.
        folder: is made where it does not exist.
        command: command line that made the result, for the model card.

    Returns:
        the files.

    Raises:
        WriteError: the folder cannot be written to, or the disk is full.
    """
    folder = Path(folder)
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in result.figures.items():
        files.append(folder / f"{name}.png")
        with replacing(files[-1]) as path:
            figure.savefig(path)
    texts = {
        "table.md": result.summary + "\n",
        "model-card.md": card_section(result, command),
        "results.json": json.dumps(result.to_dict(), indent=2) + "\n",
    }
    for name, text in texts.items():
        files.append(folder / name)
        with replacing(files[-1]) as path:
            path.write_text(text, encoding="utf-8")
    return files


def card_section(result: EvaluationResult, command: str | None = None) -> str:
    """Return a section for a model card: what was evaluated, on what, with which numbers and limits.

    Args:
        result: what was found.
        command: command line that made it.
    """
    notes = [*(f"**{warning}**" for warning in result.warnings), *result.notes]
    lines = [
        f"## Evaluation: {result.task}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {result.titles[name]} | `{path}` |" for name, path in result.models.items()),
        f"| data | `{result.store}`, {result.count:,} {result.counted} of {result.draws.n_groups} {result.unit}; "
        f"digest {result.store_sha256[:12]} |",
        f"| baselines | {result.protocol} |",
        "",
        *(["```", command, "```", ""] if command else []),
        result.table,
        "",
        " ".join(notes),
        "",
    ]
    return "\n".join(lines)
