"""Hugging Face's `datasets` opens a store's shards where they lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from physiolect.datasets import Row, Store

OPEN = """
import json, sys
import datasets, numpy as np
from datasets import Dataset, concatenate_datasets

whole = concatenate_datasets([Dataset.from_file(path) for path in sys.argv[1:]])
row = whole.with_format("numpy")[3]
print(json.dumps({
    "rows": len(whole),
    "sources": whole["source"][:],
    "files": [file["filename"] for file in whole.cache_files],
    "signal": row["signal"].reshape(int(row["n_channels"]), -1).tolist(),
    "scale": row["scale"].tolist(),
    "marks": [whole[3]["annotation_" + name] for name in ("sample", "symbol", "note")],
    "mapped": whole.data.nbytes > 100 * datasets.arrow_dataset.pa.total_allocated_bytes(),
}))
"""


def test_from_file_opens_all_shards_and_writes_no_cache(
    make_store: Callable[..., Store], make_row: Callable[..., Row], tmp_path: Path
) -> None:
    rows = [make_row(name, channels=("I", "II"), length=50_000, patient=name) for name in "abcde"]
    store = make_store(rows, shard_bytes=300_000)
    shards = sorted(map(str, store.path.glob("shard-*.arrow")))
    assert len(shards) == 3
    home = tmp_path / "home"
    command = [sys.executable, "-c", OPEN, *shards]
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HOME": str(home)}
    before = {path: path.stat().st_mtime_ns for path in store.path.iterdir()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] == 5
    assert told["sources"] == list("abcde")
    assert told["files"] == shards
    assert told["signal"] == store.samples(3).tolist()
    assert told["scale"] == store.scale(3).tolist()
    assert told["marks"] == [[0, 7], ["+", "V"], ["(N", "d"]]
    assert told["mapped"]
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert {path: path.stat().st_mtime_ns for path in store.path.iterdir()} == before
