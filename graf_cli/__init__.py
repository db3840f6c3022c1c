"""Render novel views from pretrained generative radiance fields.

>>> import graf_cli as graf
>>> generator = graf.load()
>>> frame = graf.render(generator, azimuth=30, seed=3)
>>> frame.rgb.shape
(128, 128, 3)

Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from graf_cli.errors import GrafError
from graf_cli.version import __version__

if TYPE_CHECKING:
    from graf_cli.api import draw as draw
    from graf_cli.api import frames as frames
    from graf_cli.api import load as load
    from graf_cli.api import reference as reference
    from graf_cli.api import render as render
    from graf_cli.model.generator import Generator as Generator
    from graf_cli.recipe import Recipe as Recipe
    from graf_cli.rendering.renderer import Frame as Frame
    from graf_cli.rendering.renderer import RenderOptions as RenderOptions
    from graf_cli.rendering.renderer import Series as Series
    from graf_cli.rendering.renderer import Shot as Shot
    from graf_cli.scene.camera import Camera as Camera
    from graf_cli.scene.codes import Subject as Subject
    from graf_cli.scene.spec import ModelSpec as ModelSpec

_HOMES = {
    "draw": "graf_cli.api",
    "frames": "graf_cli.api",
    "load": "graf_cli.api",
    "reference": "graf_cli.api",
    "render": "graf_cli.api",
    "Generator": "graf_cli.model.generator",
    "ModelSpec": "graf_cli.scene.spec",
    "Subject": "graf_cli.scene.codes",
    "Recipe": "graf_cli.recipe",
    "Camera": "graf_cli.scene.camera",
    "Frame": "graf_cli.rendering.renderer",
    "RenderOptions": "graf_cli.rendering.renderer",
    "Series": "graf_cli.rendering.renderer",
    "Shot": "graf_cli.rendering.renderer",
}

__all__ = ["GrafError", "__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Import what is asked for, when it is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
