"""Modules are given their weights."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from graf_cli.families.contract import Tensors

Module = TypeVar("Module", bound=nn.Module)


def filled(module: Module, tensors: Tensors, device: torch.device) -> Module:
    """A module that was made without memory, with weights: in evaluation mode, without gradients.

    Parameters
    ----------
    module : nn.Module
        On the device "meta"; is changed and returned.
    tensors : dict of Tensor
        Its state dict.
    device : torch.device
        Where the weights are to be.
    """
    # In memory of their own: the bits of a product depend on where a file's tensors lay.
    placed = {name: tensor.to(device=device, copy=True) for name, tensor in tensors.items()}
    module.load_state_dict(placed, assign=True)
    return module.requires_grad_(False).eval()
