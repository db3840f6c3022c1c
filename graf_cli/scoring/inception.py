"""Features of pictures: by the published Inception network, or by one of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.scoring import network
from graf_cli.scoring.distances import Features
from graf_cli.scoring.sets import Picture
from graf_cli.weights import torchscript
from graf_cli.weights.reading import check_network, read, state_dict

BATCH = 16  # pictures that go through the network at once


class Inception:
    """A network that makes a row of numbers of each picture.

    Either a state dict of Inception's weights, such as `standard.WEIGHTS`, by the names that
    PyTorch's own Inception has; or a network in TorchScript, which takes 8-bit pictures, shape =
    (n, 3, H, W), of any size, and scales them itself, as ``inception-2015-12-05.pt`` does, the file
    that StyleGAN's authors publish; that one is asked for its 2,048 pooled features
    (``return_features=True``), others for what they return.

    Parameters
    ----------
    path : Path
    device : torch.device

    Raises
    ------
    CheckpointError
        When the file is neither.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path, self.device = path, device
        self._network = (
            _weighed(path, device) if torchscript.stores_tensors(path) else _scripted(path, device)
        )

    def features(self, pictures: Iterable[Picture]) -> Features:
        """One row a picture, shape = (n, d), float64.

        Raises
        ------
        CheckpointError
            When the network does not return one row of numbers a picture.
        """
        rows, batch = [], []
        for picture in pictures:
            batch.append(picture)
            if len(batch) == BATCH:
                rows.append(self._rows(batch))
                batch = []
        if batch:
            rows.append(self._rows(batch))
        return np.concatenate(rows) if rows else np.zeros((0, 1))

    @torch.inference_mode()
    def _rows(self, batch: list[Picture]) -> Features:
        images = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).to(device=self.device)
        try:
            made = self._network(images)
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.path} does not take 8-bit pictures of shape n × 3 × H × W; give a network "
                "that scales them itself, such as inception-2015-12-05.pt."
            ) from error
        if not isinstance(made, torch.Tensor) or made.ndim != 2 or len(made) != len(batch):
            raise CheckpointError(
                f"{self.path} does not make one row of numbers a picture; give a network that "
                "returns pooled features, such as inception-2015-12-05.pt."
            )
        return np.asarray(made.to(device="cpu", dtype=torch.float64).numpy())


def _weighed(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Our own network with a file's weights, read without trust."""
    content = {
        name: tensor
        for name, tensor in read(path).content.items()
        if not str(name).endswith(network.COUNTERS)
    }
    tensors = state_dict(path, "inception", content, "Inception")
    check_network(path, "inception", tensors, network.shapes())
    return network.filled(tensors, device)


def _scripted(path: Path, device: torch.device) -> Callable[[Tensor], object]:
    """The user's network, asked for features where it knows the word."""
    made = torchscript.load(
        path,
        device,
        instead="give the file of Inception that StyleGAN's authors publish, "
        "inception-2015-12-05.pt, or the state dict that `graf download inception` fetches, as "
        "⟨inception⟩.",
    )
    asked = torchscript.taken(made, {"return_features": True})
    return lambda images: made(images, **asked)
