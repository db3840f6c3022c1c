"""Frames for the eye, while something moves: the fast path without its proof."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.rendering.fast.attempt import Fallback
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome, Proof
from graf_cli.rendering.renderer import Made, Renderer, RenderOptions
from graf_cli.rendering.shot import Frame, Series, Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.kernels import full_precision, scouting_dtype
from graf_cli.scene.volume import Colourless, FastVolume, Scene, Scenes

UNPROVED = Proof(probes=0, audited=0, expect=False)
BEFORE = 3  # columns of a picture that are its colours


class Preview(Renderer):
    """Renders small frames as quickly as the family can, and measures nothing.

    What is kept, or told of as exact, is rendered by a `Renderer`.

    Parameters
    ----------
    generator : Scenes
    objects : Objects, optional
        See `Renderer`.
    colours : bool
        Whether frames have colours; without, those are black where that is quicker.
    """

    endless = True

    def __init__(
        self, generator: Scenes, objects: Objects | None = None, *, colours: bool = True
    ) -> None:
        # Half the bits are eight, and a preview shows no more.
        reduced = scouting_dtype(generator.device) == torch.bfloat16
        options = RenderOptions(precision="bfloat16" if reduced else "auto")
        super().__init__(generator if colours else _Shapes(generator), options, objects)

    def _made(self, shot: Shot, series: Series) -> Made:
        scene = self._tracer.scene(shot)
        if scene.draws is None and scene.march is not None:
            return Made(self._tracer.marched(shot, radiance=True), Fallback(), Outcome())
        if scene.draws is not None or scene.fast is None:
            return self._plain(shot)
        attempt = self._attempts.make(shot, series, Fallback(), UNPROVED)
        picture = attempt.picture
        if not scene.passes[-1].channels:
            picture = torch.cat((picture.new_zeros((len(picture), BEFORE)), picture), dim=-1)
        return Made(picture, Fallback(), attempt.outcome)

    def _finished(self, shot: Shot, scene: Scene, made: Made, surface: Tensor | None) -> Frame:
        """Where the colours before a 2-D network are colours, they stand for what it makes of them.

        Of EG3D's pictures that leaves out most of the time, and the finest detail.
        """
        if scene.raw is not None:
            raster = scene.rastered(shot.camera)
            radiance = made.picture[:, :-2].view(raster.height, raster.width, -1).permute(2, 0, 1)
            size = (shot.camera.height, shot.camera.width)
            raw = scene.raw(radiance)[None]
            made = replace(made, rgb=functional.interpolate(raw, size, mode="bilinear")[0])
        return super()._finished(shot, scene, made, surface)

    @torch.inference_mode()
    @full_precision()
    def prepare(self, shot: Shot, series: Series) -> None:
        """Do beforehand what the object of a shot takes to be seen from anywhere.

        What is given up half way is gone on with by the next call, or by the next frame.
        """
        scene = self._tracer.scene(shot)
        if scene.draws is None and scene.march is None and scene.fast is not None:
            self._attempts.prepare(shot, series)


class _Shapes:
    """A generator whose scenes have no colours, where these take a part of a sample's time."""

    def __init__(self, generator: Scenes) -> None:
        self._generator = generator
        self.device = generator.device
        self.conditioned_on_camera = generator.conditioned_on_camera

    def scene(self, subject: Subject, *, samples: int, camera: Camera) -> Scene:
        """See `Scenes`."""
        scene = self._generator.scene(subject, samples=samples, camera=camera)
        fast = scene.fast
        if fast is None or scene.finish is not None or scene.quadrature.reused:
            return scene
        return replace(
            scene,
            key=scene.key + b" without colours",
            passes=tuple(map(Colourless, scene.passes)),
            fast=lambda number, dtype: _Shape(fast(number, dtype)),
        )


class _Shape:
    """A folded volume that is asked for its density alone."""

    channels = 0
    radiance_products: tuple[torch.Size, ...] = ()

    def __init__(self, volume: FastVolume) -> None:
        self.device, self.tile = volume.device, volume.tile
        self.density, self.density_products = volume.density, volume.density_products

    def per_ray(self, _: Tensor) -> None:
        """Nothing."""

    def radiance(self, features: Tensor, _: Tensor | None) -> Tensor:
        """Nothing, shape = (n, 0)."""
        return features[:, :0]
