"""Frames for the eye, while something moves: the fast path without its proof."""

from __future__ import annotations

import torch

from graf_cli.rendering.fast.attempt import Fallback
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import Outcome, Proof
from graf_cli.rendering.renderer import Made, Renderer, RenderOptions
from graf_cli.rendering.shot import Series, Shot
from graf_cli.scene.kernels import scouting_dtype
from graf_cli.scene.volume import Scenes

UNPROVED = Proof(probes=0, audited=0, expect=False)


class Preview(Renderer):
    """Renders small frames as quickly as the family can, and measures nothing.

    What is kept, or told of as exact, is rendered by a `Renderer`.

    Parameters
    ----------
    generator : Scenes
    objects : Objects, optional
        See `Renderer`.
    """

    endless = True

    def __init__(self, generator: Scenes, objects: Objects | None = None) -> None:
        # Half the bits are eight, and a preview shows no more.
        reduced = scouting_dtype(generator.device) == torch.bfloat16
        options = RenderOptions(precision="bfloat16" if reduced else "auto")
        super().__init__(generator, options, objects)

    def _made(self, shot: Shot, series: Series) -> Made:
        scene = self._tracer.scene(shot)
        if scene.draws is None and scene.march is not None:
            return Made(self._tracer.marched(shot, radiance=True), Fallback(), Outcome())
        if scene.draws is not None or scene.fast is None:
            return self._plain(shot)
        attempt = self._attempts.make(shot, series, Fallback(), UNPROVED)
        return Made(attempt.picture, Fallback(), attempt.outcome)
