"""What is made of a picture, in whichever process: its frame, or the shape of its object."""

from __future__ import annotations

from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome
from graf_cli.rendering.normals import with_normals
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions
from graf_cli.shots import Shots
from graf_cli.surfaces.shapes import Shape
from graf_cli.surfaces.source import Report, untold


class Maker:
    """Makes the pictures of a recipe.

    Parameters
    ----------
    generator : Generator
    shots : Shots
        Of the recipe.
    options : RenderOptions
    normals, surface, masks : bool
        See `graf_cli.engine.contract.Work`.
    objects : Objects, optional
        What earlier jobs of the same generator have folded and looked into.
    report : callable
        Is told how far a shape is, at last that it is done, or has failed.
    """

    def __init__(
        self,
        generator: Generator,
        shots: Shots,
        options: RenderOptions,
        *,
        normals: bool,
        surface: bool,
        masks: bool,
        objects: Objects | None = None,
        report: Report = untold,
    ) -> None:
        self.generator, self.shots, self.options = generator, shots, options
        self.normals, self.surface, self.masks = normals, surface, masks
        self.report = report
        self._renderer = Renderer(generator, options, objects)

    @property
    def outcome(self) -> Outcome:
        """How it was done so far, and the largest difference from the plain marcher measured."""
        return self._renderer.outcome

    def forget_outcome(self) -> None:
        """Begin to measure anew."""
        self._renderer.outcome = Outcome()

    def make(self, k: int) -> Frame | Shape:
        """Picture `k`, or the shape of its object where the recipe exports.

        Raises
        ------
        SurfaceError
            When the object has no such shape.
        """
        shot, export = self.shots[k], self.shots.recipe.export
        if export is not None:
            from graf_cli.surfaces.extract import extract  # noqa: PLC0415 - few recipes export

            try:
                return extract(
                    self.generator, shot, self.generator.spec.camera, export,
                    options=self.options, report=self.report,
                )  # fmt: skip
            finally:
                self.report(1.0, export.kind)
        frame = self._renderer.render(
            shot, self.shots.series(k), surface=self.surface, masks=self.masks
        )
        if not self.normals:
            return frame
        return with_normals(self.generator, frame, self._renderer.scene(shot))
