"""Features of pictures, by a network of the user's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from graf_cli.errors import CheckpointError
from graf_cli.scoring.distances import Features
from graf_cli.scoring.sets import Picture
from graf_cli.weights import torchscript

BATCH = 16  # pictures that go through the network at once


class Inception:
    """A TorchScript network that makes a row of numbers of each picture.

    It takes 8-bit pictures, shape = (n, 3, H, W), of any size, and scales them itself, as
    ``inception-2015-12-05.pt`` does, the file that StyleGAN's authors publish; that one is asked
    for its 2,048 pooled features (``return_features=True``), others for what they return.

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
        self.path, self.device = path, device
        self._network = torchscript.load(
            path,
            device,
            instead="give the file of Inception that StyleGAN's authors publish, "
            "inception-2015-12-05.pt, as ⟨inception⟩.",
        )
        self._asked = torchscript.taken(self._network, {"return_features": True})

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
            made = self._network(images, **self._asked)
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
