"""How alike two pictures look to a network of the user's, differentiable."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError

# Of a distance against the mean square difference of colours: one of 0.2, of pictures that look
# much alike to LPIPS, counts as much as an error of 27 dB.
WEIGHT = 0.01
WHITE = 255.0  # what such networks take it to be


class Perceptual:
    """A TorchScript network that makes features whose squared distance is one of looks.

    It takes pictures, shape = (1, 3, H, W), from 0 to 255, and returns features, as StyleGAN's
    authors' ``vgg16.pt`` does; that one is asked for those of LPIPS (Zhang et al., CVPR 2018).

    Parameters
    ----------
    path : Path
    device : torch.device

    Raises
    ------
    CheckpointError
        When the file is not such a network.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path = path
        try:
            self.digest = hashlib.blake2b(path.read_bytes()).hexdigest()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as a whole
                network: Any = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is not a TorchScript network; give one that makes features of pictures, "
                "such as vgg16.pt, as ⟨perceptual⟩."
            ) from error
        self._network = network.eval()
        for weight in network.parameters():
            weight.requires_grad_(False)
        names = {argument.name for argument in self._network.forward.schema.arguments}
        offered = {"resize_images": False, "return_lpips": True}
        self._asked = {name: value for name, value in offered.items() if name in names}

    def distance(self, rgb: Tensor, wanted: Tensor) -> Tensor:
        """A scalar, of pictures of shape (H, W, 3) in [0, 1].

        Raises
        ------
        CheckpointError
            When the network does not take such pictures.
        """
        try:
            with torch.no_grad():
                there = self._features(wanted)
            return (self._features(rgb) - there).square().sum()
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(
                f"{self.path} does not make features of a picture of {rgb.shape[1]} × "
                f"{rgb.shape[0]} pixels; give a network that takes n × 3 × H × W, from 0 to 255."
            ) from error

    def _features(self, rgb: Tensor) -> Tensor:
        made: Tensor = self._network(rgb.permute(2, 0, 1)[None] * WHITE, **self._asked)
        return made
