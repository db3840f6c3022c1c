"""Shots become Frames on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.normals import with_normals
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Shot


class Drawing(Iterator[Frame]):
    """Frames in the order of their shots, each rendered when it is asked for.

    Parameters
    ----------
    generator : Generator
    shots : iterable of Shot
    options : RenderOptions, optional
    normals : bool
        Whether each is a `NormalFrame`.

    Raises
    ------
    DeviceError
        On the way, when the device's memory does not hold even the smallest chunk.
    """

    def __init__(
        self,
        generator: Generator,
        shots: Iterable[Shot],
        options: RenderOptions | None = None,
        *,
        normals: bool = False,
    ) -> None:
        self.generator, self.normals = generator, normals
        self._shots = iter(shots)
        self._renderer = Renderer(generator, options)

    @property
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""
        return self._renderer.outcome

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        frame = self._renderer.render(next(self._shots))
        return with_normals(self.generator, frame) if self.normals else frame


def render(
    generator: Generator,
    shots: Iterable[Shot],
    options: RenderOptions | None = None,
    *,
    normals: bool = False,
) -> Drawing:
    """Draw shots; see `Drawing`."""
    return Drawing(generator, shots, options, normals=normals)
