"""An independent program's word on a generator: its views triangulated by COLMAP, with our poses.

The authors of GRAF and its followers hold their models to be as 3-D as COLMAP can reconstruct
them. Views of one object are rendered and written as pictures; COLMAP (Schönberger and Frahm,
*Structure-from-Motion Revisited*, CVPR 2016) finds features in them, matches neighbouring views,
and triangulates what it matched from the poses and the lens that it is told. Where these were
written wrongly, or where the object is another one from every side, nothing meets.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graf_cli.errors import UsageError
from graf_cli.model.generator import Generator
from graf_cli.recipe import Recipe
from graf_cli.rendering.png import png
from graf_cli.rendering.shot import Frame
from graf_cli.scene.camera import Camera
from graf_cli.scene.intrinsics import HALF
from graf_cli.scoring.consistency import views_of

Numbers = NDArray[np.float64]

NEIGHBOURS = 12  # nearest views that each is matched with: SIFT bridges some 30°, not a half turn
# COLMAP's own thresholds (0.0067 of contrast, 10 of how much longer an edge is than wide) keep the
# noise of a sensor out, of which rendered pictures have none; smooth paint has little above them.
# With these a toy car of 128 pixels has 192 points instead of 37.
CONTRAST, EDGE = 0.002, 20.0
STEP = 2.0  # pixels that a step between samples covers at most: see `views_for`
SOLID = 0.99  # opacity from which a pixel's depth is a surface's
AXES = np.array((1.0, -1.0, -1.0))  # COLMAP looks along +z and counts y downwards
PERCENT = 95
SEED = 0  # of COLMAP's own random samples


@dataclass(frozen=True)
class Reconstruction:
    """What came of one object.

    Attributes
    ----------
    model : str
    views : int
        That were rendered.
    seen : int
        Of these, views that some point was found in.
    features : int
        Found in all views together.
    points : int
        Triangulated.
    track : float or None
        Views that a point was seen in, the mean; None, as what follows, without points.
    reprojection : float or None
        Distance of a feature from its point's projection, pixels, the mean over all features.
    off, off_most : float or None
        Distance of the points from the model's own surface along the rays of the views that see
        them: the median, and what 95 % lie below; world units.
    step : float
        Between two samples along a ray, world units, which tells how finely the surface is known.
    pixel : float
        What one covers at the middle of the scene, world units.
    apart : float
        Degrees between a view and its nearest neighbour, the median.
    """

    model: str
    views: int
    seen: int
    features: int
    points: int
    track: float | None
    reprojection: float | None
    off: float | None
    off_most: float | None
    step: float
    pixel: float
    apart: float

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"score": "colmap", **asdict(self)}


def pycolmap() -> Any:
    """The extra's module.

    Raises
    ------
    UsageError
        When it is not installed.
    """
    try:
        import pycolmap as module  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "COLMAP is not installed; install graf with its extra: pip install 'graf[colmap]'."
        ) from error
    module.logging.minloglevel = module.logging.Level.WARNING.value
    return module


def views_for(generator: Generator, views: int, seed: int, **asked: Any) -> Recipe:
    """The views of one object, as `views_of` has them; sampled as finely as their pixels are.

    Where nothing is said of `samples`, a step along a ray covers two pixels at most. Edges of what
    rays sample coarsely have teeth as wide as a step, which go along with the camera: features that
    lie on nothing. Models that find their own samples, or paint a map of fixed rays, keep theirs.

    Raises
    ------
    UsageError
        As `views_of`.
    """
    recipe = views_of(generator, 1, views, seed, **asked)
    features, camera = generator.features, generator.spec.camera
    if asked.get("samples") is not None or features.further or features.sizes is not None:
        return recipe
    if camera.orthographic:
        return recipe
    step = STEP * _pixel(recipe.width, camera.fov, max(camera.radius))
    needed = math.ceil((camera.far - camera.near) / step) + 1
    if needed <= recipe.samples:
        return recipe
    return views_of(generator, 1, views, seed, **{**asked, "samples": needed})


def _pixel(width: int, fov: float, distance: float) -> float:
    """Side of what a pixel covers at a distance, of a field of view in degrees."""
    return 2 * distance * math.tan(math.radians(fov) / 2) / width


def reconstructed(model: str, frames: Sequence[Frame]) -> Reconstruction:
    """Triangulate the views of one object.

    Parameters
    ----------
    model : str
        What to call it.
    frames : sequence of Frame
        Of one size and one lens.

    Raises
    ------
    UsageError
        When COLMAP is not installed, or rays are parallel.
    """
    colmap = pycolmap()
    if frames[0].shot.camera.orthographic:
        raise UsageError(f"`{model}` is seen by parallel rays, which COLMAP has no camera for.")
    with tempfile.TemporaryDirectory() as folder:
        found, features = _triangulated(colmap, frames, Path(folder))
        return measured(model, frames, found, features)


def _triangulated(colmap: Any, frames: Sequence[Frame], folder: Path) -> tuple[Any, int]:
    """COLMAP's reconstruction, and how many features there were."""
    images, database = folder / "images", folder / "database.db"
    images.mkdir()
    for number, frame in enumerate(frames):
        (images / _name(number)).write_bytes(png(frame.rgb))
    colmap.set_random_seed(SEED)
    reader = colmap.ImageReaderOptions()
    reader.camera_model = "PINHOLE"
    reader.camera_params = ",".join(map(repr, lens_of(frames[0].shot.camera)))
    threads = {"num_threads": 1}  # else which pair comes first, and so the answer, is chance
    sift = {"peak_threshold": CONTRAST, "edge_threshold": EDGE}
    colmap.extract_features(
        database, images, camera_mode=colmap.CameraMode.SINGLE, reader_options=reader,
        extraction_options={**threads, "sift": sift},
    )  # fmt: skip
    pairs = folder / "pairs.txt"
    pairs.write_text("".join(f"{_name(a)} {_name(b)}\n" for a, b in pairs_of(frames)))
    colmap.match_image_pairs(
        database, matching_options=threads, pairing_options={"match_list_path": pairs}
    )
    given, features = _posed(colmap, frames, database)
    options = {"num_threads": 1, "extract_colors": False, "random_seed": SEED}
    out = folder / "points"
    out.mkdir()
    found = colmap.triangulate_points(given, database, images, out, options=options)
    return found, features


