"""What shapes are taken out of: one object's field, its box, and exact pictures of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from graf_cli.rendering.renderer import RenderOptions
from graf_cli.rendering.shot import Shot
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Placed, Scene, Scenes
from graf_cli.surfaces.box import seen_by, within
from graf_cli.surfaces.field import Field, Unfolded, field_of
from graf_cli.surfaces.shapes import Box

Report = Callable[[float, str], None]  # share of the work that is done, and what is done now


def untold(done: float, what: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, eq=False)
class Source:
    """One object, and what is known of it.

    Attributes
    ----------
    scenes : Scenes
        What makes scenes: the generator.
    shot : Shot
        The object, seen by a camera whose depths reach all of it.
    scene : Scene
    field : Field
    box : Box
        All that cameras see.
    camera : CameraSpec
        Where the model's own cameras stood.
    options : RenderOptions
        How it is drawn, where pictures are needed.
    report : callable
        Is told how far the work is.
    """

    scenes: Scenes
    shot: Shot
    scene: Scene
    field: Field
    box: Box
    camera: CameraSpec
    options: RenderOptions
    report: Report = untold

    def alone(self, placed: Placed) -> Source:
        """One object of several, in its own box."""
        volume = Unfolded(placed.volume, self.field.device)
        field = replace(self.field, volume=volume, scout=volume)
        return replace(self, field=field, box=Box(*placed.bounds))


def source_of(
    scenes: Scenes,
    shot: Shot,
    camera: CameraSpec,
    options: RenderOptions | None = None,
    report: Report = untold,
) -> Source:
    """The object of a shot."""
    options = options or RenderOptions()
    scene = scenes.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    field = field_of(scene, shot, scenes.device, options)
    box = within(seen_by(shot.camera), scene.bounds)
    return Source(scenes, shot, scene, field, box, camera, options, report)
