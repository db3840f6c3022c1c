"""A turntable frame of EG3D at its released size, rebuilt plainly and by `graf`'s ways.

    python -m benchmarks.eg3d [--threads 1] [--frames 4] [--turn 48] [--raster 64|128]
                              [--field dense|head|object] [--device cpu]

Weights of the released shapes: time hangs on them alone but for what rays can leave out, so that
there are several fields. `dense` is of random numbers: nearly everywhere something, so that next to
nothing can be left out. `head` is the same with planes and a decoder that make an opaque ball of
0.3 in nothing, which fills the picture as a person does; `object` one of 0.12, a third of it.

The plain rebuild has the authors' structure of work: planes, modulated weights and all are made
again for every frame, every sample of both passes is looked up and decoded at once, convolutions
are plain ones. All ways run in this one process, in turn, so that their ratios mean something on a
busy machine; each frame is timed alone and the fastest is given. On one thread seconds are the
processor's, which other programs disturb less than the clock's.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.passes import peak_told
from graf_cli.families.eg3d.cameras import default_pose, intrinsics_of, label_of, rays_of_label
from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.fold import RAYS, Marcher
from graf_cli.families.eg3d.network import (
    GAIN,
    SLOPE,
    Decoder,
    Generator,
    Layer,
    SynthesisBlock,
    clamped,
    doubled,
    low_pass,
    modulated,
)
from graf_cli.families.eg3d.scene import (
    PlaneVolume,
    backbone_noise,
    expanded,
    legacy_code,
    scene_of,
)
from graf_cli.families.eg3d.spec import FACES_FOCAL, Spec
from graf_cli.model.device import pick_device
from graf_cli.model.manifest import builtin_manifest, read_manifest
from graf_cli.rendering.integrator import composite, integrate, sample
from graf_cli.rendering.threads import each, workers
from graf_cli.rendering.tracer import CPU_CHUNK, GPU_CHUNK
from graf_cli.scene.camera import Rays
from graf_cli.scene.kernels import full_precision
from graf_cli.scene.quadrature import alphas, first_depths, further_depths, weights
from graf_cli.scene.volume import Scene
from tools.parity.rows import placed

PLAIN = "plain rebuild"
ONCE = "once: what is empty"
# Radii of balls, world units; the box is 1, and the middle of a picture sees 0.63 of it.
BALLS = {"head": 0.3, "object": 0.12}
F32 = torch.float32


def released(raster: int) -> Spec:
    """The released faces."""
    name = f"eg3d-ffhq-rebalanced{'' if raster == 128 else '-64'}:512"
    [spec] = [one for one in read_manifest(builtin_manifest()) if one.name == name]
    assert isinstance(spec.settings, Spec)
    return spec.settings


def random_network(spec: Spec, device: torch.device) -> Generator:
    """Weights whose pictures have contrast."""
    torch.manual_seed(0)
    meta = Generator(spec, device=torch.device("meta"), dtype=F32)
    weights = {}
    for name, tensor in meta.state_dict().items():
        x = torch.randn(tensor.shape, device="cpu", dtype=F32)
        size = {"noise_strength": 0.05, "bias": 0.2}.get(name.rpartition(".")[2], 1.0)
        if name.endswith("torgb.weight"):
            size = 0.2
        elif "affine.weight" in name or ("mapping" in name and name.endswith("weight")):
            size = 1 / math.sqrt(tensor.shape[-1])
        elif name.startswith("decoder") and name.endswith("weight"):
            size = 3 / math.sqrt(tensor.shape[-1])
        weights[name] = x * size + (1.0 if name.endswith("affine.bias") else 0.0)
    network = FAMILY.network(spec, {"generator": weights}, device=device)
    assert isinstance(network, Generator)
    return network


def ball(spec: Spec, planes: Tensor, decoder: Decoder, radius: float) -> Tensor:
    """Planes whose density is that of a ball; the other channels stay as they are."""
    n = planes.shape[-1]
    at = ((torch.arange(n, device=planes.device, dtype=F32) + 0.5) / n - 0.5) * spec.box
    made = planes.clone()
    # 1 − x² − y² − z² of the planes (x, y), (x, z), (z, x), which are averaged: rows are the
    # second. What no plane sees is far away from the ball.
    made[:, 0] = (1 - 3 * at**2)[:, None]
    decoder.out.weight[0] = 0
    decoder.out.weight[0, 0] = 400.0
    decoder.hidden.weight[0] = 0
    decoder.hidden.weight[0, 0] = 10.0
    decoder.hidden.bias[0] = 0
    surface = 10 * (1 - radius**2)
    decoder.out.bias[0] = -400.0 * math.log1p(math.exp(surface))
    return made


# the plain rebuild


def plain_layer(layer: Layer, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
    """A synthesis layer, equation by equation."""
    weight = modulated(layer.weight, layer.affine(w[None])[0], demodulate=True)
    if layer.up:
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = low_pass(functional.pad(x, (1, 1, 1, 1)))
    else:
        x = functional.conv2d(x, weight, padding=1)
    if noise is not None:
        x = x + noise * layer.noise_strength
    x = functional.leaky_relu(x + layer.bias[:, None, None], SLOPE) * GAIN
    return clamped(x, layer.clamp)


def plain_block(
    block: SynthesisBlock, x: Tensor | None, image: Tensor | None, ws: list[Tensor],
    noise: list[Tensor | None],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """A block, likewise."""
    x = block.const[None] if x is None else x
    for layer, w, drawn in zip(block.layers, ws, noise, strict=False):
        x = plain_layer(layer, x, w, drawn)
    colours = block.torgb(x, ws[-1])
    if image is not None:
        colours = (doubled(image) if block.up else image) + colours
    return x, colours


def plain_planes(network: Generator, ws: Tensor) -> Tensor:
    """The backbone."""
    x: Tensor | None = None
    image: Tensor | None = None
    row = 0
    for block in network.backbone.blocks:
        count = len(block.layers)
        noise: list[Tensor | None] = [layer.noise_const for layer in block.layers]
        x, image = plain_block(block, x, image, [*ws[row : row + count + 1]], noise)
        row += count
    assert image is not None
    return image.reshape(3, 32, *image.shape[2:])


def plain_march(scene: Scene, rays: Rays) -> Tensor:
    """Both passes, all samples at once, shape = (n, channels)."""
    quadrature, volume = scene.quadrature, scene.passes[0]
    every = quadrature.samples * len(rays)
    z = first_depths(rays, quadrature)
    first = sample(scene, volume, rays, z, chunk=every, radiance=True)
    length = torch.ones_like(rays.near)
    weight = weights(alphas(z, first.density, length, quadrature))
    further = further_depths(z, weight, quadrature)
    more = sample(scene, volume, rays, further, chunk=every, radiance=True)
    assert first.radiance is not None
    assert more.radiance is not None
    z, order = torch.cat((z, further), dim=-1).sort(dim=-1)
    density = torch.cat((first.density, more.density), dim=-1).gather(-1, order)
    radiance = torch.cat((first.radiance, more.radiance), dim=1)
    radiance = radiance.gather(1, order[..., None].expand(*order.shape, radiance.shape[-1]))
    return composite(type(first)(z, density, radiance), length, quadrature).radiance


class PlainVolume(PlaneVolume):
    """Planes as they come out of the backbone, one channel after the other."""

    def __init__(self, spec: Spec, planes: Tensor, decoder: Decoder) -> None:
        super().__init__(spec, planes, decoder)
        self.planes = planes.contiguous()


class Ways:
    """One subject's frames, by every way.

    Parameters
    ----------
    spec : Spec
    network : Generator
    radius : float or None
        Of a ball in place of the random field.
    """

    def __init__(self, spec: Spec, network: Generator, radius: float | None) -> None:
        self.spec, self.network, self.radius = spec, network, radius
        front = label_of(default_pose(spec), intrinsics_of(FACES_FOCAL))
        label = torch.as_tensor(front, device="cpu", dtype=F32)
        self.ws = expanded(spec, network, legacy_code(0, spec.z_dim), "z", label)
        planes = network.backbone(self.ws, backbone_noise(network, "const"))
        self.made = ball(spec, planes, network.decoder, radius) if radius else planes
        self.scene = scene_of(spec, network, self.ws, self.made, key=b"")
        march = self.scene.march
        assert isinstance(march, Marcher)
        self.march = march

    def rays(self, frame: int) -> Rays:
        """Of a frame of a turntable."""
        spec = self.spec
        label = label_of(default_pose(spec, 20 * math.sin(frame)), intrinsics_of(FACES_FOCAL))
        rays = rays_of_label(label, spec.raster, spec.near or 0, spec.far or 0, dtype=F32)
        return placed(rays, self.ws.device)

    def look_into(self, told: dict[str, float], frames: int) -> None:
        """What is empty, once a turntable."""
        march = self.march
        samples = frames * self.spec.raster**2 * (self.spec.samples + self.spec.further)
        self.march = timed(told, ONCE, lambda: march.sparse(samples))

    def square(self, radiance: Tensor) -> Tensor:
        """As the 2-D stage takes it."""
        return radiance.T.reshape(-1, self.spec.raster, self.spec.raster)

    def plain(self, rays: Rays, told: dict[str, float]) -> Tensor:
        """Planes, march and stage, all made anew."""
        spec, network = self.spec, self.network
        planes = timed(told, "  backbone", lambda: plain_planes(network, self.ws))
        planes = self.made if self.radius else planes
        scene = scene_of(spec, network, self.ws, planes, key=b"")
        volume = PlainVolume(spec, planes, network.decoder)
        scene = type(scene)((volume,), scene.quadrature, b"", b"")
        radiance = timed(told, "  march", lambda: plain_march(scene, rays))
        x = self.square(radiance)[:32] * 2 - 1
        return timed(told, "  2-D stage", lambda: self._plain_stage(x))

    def _plain_stage(self, x: Tensor) -> Tensor:
        stage, w = self.network.superresolution, self.ws[-1]
        resized = stage.resized(x[None])
        some, image = plain_block(stage.block0, resized, resized[:, :3], [w, w, w], [None, None])
        _, image = plain_block(stage.block1, some, image, [w, w, w], [None, None])
        return ((image[0] + 1) / 2).clamp(0, 1)

    def exact(self, rays: Rays, told: dict[str, float]) -> Tensor:
        """By the exact integrator; planes are kept."""
        scene = self.scene
        assert scene.finish is not None
        finish = scene.finish
        seen = timed(
            told,
            "  exact march",
            lambda: integrate(
                scene, rays, chunk=CPU_CHUNK if self.ws.device.type == "cpu" else GPU_CHUNK
            ),
        )
        radiance = self.square(seen.radiance)
        return timed(told, "  exact 2-D stage", lambda: finish(radiance))

    def fast(self, rays: Rays, told: dict[str, float]) -> Tensor:
        """By the fast march and painting."""
        scene, march = self.scene, self.march
        march.evaluated = 0
        parts = [rays[start : start + RAYS] for start in range(0, len(rays), RAYS)]
        count = workers(self.ws.device) if self.ws.device.type == "cpu" else 1
        some = timed(
            told,
            "  fast march",
            lambda: each(lambda part: march(part, True)[0], parts if count > 1 else [rays], count),
        )
        radiance = torch.cat(some)
        square, paint = self.square(radiance), scene.paintings[-1].paint
        return timed(told, "  fast 2-D stage", lambda: paint(square))


T = TypeVar("T")


def timed(told: dict[str, float], name: str, run: Callable[[], T]) -> T:
    """What it makes; the fewest seconds are kept."""
    clock = (
        time.process_time
        if torch.get_num_threads() == 1 and not torch.cuda.is_available()
        else time.perf_counter
    )
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = clock()
    made = run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    told[name] = min(told.get(name, math.inf), clock() - start)
    return made


@torch.inference_mode()
@full_precision()
def main() -> None:
    """Print seconds a frame and the ratios to the plain rebuild."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eg3d", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--turn", type=int, default=48, help="frames that share what is empty")
    parser.add_argument("--raster", type=int, choices=(64, 128), default=64)
    parser.add_argument("--field", choices=("dense", *BALLS), default="dense")
    parser.add_argument("--only", choices=("plain", "exact", "fast"))
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = pick_device(given.device)
    torch.set_num_threads(given.threads)
    spec = released(given.raster)
    ways = Ways(spec, random_network(spec, device), BALLS.get(given.field))
    runs = {PLAIN: ways.plain, "exact integrator": ways.exact, "fast path": ways.fast}
    if given.only:
        runs = {name: run for name, run in runs.items() if given.only in name}
    told: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {name: {} for name in runs}
    largest = 0.0
    ways.look_into(told, given.turn)
    for frame in range(given.frames):
        rays = ways.rays(frame)
        made = {
            name: timed(told, name, partial(run, rays, parts[name])) for name, run in runs.items()
        }
        reference = made.get(PLAIN)
        if reference is not None:
            largest = max(largest, *(float((reference - x).abs().max()) for x in made.values()))
    print(
        f"{spec.size}², rays {spec.raster}², {given.field} field, {given.threads} thread(s), "
        f"{device}, float32, fastest of {given.frames}{peak_told(device)}"
    )
    least = told[next(iter(runs))]
    for name in runs:
        print(f"{name:22} {told[name]:8.3f} s a frame   {least / told[name]:6.2f} ×")
        for part, seconds in parts[name].items():
            print(f"{part:22} {seconds:8.3f}")
    known = ways.march.occupied
    if known is not None:
        print(f"{ONCE:22} {told[ONCE]:8.3f} s; {known.empty:.0%} of the box")
    along = spec.samples + spec.further
    share = ways.march.evaluated / (spec.raster**2 * along)
    print(f"samples asked for by the fast march: {share:.0%}")
    print(f"largest difference of a picture: {largest:.1e}")
    unit = 1 << 30 if sys.platform == "darwin" else 1 << 20  # of ru_maxrss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"peak memory of all of it: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
