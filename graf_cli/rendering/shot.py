"""What a picture is made from, and what comes out: plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from graf_cli.rendering.integrator import disparity
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject

Image = NDArray[np.float32]
Rgb = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Shot:
    """One subject seen by one camera: everything a picture needs beside the generator.

    Attributes
    ----------
    subject : Subject
    camera : Camera
    samples : int
        Along each ray.
    background : tuple of 3 floats
        What shows through, in [0, 1].
    """

    subject: Subject
    camera: Camera
    samples: int
    background: Rgb

    @cached_property
    def key(self) -> bytes:
        """16 bytes that are the same for the same shot, in every process."""
        camera = self.camera
        depths = (camera.near, camera.far, camera.radius_max or 0.0)
        counts = (camera.width, camera.height, self.samples)
        told = (*counts, camera.fov, *depths, camera.orthographic, *self.background)
        lens = tuple(camera.intrinsics or ())  # nothing where the field of view says it all
        if (camera.pixels, camera.depths) != ("integer", "axis"):  # nor for GRAF's own convention
            lens = (*tuple(camera.lens), float(camera.depths == "ray"))
        digest = hashlib.blake2b(digest_size=16)
        digest.update(np.array((*told, *lens), dtype=np.float64).tobytes())
        digest.update(np.ascontiguousarray(camera.pose, dtype=np.float64).tobytes())
        for part in self.subject.parts():
            digest.update(part)
        return digest.digest()

    @property
    def seed(self) -> int:
        """Of everything that is drawn at random for this shot."""
        return int.from_bytes(self.key[:7], "little")


@dataclass(frozen=True, eq=False)
class Series:
    """Pictures of one shape, in one job, that are drawn alike.

    The first one is proved thoroughly and speaks for the others. It belongs to what a picture is
    made from, so that a job gives the same pictures however it is cut into parts.

    Attributes
    ----------
    first : Shot
    pictures : int
        How many there are.
    """

    first: Shot
    pictures: int

    @property
    def key(self) -> tuple[bytes, int]:
        """The same for the same series, in every process."""
        return self.first.key, self.pictures


@dataclass(frozen=True, eq=False)
class Frame:
    """One rendered picture, float32 on the host.

    Attributes
    ----------
    rgb : ndarray, shape = (H, W, 3)
        In [0, 1], composited on the shot's background.
    depth : ndarray, shape = (H, W)
        Expected depth along the optical axis, ``Σ weight·z``, world units; 0 where nothing is.
        Not a number where it would have taken a march of its own that nobody asked for.
    opacity : ndarray, shape = (H, W)
        In [0, 1]; likewise.
    shot : Shot
    normal : ndarray, shape = (H, W, 3), or None
        Of unit length in the world's axes, away from the object, 0 where nothing is; where it
        was asked for.
    raw : ndarray, shape = (h, w, 3), or None
        The colours that were integrated, before a 2-D stage, at the size of its raster.
    complete : bool
        Whether the model has filled what rays do not meet, so that no background shows.
    """

    rgb: Image
    depth: Image
    opacity: Image
    shot: Shot
    normal: Image | None = None
    raw: Image | None = None
    complete: bool = False

    def _repr_png_(self) -> bytes:
        """The colours, as a notebook shows them."""
        from graf_cli.rendering.png import png  # noqa: PLC0415 - in notebooks only

        return png(self.rgb)

    @property
    def on_black(self) -> Image:
        """Colours multiplied by opacity, shape = (H, W, 3)."""
        if self.complete:
            return self.rgb * self.opacity[..., None]
        behind = np.asarray(self.shot.background, dtype=np.float32)
        return np.asarray(self.rgb - (1 - self.opacity[..., None]) * behind, dtype=np.float32)

    @property
    def disparity(self) -> Image:
        """``1 / max(1e-10, depth / (opacity + 1e-10))``, shape = (H, W), per world unit."""
        values = disparity(torch.from_numpy(self.depth), torch.from_numpy(self.opacity))
        return np.asarray(values.numpy(), dtype=np.float32)
