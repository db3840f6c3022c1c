"""How well exported shapes stand for their objects, and what they take.

``python -m benchmarks.export [--resolution N] [--objects N] [--kinds KINDS] [--cache FOLDER]``

Toy cars, each seen by eight cameras on two rings within the training range, at 256 × 256 on white.
What is exported is rendered back by a rasteriser, and held against the exact pictures: PSNR over
whole pictures, and the intersection over the union of silhouettes (opacity above a half). In the
last columns both are made at twice the size and averaged.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import graf_cli as graf
from graf_cli.model.generator import Generator
from graf_cli.scene.camera import Camera
from graf_cli.shots import Shots
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.raster import raster
from graf_cli.surfaces.shapes import Meshes, Shape, Splats

SIZE = 256
SEEDS = (3, 5, 11)
VIEWS = [(45.0 * k, 15.0 if k % 2 else 40.0) for k in range(8)]

Floats = NDArray[np.float64]


def pictures(generator: Generator, seed: int, size: int, cache: Path | None) -> Iterator[
    tuple[Camera, Floats, Floats]
]:  # fmt: skip
    """Cameras, exact pictures on white and opacities."""
    for k, (azimuth, elevation) in enumerate(VIEWS):
        recipe = graf.sweep(generator, seed=seed, azimuth=azimuth, elevation=elevation, size=size)
        camera = Shots(recipe, generator.spec)[0].camera
        kept = None if cache is None else cache / f"{seed}-{k}-{size}.npz"
        if kept is not None and kept.exists():
            with np.load(kept) as file:
                yield camera, file["rgb"], file["opacity"]
            continue
        frame = next(graf.draw(generator, recipe))
        rgb, opacity = frame.rgb.astype(np.float64), frame.opacity.astype(np.float64)
        if kept is not None:
            np.savez_compressed(kept, rgb=rgb, opacity=opacity)
        yield camera, rgb, opacity


def rendered(made: Shape, camera: Camera) -> tuple[Floats, Floats]:
    """Colours on white, shape = (H, W, 3), and opacity, shape = (H, W), of a shape."""
    if isinstance(made, Splats):
        from graf_cli.surfaces.splatting import composited  # noqa: PLC0415

        rgb, opacity = composited(made, camera)
        return rgb + (1 - opacity[..., None]), opacity
    assert isinstance(made, Meshes)
    [mesh] = made.parts
    assert mesh.colours is not None
    seen = raster(camera, mesh.vertices.astype(np.float64), mesh.faces)
    rgb, opacity = (
        np.ones((camera.height * camera.width, 3)),
        np.zeros(camera.height * camera.width),
    )
    corners = mesh.colours[mesh.faces[seen.face]]
    rgb[seen.pixel] = (corners * seen.weights[..., None]).sum(axis=1)
    opacity[seen.pixel] = 1
    return rgb.reshape(camera.height, camera.width, 3), opacity.reshape(camera.height, camera.width)


def psnr(a: Floats, b: Floats) -> float:
    """In dB, of a peak of 1."""
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def iou(a: Floats, b: Floats) -> float:
    """Of silhouettes."""
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


def halved(picture: Floats) -> Floats:
    """The mean of each four pixels."""
    return (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / 4


def main() -> None:
    """Print one line an object and kind, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--objects", type=int, default=len(SEEDS))
    parser.add_argument("--kinds", default="mesh,splats")
    parser.add_argument("--sh", type=int, default=0)
    parser.add_argument("--faces", type=int)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--supersampled", action="store_true")
    options = parser.parse_args()
    generator = graf.load()
    print(f"{torch.get_num_threads()} threads, {products():.0f} GFLOP/s in products of 256 × 256")
    for kind in options.kinds.split(","):
        found = []
        for seed in SEEDS[: options.objects]:
            export = Export(
                kind=kind, resolution=options.resolution or (96 if kind == "splats" else 128),
                sh=options.sh if kind == "splats" else 0,
                faces=options.faces if kind == "mesh" else None,
            )  # fmt: skip
            shot = Shots(graf.sweep(generator, seed=seed), generator.spec)[0]
            start = time.perf_counter()
            made = extract(generator, shot, generator.spec.camera, export)
            seconds = time.perf_counter() - start
            row = [seconds, *measured(generator, made, seed, options.cache, options.supersampled)]
            found.append(row)
            print(line(f"{kind} {seed} {count(made)}", row), flush=True)
        print(line(f"{kind} mean", np.mean(found, axis=0).tolist()), flush=True)


def measured(
    generator: Generator, made: Shape, seed: int, cache: Path | None, supersampled: bool
) -> list[float]:
    """PSNR and IoU; where it is asked for, of twice the size averaged, too."""
    found = []
    for camera, rgb, opacity in pictures(generator, seed, SIZE, cache):
        ours, mask = rendered(made, camera)
        found.append([psnr(ours, rgb), iou(mask, opacity)])
    row: list[float] = np.mean(found, axis=0).tolist()
    if supersampled:
        found = []
        for camera, rgb, opacity in pictures(generator, seed, 2 * SIZE, cache):
            ours, mask = (halved(image) for image in rendered(made, camera))
            found.append([psnr(ours, halved(rgb)), iou(mask, halved(opacity))])
        row += np.mean(found, axis=0).tolist()
    return row


def count(made: Shape) -> str:
    """How large it is."""
    if isinstance(made, Splats):
        return f"{len(made.positions):,} splats"
    assert isinstance(made, Meshes)
    return f"{sum(len(part.faces) for part in made.parts):,} faces"


def products() -> float:
    """What this machine does in GFLOP/s, by which seconds elsewhere can be told."""
    a, b = (torch.rand((n, 256), device="cpu", dtype=torch.float32) for n in (4096, 256))
    start = time.perf_counter()
    for _ in range(50):
        torch.mm(a, b)
    return 50 * 2 * 4096 * 256 * 256 / (time.perf_counter() - start) / 1e9


def line(name: str, row: list[float]) -> str:
    """As a table has it."""
    pairs = zip(row[1::2], row[2::2], strict=True)
    words = [f"{row[0]:6.1f} s", *(f"{db:6.2f} dB  IoU {over:.4f}" for db, over in pairs)]
    return f"{name:<28}" + "  ".join(words)


if __name__ == "__main__":
    main()
