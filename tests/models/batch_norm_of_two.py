"""What each of two processes does for test_resnet.py: `batch_norm_of_two.py FILE` under a launcher's environment."""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from torch import Tensor, nn

from physiolect.models.resnet import RESNET_PRESETS, ResNet
from physiolect.training import Processes, Recipe, Step, join_processes

CONFIG = replace(
    RESNET_PRESETS["xresnet18"], context_length=64, n_channels=2, width=4, head_width=0, dropout=0.0
)


def train(processes: Processes) -> tuple[dict[str, Tensor], float]:
    """Make three updates with this process's share of eight windows; returns weights and loss."""
    torch.manual_seed(0)
    model = ResNet(CONFIG).double().to(processes.device).train()
    x = torch.randn(3, 8, 2, 64, dtype=torch.float64)
    mine = slice(processes.rank * 8 // processes.count, (processes.rank + 1) * 8 // processes.count)

    def loss_of(net: nn.Module, batch: Tensor) -> Tensor:
        return (net(batch, last_only=True)[:, 0, 0] - batch[:, 0, 0]).square().mean()

    step = Step(
        model, loss_of, lambda at, part: x[int(at), mine], Recipe(1e-2, "constant", 0), 3, processes=processes
    )
    for _ in range(3):
        step()
    return {name: processes.whole(value) for name, value in model.state_dict().items()}, step.read()[0]


if __name__ == "__main__":
    with join_processes("cpu") as joined:
        weights, loss = train(joined)
        joined.wait()
        if joined.main:
            torch.save({**weights, "loss": torch.tensor(loss, dtype=torch.float64)}, sys.argv[1])
