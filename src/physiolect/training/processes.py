"""The processes that train one model together: who is who, what they share, where they wait for each other."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from physiolect.errors import ConfigError, PhysiolectError
from physiolect.training.devices import choose_device

_PATIENCE = timedelta(minutes=10)
"""How long a process waits for another that is alive: while it saves, compiles, or hangs."""


class LostProcessError(PhysiolectError):
    """Another process of the run has ended, or does not answer."""


class Processes:
    """This process alone: nothing to share, nobody to wait for.

    Args:
        device: where it trains; the CPU by default.
    """

    rank = 0
    """Number of this process, from 0."""
    count = 1
    """How many there are."""
    sharded = False
    """Whether each process holds a part only of the weights (FSDP)."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def wrap(self, model: nn.Module, regions: Iterable[nn.Module] = ()) -> nn.Module:
        """Return what to call for the loss, so that gradients become means over the processes.

        Args:
            model: the same in all processes, on its device; sharded in place where the launcher asks for it.
            regions: parts that are gathered one at a time, where the model is sharded.
        """
        return model

    def sum_gradients_later(self, wrapped: nn.Module, later: bool) -> None:
        """Leave the gradients of the next backward pass in this process, to be shared with those of a later one."""

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the processes of a tensor on the device, without waiting for the device."""
        return value

    def gather(self, value: Tensor) -> list[Tensor]:
        """Return what every process gave, by rank; all of one shape, in memory of the host."""
        return [value]

    def gather_rows(self, value: Tensor) -> Tensor:
        """Return the rows (n, …) of all processes, by rank; with a gradient, which sums those of all processes."""
        return value

    def sum(self, value: float) -> float:
        """Return the sum over the processes, the same to the bit in all."""
        return sum(float(each) for each in self.gather(torch.tensor(value, dtype=torch.float64)))

    def largest(self, value: int) -> int:
        """Return the largest number of any process: 1 where one of them says True."""
        return max(int(each) for each in self.gather(torch.tensor(int(value))))

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.gather(torch.tensor(0))

    def whole(self, value: Tensor) -> Tensor:
        """Return all of a tensor of which each process holds a part; it takes all processes to ask."""
        return value

    def fill(self, value: Tensor, whole: Tensor) -> None:
        """Write into a tensor of the model or the optimiser, given all of it."""
        value.copy_(whole)

    def draw_apart(self) -> None:
        """Let every process but the first go on with random numbers of its own: they begin alike."""
        if self.rank:
            torch.manual_seed(int(torch.randint(2**62, ())) + self.rank)


class _Launched(Processes):
    """One of several processes, as the launcher's environment says.

    What goes through the host (`gather` and what is made of it) has a connection of its own, which waits for no
    GPU, breaks at once when a process dies, and is kept by nobody else.
    """

    def __init__(self, device: str) -> None:
        # Its functions default to the group there is when they are imported; imported later they would keep it.
        import torch.distributed.nn.functional  # noqa: F401
        from accelerate import Accelerator, InitProcessGroupKwargs

        if device not in ("auto", "cpu", "cuda"):
            raise ConfigError(
                f"device is {device}, but each of {n_launched()} processes has one of its own",
                hint="leave device out; CUDA_VISIBLE_DEVICES chooses the GPUs",
            )
        patience = InitProcessGroupKwargs(timeout=_PATIENCE)
        self._accelerator = Accelerator(
            cpu=choose_device(device).type == "cpu", mixed_precision="no", kwargs_handlers=[patience]
        )
        super().__init__(self._accelerator.device)
        self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
        self._host: dist.ProcessGroup | None = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def wrap(self, model: nn.Module, regions: Iterable[nn.Module] = ()) -> nn.Module:
        if not self.sharded:
            return self._accelerator.prepare_model(model)
        from accelerate import FullyShardedDataParallelPlugin
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        asked = FullyShardedDataParallelPlugin()
        if asked.fsdp_version != 2:
            raise ConfigError(
                f"the launcher asks for FSDP {asked.fsdp_version}, but weights keep their shapes in FSDP 2 only",
                hint="accelerate launch --use_fsdp --fsdp_version 2",
            )
        for name in ("FSDP_OFFLOAD_PARAMS", "FSDP_ACTIVATION_CHECKPOINTING"):
            if os.environ.get(name, "").lower() == "true":
                raise ConfigError(
                    f"the launcher sets {name}, which training does not do",
                    hint=f"leave --{name.lower()} out",
                )
        mesh = init_device_mesh(self.device.type, (self.count,))
        inside = set(model.modules()) - {model}
        for region in regions:
            if region in inside:
                fully_shard(region, mesh=mesh, reshard_after_forward=asked.reshard_after_forward)
        fully_shard(model, mesh=mesh)
        return model

    def sum_gradients_later(self, wrapped: nn.Module, later: bool) -> None:
        if self.sharded:
            wrapped.set_requires_gradient_sync(not later)  # type: ignore[operator]
        else:
            wrapped.require_backward_grad_sync = not later  # type: ignore[assignment]

    def mean(self, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value / self.count

    def gather(self, value: Tensor) -> list[Tensor]:
        gathered = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(gathered, value, group=self._host)
        return gathered

    def gather_rows(self, value: Tensor) -> Tensor:
        found: Tensor = _GatheredRows.apply(value, self.rank, self.count)
        return found

    def whole(self, value: Tensor) -> Tensor:
        from torch.distributed.tensor import DTensor

        return value.full_tensor() if isinstance(value, DTensor) else value

    def fill(self, value: Tensor, whole: Tensor) -> None:
        from torch.distributed.tensor import DTensor, distribute_tensor

        if isinstance(value, DTensor):
            here = whole.to(self.device)
            whole = distribute_tensor(here, value.device_mesh, value.placements, src_data_rank=None)
        value.copy_(whole)

    def leave(self) -> None:
        """End the connections, and their threads: one that outlives the interpreter would abort the process."""
        self._host = None
        gc.collect()  # a group's threads end with the last who keeps it
        dist.destroy_process_group()


class _GatheredRows(torch.autograd.Function):
    """The rows of all processes; the gradient of a process's own rows is the sum of what all processes found."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, rank: int, count: int) -> Tensor:
        ctx.own = slice(rank * len(value), (rank + 1) * len(value))
        gathered = [torch.empty_like(value) for _ in range(count)]
        dist.all_gather(gathered, value.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor | None, ...]:
        total = gradient[0].clone()
        dist.all_reduce(total)
        return total[ctx.own], None, None


