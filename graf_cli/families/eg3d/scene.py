"""A subject becomes feature planes, and the planes a scene."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.errors import UsageError
from graf_cli.families.eg3d.cameras import (
    box_ends,
    default_pose,
    filled,
    intrinsics_of,
    label_of,
    label_of_camera,
)
from graf_cli.families.eg3d.fold import SHIFTED, WIDENED, Marcher
from graf_cli.families.eg3d.network import Decoder, Generator, Superresolution
from graf_cli.families.eg3d.paint import Paint, painter
from graf_cli.families.eg3d.spec import FOLLOW, OWN, PLANE_CHANNELS, Spec
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.camera import rays as camera_rays
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.kernels import scouting_dtype
from graf_cli.scene.volume import Draws, Painting, Quadrature, Scene, Windows

STAGE_REACH = 4  # pixels that the stage takes around one that it paints, as measured
STAGE_CORE = 8  # pixels that a part of the picture is to have beside these
HALF = 0.5  # of a step: where the first samples lie when nothing is drawn
NOISE = ("none", "const", "random")


class PlaneVolume:
    """Three feature planes and a decoder.

    Attributes
    ----------
    channels : int
        32 features, and a 1 behind them where missing features are white, so that their sum along
        a ray tells the opacity.
    """

    def __init__(self, spec: Spec, planes: Tensor, decoder: Decoder) -> None:
        self.channels = PLANE_CHANNELS + spec.white
        self.white = spec.white
        self.decoder = decoder
        # One texel's channels side by side: a lookup reads 12 runs of 32 numbers, which takes a
        # third of the time that 384 places far apart do.
        self.planes = planes.contiguous(memory_format=torch.channels_last)
        self.scale = 2 / spec.box
        axes = torch.tensor(spec.axes, device="cpu", dtype=planes.dtype)
        # Rows are ours, x y z, which are the authors' z x y.
        inverse = torch.linalg.inv(axes)[:, [2, 0, 1], :2]
        self.projections = inverse.to(device=planes.device)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Raw features and raw density of points in our axes, shape = (n, 3)."""
        out = self.decoder(self.sampled(points))
        return out[:, 1:], out[:, 0]

    def sampled(self, points: Tensor) -> Tensor:
        """The mean of the planes at points, shape = (n, 32); zero outside of the box."""
        scaled = points * self.scale
        # Written out, since a matrix product may run at reduced precision on some devices.
        places = (scaled[None, :, :, None] * self.projections[:, None]).sum(dim=2)
        found = functional.grid_sample(
            self.planes, places[:, None], mode="bilinear", padding_mode="zeros", align_corners=False
        )
        return found[:, :, 0].mean(dim=0).T

    def radiance(self, features: Tensor, _: Tensor) -> Tensor:
        """Activated features; there is no viewing direction."""
        seen = torch.exp(-features).add(1).reciprocal() * WIDENED - SHIFTED
        return functional.pad(seen, (0, 1), value=1.0) if self.white else seen


