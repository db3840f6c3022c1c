"""A Shot becomes a Frame: which path, how carefully, and what became of it.

A picture depends on its shot and on the series that the shot belongs to, and on nothing that was
rendered before: so jobs that are resumed, cut into shards or sent to other machines of the same
kind give the same pictures to the last bit.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from graf_cli.errors import RecipeError, UsageError
from graf_cli.rendering.fast.attempt import Attempt, Attempts, Fallback
from graf_cli.rendering.fast.audit import GridBrokenError
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.fast.proof import (
    DTYPES,
    LADDER,
    LIGHT,
    PROBES,
    PROBES_FIRST,
    PROMISE,
    PROVEN,
    THOROUGH,
    Outcome,
    Proof,
    Used,
    after_broken_grid,
    merged,
    probes,
)
from graf_cli.rendering.recent import remember
from graf_cli.rendering.shot import Frame, Image, Rgb, Series, Shot
from graf_cli.rendering.tracer import Tracer, columns
from graf_cli.scene.camera import Camera, along_axis
from graf_cli.scene.kernels import full_precision
from graf_cli.scene.volume import Colourless, Painting, Scene, Scenes, Windows
from graf_cli.syntax import Precision

__all__ = ["Frame", "Image", "RenderOptions", "Renderer", "Rgb", "Series", "Shot"]

CAREFULLY = "rendering it more carefully"
LEVEL = 1 / 255  # that a colour painted at reduced precision may be off
WINDOWS_FIRST = 3  # parts of a series' first picture that are painted exactly as well
SELDOM = 4  # one of so many later pictures has a part painted exactly, where it is float32
_names: dict[torch.dtype, Used] = {
    torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16",
}  # fmt: skip

log = logging.getLogger("graf")


@dataclass(frozen=True)
class RenderOptions:
    """What does not change a pixel beyond the promised error.

    Attributes
    ----------
    exact : bool
        Use the plain marcher, by name.
    chunk : int or None
        Points that go through the network at once; None takes what suits the device.
    precision : str
        Of the matrix products: ``auto`` is the fastest that keeps the promise; a precision asked
        for by name is used, and its error told.

    Raises
    ------
    UsageError
        When a chunk is to hold no point.
    """

    exact: bool = False
    chunk: int | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise UsageError(f"⟨chunk⟩ {self.chunk} holds no point; give 1 or more.")


@dataclass(frozen=True, eq=False)
class Made:
    """A picture, shape = (H·W, 5), where it was kept, and what it took.

    Where a 2-D stage follows and has been faster done, `rgb` is the finished picture, (3, H, W).
    """

    picture: Tensor
    fallback: Fallback
    outcome: Outcome
    rgb: Tensor | None = None


class Renderer:
    """Renders the shots of one generator; one renderer is one job.

    Each picture is rendered the fast way and held against the plain marcher on some of its rays
    (`graf_cli.rendering.fast.proof`). Where the promise is broken that picture is made again more
    carefully, in the end plainly. The first picture of a series is held against it on more of
    them, and where it is kept the others of its series start.

    Parameters
    ----------
    generator : Scenes
    options : RenderOptions
    objects : Objects, optional
        What other jobs of the same generator have folded and looked into; it changes no picture.

    Attributes
    ----------
    outcome : Outcome
        What was done so far, and the largest difference measured.
    """

    endless = False  # see `PictureSetup`

    def __init__(
        self,
        generator: Scenes,
        options: RenderOptions | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.generator = generator
        self.options = options or RenderOptions()
        self.outcome = Outcome()
        self._tracer = Tracer(generator, self.options.chunk)
        kept = objects or Objects(generator)
        self._attempts = Attempts(self._tracer, kept, self.options.precision, endless=self.endless)
        self._march_fails: bool | None = None  # a scene's own; unknown before the first picture
        self._fallbacks: OrderedDict[tuple[bytes, int], Fallback] = OrderedDict()  # by series

    @property
    def chunk(self) -> int:
        """Points that go through the network at once, as many as memory was found to hold."""
        return self._tracer.chunk

    @torch.inference_mode()
    @full_precision()
    def render(
        self,
        shot: Shot,
        series: Series | None = None,
        *,
        surface: bool = True,
        masks: bool = False,
    ) -> Frame:
        """Render one shot.

        Parameters
        ----------
        shot : Shot
        series : Series, optional
            What the shot is a picture of; None is one of its own.
        surface : bool
            Whether depth and opacity are wanted where they take a march of their own.
        masks : bool
            Whether the objects' masks are wanted, where the model has some.

        Raises
        ------
        DeviceError
            When the device's memory does not hold even the smallest chunk.
        RecipeError
            When the model makes pictures of another size.
        """
        scene, series = self._tracer.scene(shot), series or Series(shot, 1)
        made = self._made(_rastered(scene, shot), _rastered_series(scene, series))
        self.outcome = merged(self.outcome, made.outcome)
        apart = self._apart(shot, scene) if masks and scene.masks is not None else None
        if scene.finish is None:
            frame = _frame(shot, made.picture, complete=scene.quadrature.last_back)
        else:
            planes = None if apart is None else _axial(shot.camera, apart[:, -2:])
            if planes is None and (surface or shot.composited):
                planes = self._surface(shot, scene)
            frame = self._finished(shot, scene, made, planes)
        return frame if apart is None else replace(frame, masks=_masks(shot, apart))

    def scene(self, shot: Shot) -> Scene:
        """What a shot's rays pass through, as it was rendered last."""
        return self._tracer.scene(shot)

    def _made(self, shot: Shot, series: Series) -> Made:
        scene = self._tracer.scene(shot)
        if self.options.exact or scene.draws is not None:
            return self._plain(shot)
        if scene.march is not None:
            if scene.windows is not None:
                return self._painted(shot, series)
            return self._marched(shot, scene)
        return self._plain(shot) if scene.fast is None else self._proven(shot, series)

    def _finished(self, shot: Shot, scene: Scene, made: Made, surface: Tensor | None) -> Frame:
        """A frame whose colours come out of a 2-D stage, with opacity and depth where given."""
        assert scene.finish is not None
        raster = _rastered(scene, shot).camera
        planes = _axial(raster, made.picture).view(raster.height, raster.width, -1)
        radiance = planes[..., :-2].permute(2, 0, 1)
        rgb = scene.finish(radiance) if made.rgb is None else made.rgb
        rgb = rgb.permute(1, 2, 0)
        height, width = shot.camera.height, shot.camera.width
        if rgb.shape != (height, width, 3):
            size = f"{rgb.shape[1]} × {rgb.shape[0]}"
            raise RecipeError(f"This model makes pictures of {size} here; ask for that size.")
        if scene.surface == "raster":
            marched = enlarged(planes[..., -2:], height, width)
        elif surface is not None:
            marched = surface.view(height, width, 2)
        else:
            marched = torch.full_like(rgb[..., :2], torch.nan)
        if shot.composited:
            covered = marched[..., :1].clamp(0, 1)
            rgb = rgb * covered + (1 - covered) * rgb.new_tensor(shot.background)
        host = _on_host(torch.cat((rgb, marched), dim=-1)).numpy()
        return Frame(
            rgb=np.ascontiguousarray(host[..., :3]),
            depth=np.ascontiguousarray(host[..., 4]),
            opacity=np.ascontiguousarray(host[..., 3]),
            shot=shot,
            raw=_raw(scene, radiance),
            complete=not shot.composited,
        )

    def _surface(self, shot: Shot, scene: Scene) -> Tensor | None:
        """Opacity and depth by a march of their own, shape = (H·W, 2); None of the raster's."""
        if scene.surface == "raster":
            return None
        bare = replace(
            scene, passes=tuple(map(Colourless, scene.passes)), raster=None, finish=None, fast=None
        )
        return _axial(shot.camera, self._beside(shot, bare, radiance=False))

    def _apart(self, shot: Shot, scene: Scene) -> Tensor:
        """Mask of each object, opacity and depth, shape = (H·W, objects + 2)."""
        assert scene.masks is not None
        return self._beside(shot, scene.masks(), radiance=True)

    def _beside(self, shot: Shot, scene: Scene, *, radiance: bool) -> Tensor:
        """What another scene shows that stands in for the shot's, by its own march if it may."""
        if scene.march is not None and not self.options.exact:
            picture = self._tracer.marched(shot, radiance=radiance, scene=scene)
            if self._differing(shot, scene, picture, PROBES) <= PROMISE:
                return picture
        return self._tracer.plain(shot, scene)

    def _marched(self, shot: Shot, scene: Scene) -> Made:
        """By the scene's own march, held against the exact integrator on some of its rays.

        This renderer's first picture is marched both ways whole where a 2-D stage follows, and
        finished both ways: what a difference of features does to colours only the finished
        picture tells. Where that one fails, none is marched so any more.
        """
        if self._march_fails:
            return self._plain(shot)
        leads = self._march_fails is None
        picture, samples = self._tracer.marched(shot, radiance=True), self._tracer.samples(shot)
        probed = PROBES_FIRST if leads else PROBES
        if leads and scene.finish is not None:
            plain = self._tracer.plain(shot)
            probed = len(plain)
            difference = _finished_difference(scene, shot, picture, plain)
        else:
            difference = self._differing(shot, scene, picture, probed)
        log.debug("picture %s: largest difference %.1e on %d rays", _name(shot), difference, probed)
        if leads:
            self._march_fails = difference > PROMISE
        if difference > PROMISE:
            log.info("picture %s: more than %.0e; %s", _name(shot), PROMISE, CAREFULLY)
            return self._plain(shot)
        outcome = Outcome(path="fast", evaluated=samples, coloured=samples, possible=samples)
        return Made(picture, Fallback(), outcome.proved(probed, difference))

    def _painted(self, shot: Shot, series: Series) -> Made:
        """By the scene's own march and the fastest painting that keeps the promise.

        As `_proven`: the first picture of its series says where the others start.
        """
        leads = shot.key == series.first.key
        fallback = self._fallbacks.get(series.key)
        if fallback is None:
            first = self._attempt_to_paint(series.first, series, Fallback(), thorough=True)
            fallback = first.fallback
            remember(self._fallbacks, series.key, fallback)
            if leads:
                return first
            # It is not one of the pictures asked for, but what it proves counts.
            unseen = replace(first.outcome, evaluated=0, coloured=0, possible=0)
            self.outcome = merged(self.outcome, unseen)
        return self._attempt_to_paint(shot, series, fallback, thorough=False)

    def _attempt_to_paint(
        self, shot: Shot, series: Series, fallback: Fallback, *, thorough: bool
    ) -> Made:
        """On the first rung without what is known to be empty, on the second with it."""
        scene = self._tracer.scene(shot)
        assert scene.windows is not None
        if fallback.rung > 1:
            return self._plain(shot)
        sparse = None if fallback.rung else self._tracer.sparse(shot, series.pictures)
        picture = self._tracer.marched(shot, radiance=True, march=sparse)
        samples = self._tracer.samples(shot)
        ways = self._paintings(scene)
        looked_at = fallback.precision < len(ways) and (
            ways[fallback.precision].dtype != torch.float32 or shot.seed % SELDOM == 0
        )
        windows = WINDOWS_FIRST if thorough else int(looked_at)
        probed = PROBES_FIRST if thorough else PROBES
        difference = self._differing(shot, scene, picture, probed)
        truths = []
        for pixels in self._places(shot, scene, picture, windows):
            seen = columns(self._tracer.march(shot, self._tracer.rays(shot, pixels), pixels))
            difference = max(difference, _apart(picture[pixels], seen))
            truths.append(_window(scene.windows, shot.camera, seen, int(pixels[0])))
        probed += windows * scene.windows.side**2
        if difference <= PROMISE:
            radiance = _raster_of(shot.camera, picture)
            for at in range(fallback.precision, len(ways)):
                rgb = ways[at].paint(radiance)
                off = max((_off(rgb, *truth) for truth in truths), default=0.0)
                log.debug(
                    "picture %s: painted in %s, largest difference %.1e in %d windows, %.1e on "
                    "%d rays", _name(shot), ways[at].dtype, off, windows, difference, probed,
                )  # fmt: skip
                promise = PROMISE if ways[at].dtype == torch.float32 else LEVEL
                if off <= promise:
                    outcome = Outcome(
                        path="fast", promise=promise, precision=_names[ways[at].dtype],
                        evaluated=samples, coloured=samples, possible=samples,
                    ).proved(probed, max(difference, off))  # fmt: skip
                    return Made(picture, replace(fallback, precision=at), outcome, rgb)
        log.info("picture %s: more than %.0e; %s", _name(shot), PROMISE, CAREFULLY)
        if sparse is not None:
            return self._attempt_to_paint(shot, series, replace(fallback, rung=1), thorough=True)
        return self._plain(shot)

    def _paintings(self, scene: Scene) -> list[Painting]:
        """Ways to paint that the precision asked for allows, the exact one last."""
        assert scene.finish is not None
        asked = self.options.precision
        allowed = [
            one
            for one in scene.paintings
            if asked == "auto" or one.dtype in (torch.float32, DTYPES[asked])
        ]
        return [*allowed, Painting(torch.float32, scene.finish)]

    def _places(self, shot: Shot, scene: Scene, picture: Tensor, count: int) -> list[Tensor]:
        """Pixels of some windows of a raster, row by row, around probes of its outlines."""
        assert scene.windows is not None
        side, step = scene.windows.side, scene.windows.step
        width, height = shot.camera.width, shot.camera.height
        opacity = picture[:, -2].view(height, width)
        along = torch.arange(side, device=picture.device, dtype=torch.int64)
        found = []
        for probe in probes(opacity, count, shot.seed).tolist():
            row, column = (
                min(max(at - side // 2, 0), most - side) // step * step
                for at, most in ((probe // width, height), (probe % width, width))
            )
            found.append(((row + along[:, None]) * width + column + along).flatten())
        return found

    def _differing(self, shot: Shot, scene: Scene, picture: Tensor, count: int) -> float:
        """Largest difference of radiance and opacity on some rays, the exact integrator's known.

        Features beyond 1 are compared relative to the largest.
        """
        opacity = picture[:, -2].view(shot.camera.height, shot.camera.width)
        pixels = probes(opacity, count, shot.seed).to(device=picture.device)
        seen = columns(self._tracer.march(shot, self._tracer.rays(shot, pixels), pixels, scene))
        return _apart(picture[pixels], seen)

    def _proven(self, shot: Shot, series: Series) -> Made:
        """The picture, by the first way from where its series stands that keeps the promise."""
        leads = shot.key == series.first.key
        fallback = self._fallbacks.get(series.key)
        if fallback is None:
            first = self._attempted(series.first, series, Fallback(), THOROUGH)
            fallback = first.fallback
            remember(self._fallbacks, series.key, fallback)
            if leads:
                return first
            # It is not one of the pictures asked for, but what it proves counts.
            unseen = replace(first.outcome, evaluated=0, coloured=0, possible=0)
            self.outcome = merged(self.outcome, unseen)
        return self._attempted(shot, series, fallback, PROVEN if leads else LIGHT)

    def _attempted(self, shot: Shot, series: Series, fallback: Fallback, proof: Proof) -> Made:
        """A picture by the first way that keeps the promise, proved thoroughly after a failure."""
        while fallback.rung < len(LADDER):
            try:
                attempt = self._attempts.make(shot, series, fallback, proof)
            except GridBrokenError as broken:
                log.info("picture %s: %s; %s", _name(shot), broken, CAREFULLY)
                fallback = replace(fallback, rung=after_broken_grid(fallback.rung, broken.share))
            else:
                kept = attempt.grid_difference <= self._attempts.allowed(fallback)
                _tell(shot, attempt, proof, kept=kept)
                if kept:
                    return Made(attempt.picture, fallback, attempt.outcome)
                fallback = self._next(fallback)
            proof = THOROUGH
        return self._plain(shot)

    def _next(self, fallback: Fallback) -> Fallback:
        """Reduced precision is given up before a grid is."""
        if fallback.precision + 1 < len(self._attempts.precisions):
            return replace(fallback, precision=fallback.precision + 1)
        return replace(fallback, rung=fallback.rung + 1)

    def _plain(self, shot: Shot) -> Made:
        samples = self._tracer.samples(shot)
        outcome = Outcome(evaluated=samples, coloured=samples, possible=samples)
        return Made(self._tracer.plain(shot), Fallback(rung=len(LADDER)), outcome)


def _masks(shot: Shot, apart: Tensor) -> Image:
    """Of `_apart`, the masks on the host, shape = (H, W, objects)."""
    height, width = shot.camera.height, shot.camera.width
    host = _on_host(apart[:, :-2].clamp(0, 1)).numpy()
    return np.ascontiguousarray(host.reshape(height, width, -1))


def _raw(scene: Scene, radiance: Tensor) -> Image | None:
    """What was integrated before a 2-D stage, shape = (h, w, 3); None where it is the picture."""
    if scene.raw is None and len(radiance) <= 3:
        return None
    colours = radiance[:3] if scene.raw is None else scene.raw(radiance)
    return np.ascontiguousarray(_on_host(colours.permute(1, 2, 0)).numpy())


def _rastered(scene: Scene, shot: Shot) -> Shot:
    """The shot as rays are marched, where a 2-D stage makes a larger picture of it."""
    return shot if scene.raster is None else replace(shot, camera=scene.raster(shot.camera))


def _rastered_series(scene: Scene, series: Series) -> Series:
    return series if scene.raster is None else replace(series, first=_rastered(scene, series.first))


def _apart(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference of radiance and opacity, that of features beyond 1 relative to them."""
    size = max(1.0, float(theirs[:, :-2].abs().amax())) if theirs.shape[-1] > 2 else 1.0
    return float((ours - theirs)[:, :-1].abs().amax()) / size


def _raster_of(camera: Camera, picture: Tensor) -> Tensor:
    """Radiance as a 2-D stage takes it, shape = (channels, h, w)."""
    return picture[:, :-2].reshape(camera.height, camera.width, -1).permute(2, 0, 1)


def _window(windows: Windows, camera: Camera, seen: Tensor, first: int) -> tuple[Tensor, int, int]:
    """The finished pixels that hang on a window of the raster, and where they begin."""
    radiance = seen[:, :-2].reshape(windows.side, windows.side, -1).permute(2, 0, 1)
    return windows.finish(radiance, first // camera.width, first % camera.width)


def _off(rgb: Tensor, truth: Tensor, top: int, left: int) -> float:
    """Largest difference of a finished picture from a part of the exact one."""
    height, width = truth.shape[1:]
    part = rgb[:, top : top + height, left : left + width]
    return float((part - truth).abs().nan_to_num(nan=torch.inf).amax())


def _finished_difference(scene: Scene, shot: Shot, ours: Tensor, theirs: Tensor) -> float:
    """Largest difference of the colours that a 2-D stage makes of two rasters."""
    assert scene.finish is not None
    ours, theirs = (scene.finish(_raster_of(shot.camera, picture)) for picture in (ours, theirs))
    return float((ours - theirs).abs().amax())


def _axial(camera: Camera, picture: Tensor) -> Tensor:
    """The same with its depths, the last column, along the optical axis; shape = (H·W, n)."""
    if camera.depths == "axis":
        return picture
    pixel = torch.arange(len(picture), device=picture.device, dtype=torch.int64)
    depth = picture[:, -1] * along_axis(camera, pixel, dtype=picture.dtype)
    return torch.cat((picture[:, :-1], depth[:, None]), dim=-1)


def enlarged(planes: Tensor, height: int, width: int) -> Tensor:
    """Every pixel several times, shape = (height, width, n): nothing between them is made up."""
    rows = torch.arange(height, device=planes.device, dtype=torch.int64) * len(planes) // height
    columns = torch.arange(width, device=planes.device, dtype=torch.int64)
    return planes[rows][:, columns * planes.shape[1] // width]


def _name(shot: Shot) -> str:
    """A few letters to tell pictures apart by in a log."""
    return shot.key.hex()[:8]


def _tell(shot: Shot, attempt: Attempt, proof: Proof, *, kept: bool) -> None:
    said = attempt.outcome
    log.log(
        logging.DEBUG if kept and proof is not THOROUGH else logging.INFO,
        "picture %s: %s path, %s, grid %d: largest difference %.1e on %d rays marched both "
        "ways; %s",
        _name(shot),
        said.path,
        said.precision,
        said.resolution,
        attempt.difference,
        said.probed,
        "kept" if kept else f"more than {PROMISE:.0e}; {CAREFULLY}",
    )


def _on_host(picture: Tensor) -> Tensor:
    """By way of pinned memory, which a GPU copies to without the processor."""
    if picture.device.type != "cuda":
        return picture.to(device="cpu")
    host = torch.empty(picture.shape, device="cpu", dtype=picture.dtype, pin_memory=True)
    host.copy_(picture, non_blocking=True)
    torch.cuda.current_stream(picture.device).synchronize()
    return host


def _frame(shot: Shot, picture: Tensor, *, complete: bool) -> Frame:
    """One transfer to the host, then the background, unless the colours are `complete`."""
    height, width = shot.camera.height, shot.camera.width
    host = _on_host(_axial(shot.camera, picture)).numpy().reshape(height, width, 5)
    opacity = np.ascontiguousarray(host[..., 3])
    rgb = host[..., :3]
    if not complete:
        rgb = rgb + (1 - opacity[..., None]) * np.asarray(shot.background, dtype=np.float32)
    return Frame(
        rgb=np.ascontiguousarray(rgb),
        depth=np.ascontiguousarray(host[..., 4]),
        opacity=opacity,
        shot=shot,
        complete=complete,
    )
