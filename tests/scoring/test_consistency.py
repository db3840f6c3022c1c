"""A solid object agrees with itself from all sides; what cheats is found out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graf_cli.errors import OutputError, UsageError
from graf_cli.model.generator import Generator
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.volume import Scene
from graf_cli.scoring.agreement import Agreement, compare
from graf_cli.scoring.consistency import Scoring, pairs, summed, views_of
from graf_cli.sharding import Shard
from tests.inversion.objects import Eggs, eggs

PICTURE = {"size": 48, "samples": 64}
HARD = 1000.0  # a surface, and no mist


@dataclass(frozen=True, eq=False)
class Turncoats(Eggs):
    """Eggs that are another one from the other side: longer, or of another colour."""

    block: str = "appearance"

    def conditioned_on_camera(self, subject: Subject) -> bool:
        return True

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None = None) -> Scene:
        assert camera is not None
        side = float(camera.eye[0]) * (0.5 if self.block == "appearance" else 1.0)
        codes = {**subject.codes, self.block: Code(subject.codes[self.block].start + side)}
        moved = super().scene(replace(subject, codes=codes), samples=samples, camera=camera)
        return replace(moved, key=moved.key + camera.eye.tobytes())


def turncoats(block: str) -> Generator:
    one = eggs()
    return Turncoats(one.spec, one.sha256, one.network, one.device, HARD, block)


def scoring(generator: Generator, n: int = 1, views: int = 6) -> Scoring:
    return Scoring(generator, views_of(generator, n, views, 0, **PICTURE))


def test_a_solid_object_agrees_and_a_cheat_does_not() -> None:
    solid = scoring(eggs(HARD)).score(0).agreement
    assert solid.compared > 500
    assert solid.psnr is not None
    assert solid.psnr > 35
    assert solid.contradicting < 0.01
    painted = scoring(turncoats("appearance")).score(0).agreement
    assert painted.psnr is not None
    assert painted.psnr < solid.psnr - 10
    grown = scoring(turncoats("shape")).score(0).agreement
    assert grown.contradicting > 0.1


def test_the_points_that_are_carried_are_the_same_points() -> None:
    """Colours of an egg are functions of the point, so that each is known."""
    frames = scoring(eggs(HARD)).frames(0)
    first, second = pairs(frames)[0]
    carried = compare(frames[first], frames[second])
    apart = np.abs(carried.rgb - frames[first].rgb)[carried.compared]
    assert apart.mean() < 0.02
    same = compare(frames[0], frames[0])
    assert np.allclose(same.rgb[same.compared], frames[0].rgb[same.compared])
    assert same.agreement.hidden < same.agreement.compared


def test_nothing_to_compare_is_no_number() -> None:
    assert Agreement().psnr is None
    assert Agreement().contradicting == 0


def test_neighbours_look_from_nearest() -> None:
    frames = scoring(eggs(HARD), views=5).frames(0)
    eyes = [frame.shot.camera.eye for frame in frames]
    for first, second in pairs(frames):
        nearer = sum(eye @ eyes[first] > eyes[second] @ eyes[first] for eye in eyes)
        assert nearer <= 2  # itself, and the other neighbour


def test_shards_and_resumed_jobs_come_to_the_same(tmp_path: Path) -> None:
    one = scoring(eggs(HARD), n=3, views=3)
    whole = one.run(tmp_path / "whole")
    assert whole is not None
    folder = tmp_path / "parts"
    assert one.run(folder, shard=Shard(2, 2)) is None
    kept = (folder / "000001.json").stat().st_mtime_ns
    assert one.run(folder, shard=Shard(1, 2)) == whole
    assert one.run(folder, resume=True) == whole
    assert (folder / "000001.json").stat().st_mtime_ns == kept
    other = Scoring(one.generator, views_of(one.generator, 3, 3, 1, **PICTURE))
    with pytest.raises(OutputError, match="the score of other pictures"):
        other.run(folder, resume=True)
    (folder / "000001.json").write_text("{}")
    with pytest.raises(OutputError, match="is not a score"):
        one.run(folder, resume=True)


def test_the_summary_is_of_all_points_and_the_interval_holds_it(tmp_path: Path) -> None:
    one = scoring(eggs(HARD), n=3, views=3)
    scores = one.run(tmp_path)
    assert scores is not None
    found = summed("eggs", scores)
    assert found.psnr is not None
    assert found.interval is not None
    assert found.interval[0] <= found.psnr <= found.interval[1]
    told = found.as_json()
    assert told["compared"] == sum(row["compared"] for row in told["objects"])
    assert summed("eggs", scores[:1]).interval is None
    (tmp_path / "sheet.png").write_bytes(one.sheet(scores))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 48, 3 * 48)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(UsageError, match="have no neighbours"):
        views_of(eggs(), 1, 2, 0)
