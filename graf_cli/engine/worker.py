"""What a worker of the Ray engine does, in a process of its own; it knows nothing of Ray."""

from __future__ import annotations

import uuid
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graf_cli.engine.contract import Item, Put
from graf_cli.engine.making import Maker
from graf_cli.errors import DeviceError, EngineError
from graf_cli.model.generator import Generator
from graf_cli.recipe import Recipe
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.scene.spec import ModelSpec
from graf_cli.shots import Shots
from graf_cli.version import __version__


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker has to know of a work, beside the generator.

    Attributes
    ----------
    recipe : Recipe
    spec : ModelSpec
    options : RenderOptions
    normals : bool
    surface : bool
        See `graf_cli.engine.contract.Work`.
    put : callable or None
    token : Path or None
        A file that whoever shares the folder of `put` sees.
    version : str
        Of the program whose job it is.
    name : str
        Of the job, like no other.
    """

    recipe: Recipe
    spec: ModelSpec
    options: RenderOptions
    normals: bool
    surface: bool
    put: Put | None
    token: Path | None
    version: str = __version__
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class Made:
    """A picture that a worker made.

    Attributes
    ----------
    item : Frame, Shape or None
        None when the worker has put it where it belongs.
    outcome : Outcome
        Of this picture alone.
    """

    item: Item | None
    outcome: Outcome


class Worker:
    """Draws pictures in a process of its own.

    Parameters
    ----------
    threads : int
    device : str
    """

    def __init__(self, threads: int, device: str) -> None:
        torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._objects: Objects | None = None
        self._stopped = ""  # the job that is not gone on with

    def begin(self, generator: Generator | None, job: Job) -> None:
        """Take up a job; the generator is given the first time."""
        if job.version != __version__:
            raise EngineError(
                f"A worker has graf {__version__}, but the job is one of graf {job.version}; "
                "install the same version on all machines of the cluster."
            )
        if generator is not None:
            self._objects = Objects(placed(generator, self._device))
        assert self._objects is not None
        self._job = job
        assert isinstance(self._objects.generator, Generator)
        self._maker = Maker(
            self._objects.generator, Shots(job.recipe, job.spec), job.options,
            normals=job.normals, surface=job.surface, objects=self._objects,
        )  # fmt: skip
        self._puts = job.token is not None and job.token.exists()

    def make(self, k: int) -> Made | None:
        """Draw picture `k`, and put it where it belongs if that is here; nothing once stopped."""
        if self._stopped == self._job.name:
            return None
        self._maker.forget_outcome()
        item = self._maker.make(k)
        if self._job.put is None or not self._puts:
            return Made(item, self._maker.outcome)
        self._job.put(k, item)
        return Made(None, self._maker.outcome)

    def stop(self, job: str) -> None:
        """Finish the picture in hand, and begin no other of the job."""
        self._stopped = job


def placed(generator: Generator, device: torch.device) -> Generator:
    """The same generator on a device.

    Raises
    ------
    DeviceError
        When PyTorch cannot use it.
    """
    if generator.device == device:
        return generator
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "A worker was given a GPU that its PyTorch cannot use; install a build of PyTorch for "
            "it on that machine, or begin Ray there with `--num-gpus 0`."
        )

    network = deepcopy(generator.network).to(device=device)
    return replace(generator, network=network, device=device)


def owned(item: Item) -> Item:
    """With arrays of its own, since those from Ray can only be read, and hold its memory."""
    parts = {part.name: getattr(item, part.name) for part in fields(item)}
    own: dict[str, Any] = {k: a.copy() for k, a in parts.items() if isinstance(a, np.ndarray)}
    return replace(item, **own)
