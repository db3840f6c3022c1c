"""A turntable frame of GIRAFFE at full size, by the release's structure of work and by ours.

    python -m benchmarks.giraffe [--threads 1] [--frames 12] [--size 256] [--objects 1]
                                 [--device cpu]

Random weights of the released sizes: time does not depend on what is drawn. All ways run in this
one process, in turn, so that their ratios mean something on a busy machine; each frame is timed
alone and the fastest is given. The release's structure is: every field at every sample of every
ray, the last layer at each, stacked features averaged by density, nothing kept between frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.passes import peak_told
from graf_cli.families.giraffe import cameras
from graf_cli.families.giraffe.family import FAMILY
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.places import Part, parts
from graf_cli.families.giraffe.spec import PADDED, BoxSpec, FieldSpec, RendererSpec, Spec, blocks
from graf_cli.measure import seconds as seconds_of
from graf_cli.model.device import pick_device
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.kernels import full_precision
from graf_cli.scene.volume import Scene
from tools.parity.rows import placed

NEAR, FAR, FOV, RADIUS = 0.5, 6.0, 10.0, 2.732  # of the released cars
ELEVATION = 0.458335  # middle of their range
CHUNK = 1 << 16
RELEASE, PAINTED = "release's structure", "of which 2-D network"


def cars(size: int) -> Spec:
    """The released cars, at 64 or 256 pixels."""
    features = 256 if size == 256 else 128
    return Spec(
        object=FieldSpec(features=features),
        background=FieldSpec(width=64, layers=4, skips=(), divisor=12.0, features=features),
        boxes=BoxSpec(
            scale_min=(0.2, 0.16, 0.16),
            scale_max=(0.25, 0.2, 0.2),
            translation_min=(-0.22, -0.12, 0.0),
            translation_max=(0.22, 0.12, 0.0),
        ),
        renderer=RendererSpec(ups=4 if size == 256 else 2, width=features),
    )


def subject(spec: Spec, objects: int, azimuth: float) -> Subject:
    """Some codes, the same each time."""
    generator = torch.Generator(device="cpu").manual_seed(0)

    def code(length: int) -> Code:
        return Code(torch.randn(length, generator=generator, device="cpu", dtype=torch.float32))

    codes = {block.name: code(block.length) for block in blocks(spec, objects)}
    places = {f"object.{k}.y": k / max(objects - 1, 1) for k in range(objects)}
    return Subject(codes, controls={"objects": float(objects), "turn": azimuth, **places})


def release_frame(spec: Spec, network: Network, seen: Subject, rays: Rays) -> Tensor:
    """The release's structure of work, on this network."""
    t = torch.linspace(0, 1, spec.samples, device=rays.near.device, dtype=torch.float32)
    z = rays.near + t * (rays.far - rays.near)
    fields = [_everywhere(part, rays, z) for part in parts(spec, network, seen)]
    sigmas = torch.stack([sigma for sigma, _ in fields])
    features = torch.stack([feature for _, feature in fields])
    total = sigmas.sum(dim=0)
    share = sigmas / torch.where(total == 0, torch.full_like(total, 1e-4), total)
    feature = (features * share[..., None]).sum(dim=0)
    steps = torch.cat((z[:, 1:] - z[:, :-1], torch.full_like(z[:, :1], 1e10)), dim=-1)
    alpha = 1 - torch.exp(-total * steps * rays.directions.norm(dim=-1, keepdim=True))
    clear = torch.cat((torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10), dim=-1)
    weight = alpha * clear.cumprod(dim=-1)[:, :-1]
    summed = (weight[..., None] * feature).sum(dim=-2)
    painted: Tensor = network.renderer(_as_map(spec, summed)[None])[0]
    return painted


