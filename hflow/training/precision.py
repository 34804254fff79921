"""Where and in which precision a training runs: Lightning's Fabric, set up by the section train."""

from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from hflow.foundation.devices import fast_bfloat16, pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrainParams
from hflow.model import HierarchyFlow
from hflow.model.training_network import TrainingNetwork
from hflow.training.encoder import Encoder
from hflow.training.torchrun import find_torchrun

__all__ = ["set_up", "training_fabric", "training_precision"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def training_precision(params: TrainParams) -> Precision:
    """The precision of a training; `auto` is bfloat16 where the device multiplies it faster.

    Raises:
        HflowError: the device that `train.accelerator` names is not there.
    """
    device = pick_device(params.accelerator)
    if params.precision != "auto":
        return params.precision
    return "bf16-mixed" if fast_bfloat16(device) else "32-true"


def training_fabric(params: TrainParams) -> Fabric:
    """The devices of a training, on all machines, and its precision.

    Raises:
        HflowError: a device is not there, or torchrun has started another number of processes.
    """
    precision, started = training_precision(params), find_torchrun()
    if started and started.processes != params.devices:
        raise HflowError(
            f"torchrun has started {started.processes} processes, and train.devices is {params.devices}: make it "
            f"{started.processes}"
        )
    strategy = "auto" if params.devices == 1 else "ddp" if started else "ddp_spawn"
    try:
        return Fabric(
            accelerator=params.accelerator,
            devices=started.here if started else params.devices,
            num_nodes=started.machines if started else 1,
            strategy=strategy,
            precision=precision,
            # Named, since Fabric would take a job of Slurm for one whose tasks are the training's processes.
            plugins=TorchElasticEnvironment() if started else LightningEnvironment(),
        )
    except MisconfigurationException as error:
        first = str(error).strip().splitlines()[0]
        raise HflowError(
            f"train.devices is {params.devices} and train.accelerator {params.accelerator}, which can't be had here "
            f"({first}): lower train.devices, or set train.accelerator to auto"
        ) from None


def set_up(
    fabric: Fabric,
    network: HierarchyFlow,
    optimizer: torch.optim.Optimizer,
    encoder: Encoder,
    precision: Precision,
    *,
    returning: bool = False,
) -> tuple[nn.Module, Any]:
    """The network, to be called with content and style, and its optimizer, as training steps use them.

    The encoder's convolutions take the precision, that of the fabric, from here on.
    """
    if precision == "bf16-mixed":
        encoder.stages.to(torch.bfloat16)
    return fabric.setup(TrainingNetwork(network, returning=returning), optimizer)
