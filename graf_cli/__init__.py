"""Render novel views from pretrained generative radiance fields.

>>> import graf_cli as graf
>>> generator = graf.load()
>>> frame = graf.render(generator, azimuth=30, seed=3)
>>> frame.rgb.shape
(128, 128, 3)
>>> recipe = graf.sweep(generator, azimuth=(0, 360), frames=48)
>>> graf.write(recipe, "spin.mp4", generator=generator).path
PosixPath('spin.mp4')

Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from graf_cli.errors import GrafError
from graf_cli.version import __version__

if TYPE_CHECKING:
    from graf_cli.api import dataset as dataset
    from graf_cli.api import draw as draw
    from graf_cli.api import export as export
    from graf_cli.api import frames as frames
    from graf_cli.api import grid as grid
    from graf_cli.api import load as load
    from graf_cli.api import reference as reference
    from graf_cli.api import render as render
    from graf_cli.api import replay as replay
    from graf_cli.api import sample as sample
    from graf_cli.api import sweep as sweep
    from graf_cli.api import write as write
    from graf_cli.jobs import Events as Events
    from graf_cli.jobs import Result as Result
    from graf_cli.model.generator import Generator as Generator
    from graf_cli.recipe import Recipe as Recipe
    from graf_cli.rendering.renderer import Frame as Frame
    from graf_cli.rendering.renderer import RenderOptions as RenderOptions
    from graf_cli.rendering.renderer import Series as Series
    from graf_cli.rendering.renderer import Shot as Shot
    from graf_cli.scene.camera import Camera as Camera
    from graf_cli.scene.codes import Subject as Subject
    from graf_cli.scene.spec import ModelSpec as ModelSpec
    from graf_cli.sharding import Shard as Shard

_HOMES = {
    "dataset": "graf_cli.api",
    "draw": "graf_cli.api",
    "export": "graf_cli.api",
    "frames": "graf_cli.api",
    "grid": "graf_cli.api",
    "load": "graf_cli.api",
    "reference": "graf_cli.api",
    "render": "graf_cli.api",
    "replay": "graf_cli.api",
    "sample": "graf_cli.api",
    "sweep": "graf_cli.api",
    "write": "graf_cli.api",
    "Events": "graf_cli.jobs",
    "Result": "graf_cli.jobs",
    "Generator": "graf_cli.model.generator",
    "Recipe": "graf_cli.recipe",
    "Frame": "graf_cli.rendering.renderer",
    "RenderOptions": "graf_cli.rendering.renderer",
    "Series": "graf_cli.rendering.renderer",
    "Shot": "graf_cli.rendering.renderer",
    "Camera": "graf_cli.scene.camera",
    "Subject": "graf_cli.scene.codes",
    "ModelSpec": "graf_cli.scene.spec",
    "Shard": "graf_cli.sharding",
}

__all__ = ["GrafError", "__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Import what is asked for, when it is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