def _posed(colmap: Any, frames: Sequence[Frame], database: Path) -> tuple[Any, int]:
    """A reconstruction without points, of the poses that are known; and how many features."""
    given = colmap.Reconstruction()
    with colmap.Database.open(database) as base:
        [lens] = base.read_all_cameras()
        given.add_camera_with_trivial_rig(lens)
        for number, frame in enumerate(frames):
            image = base.read_image_with_name(_name(number))
            placed = colmap.Image(
                name=image.name, camera_id=lens.camera_id, image_id=image.image_id
            )
            pose = colmap.Rigid3d(world_to_camera(frame.shot.camera))
            given.add_image_with_trivial_frame(placed, pose)
        return given, int(base.num_keypoints())


def lens_of(camera: Camera) -> tuple[float, float, float, float]:
    """Focal lengths and centre as COLMAP counts them: the first pixel's middle is at 0.5."""
    fx, fy, cx, cy = camera.lens
    return float(fx), float(fy), float(cx + HALF), float(cy + HALF)


def world_to_camera(camera: Camera) -> Numbers:
    """In COLMAP's axes, shape = (3, 4)."""
    rotation = (camera.pose[:, :3] * AXES).T
    return np.column_stack((rotation, -rotation @ camera.eye)).astype(np.float64)


def pairs_of(frames: Sequence[Frame]) -> list[tuple[int, int]]:
    """Each view with the nearest ones, every pair once."""
    eyes = _eyes(frames)
    apart = np.linalg.norm(eyes[:, None] - eyes[None], axis=-1)
    near = np.argsort(apart, axis=1, kind="stable")[:, 1 : NEIGHBOURS + 1]
    return sorted({(min(a, int(b)), max(a, int(b))) for a, row in enumerate(near) for b in row})


def _eyes(frames: Sequence[Frame]) -> Numbers:
    """Where views are seen from, shape = (views, 3)."""
    return np.stack([frame.shot.camera.eye for frame in frames])


def _apart_of(frames: Sequence[Frame]) -> float:
    """Degrees between a view and the one that looks from nearest to it, the median."""
    eyes = _eyes(frames)
    ways = eyes / np.linalg.norm(eyes, axis=1, keepdims=True)
    cosines = ways @ ways.T
    np.fill_diagonal(cosines, -1.0)
    return float(np.degrees(np.median(np.arccos(cosines.max(axis=1).clip(-1, 1)))))


def _name(number: int) -> str:
    return f"{number:06d}.png"


def measured(model: str, frames: Sequence[Frame], found: Any, features: int) -> Reconstruction:
    """The numbers of COLMAP's `pycolmap.Reconstruction` of some frames."""
    camera, samples = frames[0].shot.camera, frames[0].shot.samples
    off = _distances(found, frames)
    none = not found.num_points3D()
    return Reconstruction(
        model=model,
        views=len(frames),
        seen=sum(image.num_points3D > 0 for image in found.images.values()),
        features=features,
        points=found.num_points3D(),
        track=None if none else found.compute_mean_track_length(),
        reprojection=None if none else found.compute_mean_reprojection_error(),
        off=float(np.median(off)) if len(off) else None,
        off_most=float(np.percentile(off, PERCENT)) if len(off) else None,
        step=(camera.far - camera.near) / max(samples - 1, 1),
        pixel=float(np.linalg.norm(camera.eye)) / float(camera.lens.fx),
        apart=_apart_of(frames),
    )


def _distances(found: Any, frames: Sequence[Frame]) -> Numbers:
    """Of each point from the surface, along the axes of the views that see it: the median."""
    numbers = {image.image_id: int(Path(image.name).stem) for image in found.images.values()}
    off = []
    for point in found.points3D.values():
        views = {numbers[element.image_id] for element in point.track.elements}
        apart = [_apart(frames[number], np.asarray(point.xyz)) for number in sorted(views)]
        known = [one for one in apart if one is not None]
        if known:
            off.append(float(np.median(known)))
    return np.array(off, dtype=np.float64)


def _apart(frame: Frame, point: Numbers) -> float | None:
    """How far a point is from the surface that a view shows at its pixel; None beside it."""
    camera = frame.shot.camera
    local = world_to_camera(camera) @ np.append(point, 1.0)
    fx, fy, cx, cy = camera.lens
    i, j = round(fx * local[0] / local[2] + cx), round(fy * local[1] / local[2] + cy)
    if not (0 <= i < camera.width and 0 <= j < camera.height) or frame.opacity[j, i] < SOLID:
        return None
    return abs(float(frame.depth[j, i]) / float(frame.opacity[j, i]) - float(local[2]))
