"""`graf export`: shapes into files, and what the other commands make of these."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import graf_cli
from graf_cli.cli.job import Told
from graf_cli.errors import UsageError
from graf_cli.families.graf.scene import as_network
from tests.cli.conftest import Run
from tests.cli.process import Server
from tests.rendering.fast import crafted
from tests.surfaces.objects import loaded

SMALL = ("--resolution", 12, "--checkpoint", "tent.pt", "--config", "tent.json")
OWN = ("--checkpoint", "tent.pt", "--config", "tent.json")
CONFIG = {
    "data": {"imsize": 16, "near": 2.0, "far": 6.0, "radius": 4.0, "fov": 40.0},
    "nerf": {"netdepth": 4, "netwidth": 8, "multires": 10, "multires_views": 1, "N_samples": 32},
    "z_dist": {"dim": 4, "dim_appearance": 2},
}  # of `crafted.SPEC`


@pytest.fixture(autouse=True)
def _tent(tmp_path: Path) -> None:
    """A model of one object of a few hundred weights, since toy cars take seconds."""
    network = crafted.tent((0.1, -0.2, 0.05), (0.9, 0.6, 0.75)).network
    torch.save({"generator_test": as_network(network).coarse.state_dict()}, tmp_path / "tent.pt")
    (tmp_path / "tent.json").write_text(json.dumps(CONFIG))


@pytest.mark.parametrize("suffix", ["glb", "ply", "obj", "stl"])
def test_a_mesh_can_be_read_by_others_told_of_and_made_again(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"car.{suffix}"
    assert run("export", "--seed", 3, *SMALL, "--out", path.name).stdout == f"{path.name}\n"
    found = loaded(path, force="mesh", process=suffix == "stl")
    assert found.is_watertight
    assert found.volume > 0.1
    told = run("info", path.name).stdout
    assert "generated   yes" in told
    assert "export      mesh" in told
    run("replay", path.name, *OWN)
    assert (tmp_path / f"car-replay.{suffix}").read_bytes() == path.read_bytes()


def test_gltf_is_y_up_and_linear_and_the_others_z_up(run: Run, tmp_path: Path) -> None:
    for suffix in ("glb", "ply"):
        run("export", "--seed", 3, *SMALL, "--out", f"car.{suffix}")
    upright, plain = (
        loaded(tmp_path / f"car.{suffix}", force="mesh", process=False) for suffix in ("glb", "ply")
    )
    assert np.allclose(upright.vertices, plain.vertices[:, [0, 2, 1]] * (1, 1, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "format_", "kind"),
    [
        (("--out", "a.npz"), "npz", "grid"),
        (("--out", "a.ply", "--as", "points"), "ply", "points"),
        (("--out", "a.bin", "--format", "obj"), "obj", "mesh"),
    ],
)
def test_what_is_written_follows_the_suffix_and_the_options(
    run: Run, words: tuple[str, ...], format_: str, kind: str
) -> None:
    run("export", *SMALL, *words)
    told = json.loads(run("info", words[1], "--json").stdout)
    assert told["format"] == format_
    assert told["recipe"]["export"]["kind"] == kind


def test_many_objects_in_shards_resumed_and_in_a_batch(run: Run, tmp_path: Path) -> None:
    job = ("export", "--n", 3, *SMALL)
    run(*job, "--out", "cars/", "--shard", "1/2")
    run(*job, "--out", "cars/", "--shard", "2/2")
    run(*job, "--out", "whole/")
    names = [f"{k:04}.glb" for k in range(3)]
    for name in names:
        assert (tmp_path / "cars" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    (tmp_path / "cars" / names[1]).unlink()
    told = json.loads(run(*job, "--out", "cars/", "--resume", "--json").stdout)
    assert (told["objects"], told["kept"]) == (3, 2)
    assert "finished    3" in run("info", "cars").stdout
    line = {"command": "export", "n": 3, "resolution": 12, "out": "whole/"}
    line |= {"checkpoint": "tent.pt", "config": "tent.json"}
    done = json.loads(run("batch", "-", "--resume", input=json.dumps(line)).stdout)
    assert done["status"] == "kept"
    seeds = [json.loads(text) for text in (tmp_path / "cars/samples.jsonl").read_text().split()]
    assert [record["file"] for record in seeds] == names
    run("export", "--seed", seeds[2]["seed"], *SMALL, "--out", "one.glb")
    one, again = (loaded(tmp_path / p, force="mesh") for p in ("one.glb", f"cars/{names[2]}"))
    assert np.array_equal(one.vertices, again.vertices)


def test_random_objects_are_those_of_samples_of_the_same_seed(run: Run) -> None:
    job, end = ("--n", 3, "--seed", 7, *OWN), ("--out", "cars/", "--dry-run")
    ours, theirs = (json.loads(run(of, *job, *end).stdout) for of in ("export", "sample"))
    assert ours["plan"] == theirs["plan"]
    assert ours["plan"]["seed"] == 7


def test_one_file_is_kept_when_it_is_there(run: Run) -> None:
    job = ("export", *SMALL, "--out", "car.glb", "--resume", "--json")
    assert json.loads(run(*job).stdout)["kept"] == 0
    assert json.loads(run(*job).stdout)["kept"] == 1
    run("export", "--seed", 1, *SMALL, "--out", "car.glb", "--resume", code=1)


def test_standard_output_is_a_file_too(run: Run, graf: Server, tmp_path: Path) -> None:
    run("export", *SMALL, "--out", "car.stl")
    sent = tmp_path / "sent"
    words = ("export", *SMALL, "--out", "-", "--format", "stl")
    assert graf.start(*words, cwd=tmp_path, stdout=sent).wait() == (0, "")
    assert sent.read_bytes() == (tmp_path / "car.stl").read_bytes()


def test_an_end_on_the_way_leaves_nothing(graf: Server, tmp_path: Path) -> None:
    running = graf.start("export", "--out", "car.glb", cwd=tmp_path)
    while not list(tmp_path.glob(".car-*")) and not running.ended:
        pass
    running.send(signal.SIGINT)
    code, said = running.wait()
    assert code == 130, said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tent.json", "tent.pt"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--out", "a.png"), "`.png`; use one of .glb"),
        (("--out", "a.glb", "--as", "splats"), ".glb holds mesh and not splats; use"),
        (("--n", "2", "--out", "a.glb"), "holds one object, but 2 are asked for"),
        (("--sh", "1"), "--sh is for splats; leave it out of mesh"),
        (("--n", "2", "--seed", "3:4"), "--seed sweeps; with --n it takes one number"),
        (("--n", "2", "--shape", "3"), "--shape does not fit --n random objects"),
        (("--resolution", "2"), "8<=x<=1024"),
        (("--level", "0"), "--level"),
        (("--out", "a.stl", "--resolution", "8", "--faces", "20"), "no room for its recipe"),
    ],
)
def test_what_cannot_be_meant_is_told(run: Run, words: tuple[str, ...], sentence: str) -> None:
    code = 1 if "--faces" in words else 2
    assert sentence in run("export", *OWN, *words, code=code).stderr


def test_pictures_and_shapes_are_not_mixed_up(run: Run) -> None:
    assert "graf export" in run("render", *OWN, "--out", "a.glb", code=2).stderr
    generator = graf_cli.load(checkpoint="tent.pt", config="tent.json")
    made = graf_cli.export(generator, "tent.npz", resolution=8)
    assert made.path == Path("tent.npz")
    with pytest.raises(UsageError, match="of shapes, not of pictures"):
        graf_cli.draw(generator, made.recipe)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_shape_in_hand_has_a_bar_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr("sys.stderr", stream)
        told = Told()
        for done in (0.0, 0.25, 1.0, 1.0):
            told.making(done, "baking")
        seen.append(stream.getvalue())
    assert "baking:  25%" in seen[0]
    assert seen[1] == ""
