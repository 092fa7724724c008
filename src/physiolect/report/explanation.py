"""An explanation as files: the figure, its numbers, a table where there is one, and a summary."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from physiolect.explanation import Explanation
from physiolect.files import replacing, writing
from physiolect.formats.outputs import OUTPUT_MARK

Picture = Literal["png", "pdf", "svg"]
Numbers = Literal["npz", "mat"]


def write_explanation(
    result: Explanation,
    folder: str | Path,
    *,
    format: Picture = "png",
    numbers: Numbers = "npz",
    about: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write VIEW.png, VIEW.npz, VIEW.json and, of heads and waves, VIEW.csv; each whole or not at all.

    Args:
        result: from `explain`; other views may share the folder.
        folder: is made where it is missing.
        format: of the figure.
        numbers: format of the file of numbers.
        about: further facts for VIEW.json, such as the recording and the checkpoint.
        settings: the options that were used, for VIEW.json.

    Returns:
        what VIEW.json holds: `about`, `result.to_dict()`, "settings" where they are given, and "files".

    Raises:
        WriteError: the folder cannot be written to, or the disk is full.
    """
    folder = Path(folder)
    with writing(folder, hint="name a folder that may be written to"):
        folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{result.view}.{format}", folder / f"{result.view}.{numbers}"]
    figure = result.plot()
    with replacing(files[0]) as path:
        figure.savefig(path)
    marked = {OUTPUT_MARK: np.array("explain"), **result.numbers}  # first, where is_output looks for it
    with replacing(files[1]) as path:
        if numbers == "npz":
            np.savez(path, **marked)
        else:
            from scipy.io import savemat

            savemat(path, marked, oned_as="row")
    if result.listed:
        files.append(folder / f"{result.view}.csv")
        with replacing(files[-1]) as path, path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(result.columns)
            table.writerows(zip(*result.columns.values(), strict=True))
    files.append(folder / f"{result.view}.json")
    held = {**(about or {}), **result.to_dict()}
    if settings is not None:
        held["settings"] = dict(settings)
    held["files"] = [str(file) for file in files]
    with replacing(files[-1]) as path:
        path.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
    return held
