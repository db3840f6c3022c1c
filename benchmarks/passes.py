"""A generator by the plain marcher and by the fast path, in one process and in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch

from graf_cli.measure import PLAIN_SHARE, peak_memory, seconds, turntable_shot
from graf_cli.model.generator import Generator
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import rays
from graf_cli.scene.volume import Scene

TURN, PICTURES = 3.0, 120  # degrees between the frames of a turntable, and how many it has
GROWING, WARM = 3, 3  # frames in which the grid still grows much, and those that are timed
CPU = torch.device("cpu")


def scene_of(generator: Generator, shot: Shot) -> Scene:
    """What a picture is of."""
    return generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)


def plainly(generator: Generator, shot: Shot, chunk: int) -> Callable[[], object]:
    """A share of a frame's rays through the exact integrator."""
    scene, every = (
        scene_of(generator, shot),
        rays(shot.camera, device=generator.device, dtype=torch.float32),
    )

    @torch.inference_mode()
    def run() -> object:
        return integrate(scene, every[::PLAIN_SHARE], chunk=chunk)

    return run


def measure(name: str, generator: Generator, size: int) -> None:
    """Print one line: a plain frame, a first picture with grid and proof, a further frame."""

    def at(turn: float) -> Shot:
        return turntable_shot(generator, turn, 0, size)

    device = generator.device
    renderer, first = Renderer(generator, RenderOptions()), at(0)
    plain_part = plainly(generator, first, renderer.chunk)
    renderer.render(turntable_shot(generator, 0, 0, 16))  # compiles kernels
    plain, warm = [], []
    cold = seconds(lambda: Renderer(generator, RenderOptions()).render(first), device)
    series = Series(first, PICTURES)
    for frame in range(GROWING + WARM):
        before, shot = renderer.outcome, at(TURN * frame)
        taken = seconds(lambda s=shot: renderer.render(s, series), device)  # type: ignore[misc]
        if frame >= GROWING:
            warm.append(taken)
            plain.append(PLAIN_SHARE * seconds(plain_part, device))
    slow, further, last = statistics.median(plain), statistics.median(warm), renderer.outcome
    quadrature = scene_of(generator, first).quadrature
    again = 0 if quadrature.reused or not quadrature.further else quadrature.samples
    samples = size * size * (quadrature.samples + again + quadrature.further)
    shown = float(np.mean(renderer.render(first, series).opacity > 1e-3))
    print(
        f"{name:8} plain {slow:7.2f} s   cold {cold:7.2f} s {slow / cold:5.2f} ×   "
        f"further {further:7.2f} s {slow / further:5.2f} ×   {last.path} {last.resolution}, "
        f"{(last.evaluated - before.evaluated) / samples:.0%} of {samples:,} samples, "
        f"{shown:.0%} of rays meet something, error {last.difference:.1e}, {last.precision}"
        f"{peak_told(device)}",
        flush=True,
    )


def peak_told(device: torch.device) -> str:
    """How much a GPU's tensors took at most, for the end of a line; of a CPU nothing."""
    return f", {peak_memory(device) / 2**20:,.0f} MiB" if device.type == "cuda" else ""