def n_launched() -> int:
    """Return how many processes the launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_first_process() -> bool:
    """Say whether this is the launched process that writes and reports, or alone."""
    return int(os.environ.get("RANK") or 0) == 0


@contextmanager
def join_processes(device: str = "auto") -> Iterator[Processes]:
    """Meet the processes that `accelerate launch` or `torchrun` started, or be alone without them.

    Args:
        device: auto, cpu or cuda; with a number for a process that is alone.

    Raises:
        ConfigError: the device is not there.
        LostProcessError: another process ended while this one needed it.
    """
    if n_launched() == 1:
        if "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ:
            warnings.warn(
                "accelerate started one process only: --multi_gpu starts several, on a CPU too", stacklevel=1
            )
        yield Processes(choose_device(device))
        return
    with noticing_loss():
        launched = _Launched(device)
        yield launched
        launched.leave()


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Turn what libraries raise for a broken connection to another process into a LostProcessError.

    Raises:
        LostProcessError: the connection is broken.
    """
    try:
        yield
    except RuntimeError as error:
        if not _is_of_connection(error):
            raise
        raise LostProcessError(
            f"another of the {n_launched()} processes has ended or does not answer, "
            "and training cannot go on without it",
            hint="look for its own message above; without one it was killed, perhaps because memory ran out",
        ) from error


def _is_of_connection(error: RuntimeError) -> bool:
    """Return whether an error is of a connection: gloo's have no type of their own, but name its file."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)
