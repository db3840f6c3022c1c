"""What a page holds, without a browser."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch

from graf_cli.errors import SurfaceError
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.volume import Quadrature, Scene
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import Page
from tests.surfaces.scenes import CAMERA, Objects, ball, haze, nothing, plate, shiny

SMALL = Export(kind="page", resolution=32)


def made(objects: Objects, export: Export = SMALL) -> Page:
    page = extract(objects, objects.shot(), objects.camera, export)
    assert isinstance(page, Page)
    return page


def test_a_page_is_the_same_bytes_every_time() -> None:
    assert made(Objects(shiny)).volume == made(Objects(shiny)).volume


def test_the_box_is_around_the_object_and_not_around_all_of_space() -> None:
    about = made(Objects(ball)).about
    sides = np.array(about["counts"]) * about["pitch"]
    assert (sides > 1.8).all()
    assert (sides < 2.6).all()
    assert np.allclose(np.array(about["low"]) + sides / 2, 0, atol=about["pitch"])


def test_densities_are_kept_between_what_shows_and_what_is_opaque() -> None:
    """By the field and its step: a step of an opaque field takes 99 of 100 parts."""
    low, high = made(Objects(ball)).about["bounds"]
    step = (CAMERA.far - CAMERA.near) / 47
    assert high == pytest.approx(-np.log(0.01) / step, rel=1e-6) or high < -np.log(0.01) / step
    assert low < 0
    thin = made(Objects(haze)).about["bounds"]
    assert 0.3 < thin[1] < 0.41


def test_a_color_that_stays_takes_no_maps() -> None:
    assert made(Objects(ball)).about["rank"] == 0
    assert made(Objects(shiny)).about["rank"] == 3


def test_points_that_no_light_reaches_are_left_out() -> None:
    about = made(Objects(lambda p, d: (500 * (0.9 - p.norm(dim=-1)), ball(p, d)[1]))).about
    inside = 4 / 3 * np.pi * (0.9 / about["pitch"]) ** 3
    assert about["shown"] < 0.9 * inside


def test_the_planes_are_all_there() -> None:
    page = made(Objects(shiny))
    data, about = gzip.decompress(page.volume), page.about
    planes = np.prod(about["counts"]) + about["shown"] * (4 + about["rank"])
    assert len(data) == planes + about["rank"] * about["side"] ** 2 * 12


def test_a_thin_part_is_found() -> None:
    about = made(Objects(plate)).about
    sides = np.array(about["counts"]) * about["pitch"]
    assert (sides[:2] > 1.75).all()


def test_nothing_is_no_page() -> None:
    with pytest.raises(SurfaceError, match="nothing to show"):
        made(Objects(nothing))


def test_more_than_a_page_holds_is_refused() -> None:
    with pytest.raises(SurfaceError, match="`resolution` 512"):
        made(Objects(ball), Export(kind="page", resolution=512))


class Strange(Objects):
    """Scenes that a page cannot hold."""

    def scene(self, subject: Subject, *, samples: int, camera: Camera) -> Scene:
        plain = super().scene(subject, samples=samples, camera=camera)
        if self.quadrature.spacing == "disparity":
            return replace(plain, warp=lambda rays, _: _ndc(rays))
        return replace(plain, finish=lambda seen: seen)


def _ndc(rays: Rays) -> Rays:
    return replace(
        rays,
        directions=rays.directions
        * torch.tensor((1.0, 2.0, 1.0), device="cpu", dtype=torch.float32),
    )


def test_bent_rays_and_features_have_no_page() -> None:
    with pytest.raises(SurfaceError, match="bent"):
        made(Strange(ball, Quadrature(24, spacing="disparity")))
    with pytest.raises(SurfaceError, match="export a mesh"):
        made(Strange(ball))
