"""Shots become Frames on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graf_cli.model.generator import Generator
from graf_cli.render.renderer import Frame, Renderer, RenderOptions, Shot


def render(
    generator: Generator, shots: Iterable[Shot], options: RenderOptions | None = None
) -> Iterator[Frame]:
    """Frames in the order of their shots, each rendered when it is asked for.

    Raises
    ------
    DeviceError
        When the device's memory does not hold even the smallest chunk.
    """
    renderer = Renderer(generator, options)
    for shot in shots:
        yield renderer.render(shot)