@dataclass(frozen=True, eq=False)
class Stage:
    """The picture that is marched becomes the finished one.

    Attributes
    ----------
    network : Superresolution
    w : Tensor, shape = (w_dim,)
        The last row, which drives all of it.
    white : bool
    """

    network: Superresolution
    w: Tensor
    white: bool

    def image(self, radiance: Tensor) -> Tensor:
        """Of radiance, shape = (channels, n, n), the picture, shape = (3, H, W), from −1 to 1."""
        image: Tensor = self.network(self.features(radiance), self.w)
        return image

    def features(self, radiance: Tensor) -> Tensor:
        """What the network takes, shape = (32, n, n), from −1 to 1; its first three are colours."""
        found = radiance[:PLANE_CHANNELS]
        if self.white:
            found = found + (1 - radiance[PLANE_CHANNELS:])
        return found * 2 - 1

    def windows(self) -> Windows:
        """How parts of the picture are finished."""
        spec = self.network.spec
        n, m = spec.raster, spec.stage_input
        common = math.gcd(n, m)
        step = n // common
        # What resizing brings from beside a pixel, and what convolutions do, both to be left out.
        margin = STAGE_REACH + (0 if n == m else math.ceil(max(m / n, 1)) + 1)
        side = math.ceil((2 * margin + STAGE_CORE) * n / m / step) * step
        side = min(side, n)
        return Windows(side, step, partial(self._window, margin=margin))

    def _window(
        self, radiance: Tensor, row: int, column: int, *, margin: int
    ) -> tuple[Tensor, int, int]:
        spec = self.network.spec
        n, m = spec.raster, spec.stage_input
        top, left = row * m // n, column * m // n
        high, wide = (side * m // n for side in radiance.shape[1:])
        x = self.network.resized(self.features(radiance)[None], (high, wide))
        image = self.network.painted(x, self.w, top, left)
        # Beyond the picture there is nothing to be missed.
        above, before = (margin if start else 0 for start in (top, left))
        below, behind = (margin if stop < m else 0 for stop in (top + high, left + wide))
        times = spec.size // m
        rows = slice(times * above, times * (high - below))
        columns = slice(times * before, times * (wide - behind))
        found = ((image[:, rows, columns] + 1) / 2).clamp(0, 1)
        return found, times * (top + above), times * (left + before)

    def paintings(self) -> tuple[Painting, ...]:
        """What is faster on the device, the fastest first."""
        return tuple(Painting(dtype, _Painted(self, dtype)) for dtype in self.faster())

    def faster(self) -> list[torch.dtype]:
        """In which types convolutions are faster than the exact ones, the fastest first."""
        device = self.w.device
        if device.type == "cuda":
            # The authors' own way, where their file says so.
            return [torch.float16] if self.network.spec.stage_clamp is not None else []
        if device.type != "cpu":
            return []
        scouting = scouting_dtype(device)
        return [torch.float32] if scouting == torch.float32 else [scouting, torch.float32]

    def raw(self, radiance: Tensor) -> Tensor:
        """The colours that were marched, shape = (3, n, n), from 0 to 1."""
        return ((self.features(radiance)[:3] + 1) / 2).clamp(0, 1)

    def __call__(self, radiance: Tensor) -> Tensor:
        """The picture from 0 to 1; what the network paints beyond that is cut off."""
        return ((self.image(radiance) + 1) / 2).clamp(0, 1)


class _Painted:
    """A painting whose weights are made when it is first used, and kept."""

    def __init__(self, stage: Stage, dtype: torch.dtype) -> None:
        self.stage, self.dtype = stage, dtype
        self._paint: Paint | None = None

    def __call__(self, radiance: Tensor) -> Tensor:
        """As `Stage`."""
        stage = self.stage
        if self._paint is None:
            self._paint = painter(stage.network, stage.w, self.dtype)
        image = self._paint(stage.network.resized(stage.features(radiance)[None])[0])
        return ((image + 1) / 2).clamp(0, 1)


# codes


def styles(
    spec: Spec, network: Generator, subject: Subject, camera: Camera | None = None
) -> Tensor:
    """Rows of w, shape = (rows, w_dim), of a subject; differentiable in its codes.

    Places between two keyframes lie on a line in w. The controls `low` and `high` are seeds of
    styles that replace the rows in front of and from `split` on; between two seeds lies a line
    in w as well.
    """
    label = _label(spec, subject.controls, camera)
    ws = _between(spec, network, subject.codes["z"], subject.space, label)
    split = _whole(subject.controls, "split", spec.rows // 2)
    low, high = (
        _styled(spec, network, ws, subject.controls.get(name, OWN), label)
        for name in ("low", "high")
    )
    ws = torch.cat((low[:split], high[split:]))
    cutoff = _whole(subject.controls, "cutoff", spec.rows)
    return truncated(ws, network.mapping.w_avg, subject.truncation, cutoff)


def _whole(controls: Mapping[str, float], name: str, default: int) -> int:
    value = controls.get(name, default)
    if value != int(value):
        raise UsageError(f"⟨controls⟩: `{name}` is a whole number, not {value:g}.")
    return int(value)


def _styled(spec: Spec, network: Generator, own: Tensor, seed: float, label: Tensor) -> Tensor:
    """Rows of w of a seed, or between two of them; `own` where the seed says so."""
    start, t = math.floor(seed), seed - math.floor(seed)

    def of(whole: int) -> Tensor:
        if whole == OWN:
            return own
        return expanded(spec, network, legacy_code(whole, spec.z_dim), "z", label)

    return torch.lerp(of(start), of(start + 1), t) if t > 0 else of(start)


def _label(spec: Spec, controls: Mapping[str, float], camera: Camera | None) -> Tensor:
    if _whole(controls, FOLLOW, 0) and camera is not None:
        label = label_of_camera(camera)
    else:
        azimuth = controls.get("conditioning-azimuth", 0.0)
        elevation = controls.get("conditioning-elevation", 0.0)
        label = label_of(default_pose(spec, azimuth, elevation), intrinsics_of(spec.focal))
    return torch.as_tensor(label, device="cpu", dtype=torch.float32)


def _between(spec: Spec, network: Generator, code: Code, space: str, label: Tensor) -> Tensor:
    start = expanded(spec, network, code.start, space, label)
    if code.end is not None and code.t > 0:
        start = torch.lerp(start, expanded(spec, network, code.end, space, label), code.t)
    return start


def expanded(spec: Spec, network: Generator, code: Tensor, space: str, label: Tensor) -> Tensor:
    """Rows of w, shape = (rows, w_dim), of a code in a space, before truncation."""
    w_avg = network.mapping.w_avg
    code = code.to(device=w_avg.device, dtype=w_avg.dtype)
    if space == "z":
        label = label.to(device=w_avg.device, dtype=w_avg.dtype)
        code = network.mapping(code[None], label[None])[0]
    return code.expand(spec.rows, spec.w_dim)


def truncated(ws: Tensor, w_avg: Tensor, psi: float, cutoff: int) -> Tensor:
    """Rows in front of `cutoff` drawn towards the average; 1 leaves them as they are."""
    if psi == 1:
        return ws
    return torch.cat((w_avg + psi * (ws[:cutoff] - w_avg), ws[cutoff:]))


# noise


def backbone_noise(
    network: Generator, kind: str, generator: torch.Generator | None = None
) -> list[Tensor | None]:
    """A picture for each layer of the backbone, or None.

    Parameters
    ----------
    kind : str
        Of `NOISE`.
    generator : torch.Generator or None
        On the CPU; draws in the authors' order.
    """
    layers = network.backbone.layers
    if kind == "none":
        return [None] * len(layers)
    if kind == "const":
        return [layer.noise_const for layer in layers]
    found: list[Tensor | None] = []
    for layer in layers:
        like = layer.noise_const
        drawn = torch.randn(
            (1, 1, *like.shape), generator=generator, device="cpu", dtype=torch.float32
        )
        found.append(drawn[0, 0].to(device=like.device, dtype=like.dtype))
    return found


# scenes


def make_scene(
    spec: Spec, network: Generator, subject: Subject, *, samples: int | None = None,
    camera: Camera | None = None, seed: int | None = None,
) -> Scene:  # fmt: skip
    """What rays pass through, made once a subject.

    Parameters
    ----------
    spec : Spec
    network : Generator
    subject : Subject
    samples : int or None
        Of the first pass; the second one's follow in proportion. None are the model's.
    camera : Camera or None
        Of the picture, for conditioning that follows the view.
    seed : int or None
        Draw as the authors' program does on a CPU; None draws nothing, so that pictures repeat.
    """
    ws = styles(spec, network, subject, camera)
    kind = NOISE[_whole(subject.controls, "noise", NOISE.index("const"))]
    generator = None
    if seed is not None or kind == "random":
        generator = torch.Generator(device="cpu").manual_seed(seed or 0)
    planes = network.backbone(ws, backbone_noise(network, kind, generator))
    state = None if generator is None or seed is None else generator.get_state()
    return scene_of(spec, network, ws, planes, key=subject.key, samples=samples, state=state)


def scene_of(
    spec: Spec, network: Generator, ws: Tensor, planes: Tensor, *, key: bytes,
    samples: int | None = None, state: Tensor | None = None,
) -> Scene:  # fmt: skip
    """A scene of feature planes, shape = (3, 32, n, n), and rows of w.

    Parameters
    ----------
    key : bytes
        Of the planes.
    state : Tensor or None
        Of the random generator that samples are drawn from, for each picture anew.
    """
    first = spec.samples if samples is None else samples
    quadrature = Quadrature(
        samples=first,
        further=round(spec.further * first / spec.samples),
        spacing="disparity" if spec.disparity else "depth",
        rule="midpoint",
        activation="softplus-1",
        reused=True,
        blurred=True,
        even="centres",
        shift=HALF,
    )
    stage = Stage(network.superresolution, ws[-1], spec.white)
    digest = hashlib.blake2b(msgspec.json.encode(spec) + key, digest_size=16).digest()
    volume = PlaneVolume(spec, planes, network.decoder)
    march = _march(spec, quadrature, volume, planes)
    return Scene(
        passes=(volume,),
        quadrature=quadrature,
        key=digest,
        geometry=digest,
        empty_below=None,
        warp=_ends(spec),
        draws=None if state is None else _draws(quadrature, state, planes.device),
        march=march,
        sparse=None if march is None else march.sparse,
        raster=lambda camera: raster(spec, camera),
        finish=stage,
        paintings=stage.paintings(),
        windows=stage.windows(),
        raw=stage.raw,
        bounds=((-spec.box / 2,) * 3, (spec.box / 2,) * 3),
    )


def _march(
    spec: Spec, quadrature: Quadrature, volume: PlaneVolume, planes: Tensor
) -> Marcher | None:
    """The fast march; Apple's GPUs may lack the sums that it makes of texels."""
    if planes.device.type == "mps":
        return None
    return Marcher(spec, quadrature, planes, volume.projections, volume.decoder)


def raster(spec: Spec, camera: Camera) -> Camera:
    """The camera of the picture that is marched."""
    to, lens = (spec.raster, spec.raster), camera.intrinsics
    if lens is not None:
        lens = lens.scaled((camera.width, camera.height), to)
    return replace(camera, width=to[0], height=to[1], intrinsics=lens)


def _ends(spec: Spec) -> Callable[[Rays, Camera], Rays]:
    def warp(rays: Rays, camera: Camera) -> Rays:
        """Depths that are distances; from the box, where the model has no others."""
        length = rays.directions.norm(dim=-1, keepdim=True)
        rays = Rays(rays.origins, rays.directions / length, rays.near, rays.far, rays.views)
        if spec.near is not None and spec.far is not None:
            near, far = (torch.full_like(rays.near, end) for end in (spec.near, spec.far))
            return Rays(rays.origins, rays.directions, near, far, rays.views)
        near, far = box_ends(rays, spec.box)
        if bool((far > near).all()):
            return Rays(rays.origins, rays.directions, near, far, rays.views)
        # What a ray that misses gets depends on all rays of the picture.
        every = camera_rays(camera, device=near.device, dtype=near.dtype)
        near, far = filled(near, far, box_ends(every, spec.box))
        return Rays(rays.origins, rays.directions, near, far, rays.views)

    return warp


def _draws(
    quadrature: Quadrature, state: Tensor, device: torch.device
) -> Callable[[Camera], Draws]:
    def draws(camera: Camera) -> Draws:
        """What the authors' program draws."""
        count = camera.width * camera.height
        generator = torch.Generator(device="cpu")
        generator.set_state(state)
        jitter, quantiles = (
            torch.rand((count, along), generator=generator, device="cpu", dtype=torch.float32)
            for along in (quadrature.samples, quadrature.further)
        )
        return Draws(jitter.to(device=device), quantiles.to(device=device))

    return draws


def legacy_code(seed: int, length: int) -> Tensor:
    """The authors' code of a seed, shape = (length,)."""
    drawn = np.random.RandomState(seed).randn(1, length)[0]
    return torch.as_tensor(drawn, device="cpu", dtype=torch.float32)