def _everywhere(part: Part, rays: Rays, z: Tensor) -> tuple[Tensor, Tensor]:
    eye, ray = part.frame.ray(rays)
    p = (eye[:, None] + z[..., None] * ray[:, None]).reshape(-1, 3)
    d = (ray / ray.norm(dim=-1, keepdim=True))[:, None].expand(*z.shape, 3).reshape(-1, 3)
    h, sigma = part.field.density(p, part.shape)
    feature = part.field.radiance(h, d, part.appearance)
    if part.number is not None:
        sigma = sigma * (p.abs() <= PADDED).all(dim=-1)
    return sigma.relu().reshape(z.shape), feature.reshape(*z.shape, -1)


def _as_map(spec: Spec, radiance: Tensor) -> Tensor:
    return radiance.T.reshape(-1, spec.raster, spec.raster)


def exact_frame(spec: Spec, scene: Scene, rays: Rays) -> Tensor:
    """By the exact integrator."""
    assert scene.finish is not None
    return scene.finish(_as_map(spec, integrate(scene, rays, chunk=CHUNK).radiance))


def fast_frame(spec: Spec, scene: Scene, rays: Rays) -> Tensor:
    """By the family's own march."""
    assert scene.finish is not None
    assert scene.march is not None
    return scene.finish(_as_map(spec, scene.march(rays, True)[0]))


def timed(run: Callable[[], Tensor], device: torch.device) -> tuple[float, Tensor]:
    """Seconds, and what came of it."""
    made: list[Tensor] = []
    taken = seconds_of(lambda: made.append(run()), device)
    return taken, made[0]


def frame_ways(
    spec: Spec, network: Network, seen: Subject, rays: Rays, *, first: bool
) -> dict[str, Callable[[], Tensor]]:
    """The ways to make one frame, and its 2-D stage alone."""

    def scene() -> Scene:
        return FAMILY.scene(spec, network, seen, samples=spec.samples, camera=None)

    size = (1, spec.object.features, spec.raster, spec.raster)
    features = torch.zeros(size, device=rays.near.device, dtype=torch.float32)
    return {
        RELEASE: lambda: release_frame(spec, network, seen, rays),
        "exact integrator": lambda: exact_frame(spec, scene(), rays),
        "fast, first frame" if first else "fast": lambda: fast_frame(spec, scene(), rays),
        PAINTED: lambda: network.renderer(features),
    }


def random_network(spec: Spec) -> Network:
    """Weights that make densities of either sign, so that something is seen."""
    torch.manual_seed(0)
    network = Network(spec, device="cpu").requires_grad_(False).eval()
    for field in (network.object, network.background):
        for linear in (field.sigma, field.out):
            linear.weight *= 30
    return network


@torch.no_grad()
@full_precision()
def main() -> None:
    """Print seconds a frame and the ratios to the release's structure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.giraffe", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", type=int, choices=(64, 256), default=256)
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = pick_device(given.device)
    torch.set_num_threads(given.threads)
    spec = cars(given.size)
    network = random_network(spec).to(device=device)
    rays = cameras.release_rays(cameras.pose(0, ELEVATION, RADIUS), FOV, spec.raster, (NEAR, FAR))
    rays = placed(rays, device)
    seconds: dict[str, list[float]] = {}
    largest = 0.0
    for frame in range(given.frames):
        seen = subject(spec, given.objects, 360 * frame / given.frames)
        ways = frame_ways(spec, network, seen, rays, first=not frame)
        made = {}
        for name, way in ways.items():
            taken, made[name] = timed(way, device)
            seconds.setdefault(name, []).append(taken)
        reference = made.pop(RELEASE)
        del made[PAINTED]
        largest = max(largest, *(float((reference - one).abs().max()) for one in made.values()))
    print(
        f"{given.size}², {given.objects} object(s), {given.threads} thread(s), {device}, "
        f"float32{peak_told(device)}"
    )
    least = min(seconds[RELEASE])
    for name, all_taken in seconds.items():
        print(f"{name:22} {min(all_taken):8.4f} s a frame   {least / min(all_taken):6.2f} ×")
    print(f"largest difference of a picture: {largest:.1e}")


if __name__ == "__main__":
    main()
