"""What a page shows of every family: a volume to turn or small frames, and sliders of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.viewer import session
from graf_cli.viewer.models import Choice
from tests.families.nerf.test_config import table
from tests.viewer.conversation import Client, converse, opened

FAMILIES = Path(__file__).parents[1] / "families"
SMALL = [8, 8]


@dataclass(frozen=True)
class Case:
    """A small checkpoint, and what a page is to make of it.

    Attributes
    ----------
    choice : Choice
    controls : mapping
        Some that it has, with values; their sliders show the picture another.
    blocks : set of str
    kinds : set of str
        That it shows besides colour, depth, normals and opacity.
    bakes : bool
        Whether it is turned as a volume.
    side : int or None
        Of its pictures, where it has but one size.
    """

    choice: Choice
    controls: Mapping[str, float] = field(default_factory=dict)
    blocks: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    bakes: bool = False
    side: int | None = None


def choice(path: str, config: str | None = None) -> Choice:
    return Choice(
        checkpoint=FAMILIES / path, config=FAMILIES / config if config else None, device="cpu"
    )


CASES = {
    "nerf": Case(choice("nerf/cases/plain.tar", "nerf/cases/plain.txt"), bakes=True),
    "pigan": Case(
        choice("pigan/cases/celeba_generator.pth"), {"last_back": 0}, frozenset({"z"}), bakes=True
    ),
    "giraffe": Case(
        choice("giraffe/cases/cars.pt", "giraffe/cases/cars.json"), {"object.0.x": 0.5, "turn": 90},
        frozenset({"object.0.shape", "object.0.appearance"}), side=64,
    ),
    "eg3d": Case(
        choice("eg3d/cases/ffhq64.pkl"), {"conditioning-azimuth": 20, "cutoff": 3},
        frozenset({"z"}), frozenset({"raw"}), side=64,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_family_is_turned_and_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.setattr(session, "COARSE", 6)  # points along a side
    monkeypatch.setattr(session, "finer", lambda seconds: None)
    look: dict[str, Any] = {} if case.side else {"size": SMALL}

    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="hello", id=1)
        facts = (await page.hear("model"))["facts"]
        assert facts["family"] == name
        assert facts["bakes"] == case.bakes
        assert {block["name"] for block in facts["blocks"]} >= case.blocks
        assert {*facts["shows"]} == {"rgb", "depth", "normal", "opacity"} | case.kinds
        assert {control["name"] for control in facts["controls"]} >= {*case.controls}
        seen = []
        changes: list[dict[str, Any]] = [{}, {"controls": case.controls}, {"azimuth": 5.0}]
        changes += [{"show": [kind]} for kind in ("normal", *case.kinds)]
        for number, more in enumerate(changes):
            if more.get("azimuth") and facts["turns"] == "objects":
                continue  # by the control that the page's pointer turns
            await page.ask(do="look", id=number, look={**look, **more}, window=SMALL, moving=True)
            small = await page.hear("picture", "preview")
            seen.append(small["data"])
            assert small["width"] == small["height"] == (case.side or 8)
        assert len({*seen}) == len(seen) - (not case.controls), "each shows something else"
        told = {**look, "controls": case.controls}
        await page.ask(do="look", id=9, look=told, window=SMALL, name="a.png")
        line = (await page.hear("line"))["line"]
        assert all(f"--control {control}=" in line for control in case.controls)
        exact = await page.hear("picture", "exact")
        assert exact["width"] == (case.side or 8)
        if case.bakes:
            await page.ask(do="bake", id=10, look=told, window=SMALL)
            assert (await page.hear("volume"))["about"]["counts"]

    converse(case.choice, words)


def test_cameras_of_a_file_move_through_a_scene_in_front(tmp_path: Path) -> None:
    for suffix in ("tar", "txt"):
        shutil.copy(FAMILIES / "nerf" / "cases" / f"fern.{suffix}", tmp_path)
    np.save(tmp_path / "poses_bounds.npy", table())
    fern = Choice(
        checkpoint=tmp_path / "fern.tar", config=tmp_path / "fern.txt", device="cpu"
    )  # fmt: skip

    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="hello", id=1)
        facts = (await page.hear("model"))["facts"]
        assert facts["front"]
        assert not facts["bakes"]
        film = {
            "keys": [{"at": 0, "look": {}}], "frames": 3,
            "poses": [[1, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, 0] for x in (-0.2, 0, 0.2)],
            "size": SMALL,
        }  # fmt: skip
        seen = []
        for frame in range(3):
            await page.ask(do="scrub", id=frame, film=film, window=SMALL, frame=frame)
            seen.append((await page.hear("picture", "preview"))["data"])
        assert len({*seen}) == 3

    converse(fern, words)
