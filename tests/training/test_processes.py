"""Two real processes that train one model: the same as one, to rounding."""

from __future__ import annotations

import importlib.util
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from physiolect.errors import ConfigError
from physiolect.training import RECIPES, LostProcessError, Processes, join_processes, noticing_loss
from physiolect.training.processes import _Launched

SCRIPT = Path(__file__).with_name("one_of_two.py")
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}
"""Of losses, gradients and weights: sums in another order; 2e-7 was seen."""


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("one_of_two", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


one_of_two = load_script()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def alone() -> Any:
    """Three updates of six, by one process."""
    run = one_of_two.Run(Processes())
    run.stop_at = 3
    return run.train(6)


def launch(folder: Path, device: str, count: int, *, sharded: bool) -> list[Any]:
    """Return what each of so many processes saw, by rank."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": str(count)}
    if sharded:
        shared |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), device],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        for process in running:
            told = process.communicate(timeout=300)[1]
            assert process.returncode == 0, told
    finally:
        for process in running:
            process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


@pytest.fixture(scope="module", params=[False, True], ids=["replicated", "sharded"])
def two(request: pytest.FixtureRequest, alone: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What two processes saw, by rank."""
    folder = tmp_path_factory.mktemp("two")
    torch.save(alone.kept, folder / "alone.pt")
    return launch(folder, "cpu", 2, sharded=request.param)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("sharded", [False, True], ids=["replicated", "sharded"])
def test_gpus_train_as_one_does(sharded: bool, tmp_path: Path) -> None:
    one = one_of_two.Run(Processes(torch.device("cuda"))).train(6, recipe=RECIPES["modern"])
    for saw in launch(tmp_path, "cuda", min(2, torch.cuda.device_count()), sharded=sharded):
        losses, kept = saw["whole"]
        torch.testing.assert_close(torch.tensor(losses), torch.tensor(one.losses), **TOLERANCE)
        assert_close(weights(kept), {name: value.cpu() for name, value in weights(one.kept).items()})


def weights(kept: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in kept.items() if name.startswith("weights/")}


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Compare by name all that is not random numbers."""
    names = {name for name in one if not name.startswith("random")}
    assert names == {name for name in other if not name.startswith("random")}
    for name in names:
        torch.testing.assert_close(one[name], other[name], **TOLERANCE)


def test_the_processes_know_each_other(two: Any) -> None:
    assert [(saw["rank"], saw["count"], saw["main"]) for saw in two] == [(0, 2, True), (1, 2, False)]
    for saw in two:
        assert [each.tolist() for each in saw["gathered"]] == [[0, 1, 2], [10, 11, 12]]
        assert saw["sum"] == 0.1 + 1.1
        assert saw["largest"] == 1
        assert saw["mean"].tolist() == [1.0, 2.5]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted where Linux lists them")
def test_no_thread_is_left_that_could_abort_the_process_as_it_ends(two: Any) -> None:
    # PyTorch keeps the group of a sharded model, which is last used long before.
    for saw in two:
        assert saw["threads"] > saw["threads left"]
        assert saw["threads left"] == (saw["threads"] // 2 if saw["sharded"] else 0)


def test_two_processes_train_as_one_with_the_same_batch(two: Any) -> None:
    one = one_of_two.Run(Processes()).train(6, recipe=RECIPES["modern"])
    for saw in two:
        losses, kept = saw["whole"]
        torch.testing.assert_close(torch.tensor(losses), torch.tensor(one.losses), **TOLERANCE)
        assert_close(kept, one.kept)


def test_a_sharded_model_is_held_in_parts(two: Any) -> None:
    whole = sum(p.numel() for p in one_of_two.GPT(one_of_two.SMALL).parameters())
    held = [saw["held"] for saw in two]
    if two[0]["sharded"]:
        assert sum(held) == whole
        assert max(held) < 0.6 * whole
    else:
        assert held == [whole, whole]


def test_what_one_must_refuse_all_refuse(two: Any, alone: Any) -> None:
    for saw in two:
        words, done, kept = saw["refused"]
        assert "update 4 has a loss of nan" in words
        assert done == 3
        assert_close(weights(kept), weights(alone.kept))


def test_where_one_is_told_to_stop_all_stop_after_the_same_update(two: Any) -> None:
    assert [saw["stopped"][0] for saw in two] == [3, 3]


def test_dropout_differs_between_processes_and_not_between_runs(two: Any) -> None:
    for saw in two:
        (losses, kept), (again, kept_again) = saw["dropout"]
        assert losses == again
        assert all(torch.equal(kept[name], kept_again[name]) for name in kept)
        assert not torch.equal(kept["random"], kept["random/1"])
    assert two[0]["dropout"][0][0] == two[1]["dropout"][0][0]


def test_two_processes_resume_to_the_bit_with_dropout(two: Any) -> None:
    for saw in two:
        (losses, kept), _ = saw["dropout"]
        resumed, resumed_kept = saw["resumed"]
        assert resumed == losses
        assert all(torch.equal(kept[name], resumed_kept[name]) for name in kept)


def test_gradients_are_shared_once_an_update(two: Any) -> None:
    if two[0]["gradients"] is None:
        pytest.skip("a sharded model keeps what is not shared yet where nobody sees it")
    (own, shared), (other, shared_too) = (saw["gradients"] for saw in two)
    assert not torch.allclose(own, other)
    assert torch.equal(shared, shared_too)


def test_what_one_process_saved_two_go_on_with_and_the_other_way(two: Any, alone: Any) -> None:
    whole = torch.tensor(one_of_two.Run(Processes()).train(6).losses)
    for saw in two:
        losses = torch.tensor(alone.losses + saw["from one"])
        torch.testing.assert_close(losses, whole, **TOLERANCE)
    _, kept = two[0]["stopped"]
    losses = torch.tensor(one_of_two.Run(Processes()).train(6, resume=kept).losses)
    torch.testing.assert_close(losses, whole[3:], **TOLERANCE)


def test_a_process_alone_has_nothing_to_share() -> None:
    processes = Processes()
    value = torch.tensor([1.0, 2.0])
    assert (processes.rank, processes.count, processes.main, processes.sharded) == (0, 1, True, False)
    assert processes.mean(value) is value
    assert processes.sum(math.pi) == math.pi
    before = torch.get_rng_state()
    processes.draw_apart()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_process_alone_needs_no_launcher_library() -> None:
    code = "import sys; from physiolect.training import join_processes\n"
    code += "with join_processes('cpu'): print('accelerate' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_one_of_several_chooses_no_device_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(ConfigError, match="each of 2 processes has one of its own") as refused,
        join_processes("cuda:1"),
    ):
        pass
    assert "CUDA_VISIBLE_DEVICES" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("FSDP_VERSION", "1", "--fsdp_version 2"),
        ("FSDP_OFFLOAD_PARAMS", "true", "leave --fsdp_offload_params out"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "leave --fsdp_activation_checkpointing out"),
    ],
)
def test_what_fsdp_cannot_do_here_is_refused(
    name: str, value: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSDP_VERSION", "2")
    monkeypatch.setenv(name, value)
    launched = _Launched.__new__(_Launched)  # what it is refused for needs no other process
    launched.sharded = True
    with pytest.raises(ConfigError, match="the launcher") as refused:
        launched.wrap(torch.nn.Linear(1, 1))
    assert hint in str(refused.value.hint)


def test_a_launcher_that_started_one_process_only_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with (
        pytest.warns(UserWarning, match="one process only: --multi_gpu starts several"),
        join_processes("cpu") as one,
    ):
        assert one.count == 1


def test_a_broken_connection_has_a_name_and_other_errors_keep_theirs() -> None:
    gloo = (
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:7"
    )
    with pytest.raises(LostProcessError, match="has ended or does not answer") as lost, noticing_loss():
        raise RuntimeError(gloo)
    assert lost.value.hint
    with pytest.raises(RuntimeError, match="shapes") as kept, noticing_loss():
        raise RuntimeError("shapes do not fit")
    assert kept.type is RuntimeError
