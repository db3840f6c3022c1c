"""How alike two pictures look to a network of the user's, differentiable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.weights import torchscript

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
        self._network = torchscript.load(
            path,
            device,
            instead="give one that makes features of pictures, such as vgg16.pt, as ⟨perceptual⟩.",
        )
        self.digest = hashlib.blake2b(path.read_bytes()).hexdigest()
        for weight in self._network.parameters():
            weight.requires_grad_(False)
        self._asked = torchscript.taken(
            self._network, {"resize_images": False, "return_lpips": True}
        )

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
