"""`graf download` against a server that misbehaves; what fetches on its own afterwards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from graf_cli.scoring import standard
from graf_cli.weights.download import Source
from tests.cli.conftest import Run
from tests.conftest import REFERENCE
from tests.server import Body, Status, serve

CONFIG = """
[models.{name}]
title = "A measured case"
default_size = 24
[models.{name}.camera]
near = 7.5
far = 12.5
radius = 10
fov = 30
v = [0.0, 0.45642212862617093]
[models.{name}.network]
width = 32
[models.{name}.files]
24 = {{ url = "{url}"{digest} }}
"""
WEIGHTS = (REFERENCE / "cars.pt").read_bytes()
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.delenv("GRAF_OFFLINE")


def manifest_for(folder: Path, url: str, digest: str | None = None, name: str = "own") -> Path:
    path = folder / f"{name}.toml"
    words = f', sha256 = "{digest}"' if digest else ""
    path.write_text("schema = 1\n" + CONFIG.format(name=name, url=url, digest=words))
    return path


@pytest.mark.usefixtures("online")
def test_download_then_render_offline(run: Run, tmp_path: Path) -> None:
    with serve({"/cars.pt": [Status(500), Body(WEIGHTS)]}) as server:
        manifest = manifest_for(tmp_path, server.url("/cars.pt"))
        first = run("download", "own", "--manifest", manifest)
        path = Path(first.stdout.strip())
        assert path.read_bytes() == WEIGHTS
        assert tmp_path / "cache" in path.parents
        assert "SHA-256" in first.stderr
        assert run("download", "own:24", "--manifest", manifest).stdout == first.stdout
        assert len(server.gets("/cars.pt")) == 2
    run("render", "--model", "own", "--manifest", manifest, "--offline", "--size", 8)
    assert (tmp_path / "own.png").is_file()


@pytest.mark.usefixtures("online")
def test_what_scores_are_measured_with_has_a_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a manifest has a model that is called so."""
    with serve({"/a-1.pth": Body(WEIGHTS), "/cars.pt": Body(WEIGHTS)}) as server:
        source = Source(server.url("/a-1.pth"), "a-1.pth", DIGEST)
        monkeypatch.setattr(standard, "WEIGHTS", source)
        done = json.loads(run("download", "inception", "--json").stdout)
        assert done == {"model": "inception", "path": str(tmp_path / "cache" / "a-1.pth")}
        manifest = manifest_for(tmp_path, server.url("/cars.pt"), name="inception")
        assert "cars" in run("download", "inception", "--manifest", manifest).stdout
    monkeypatch.setattr(standard, "WEIGHTS", Source(source.url, source.filename, "0" * 64))
    assert "promises 0000" in run("download", "inception", code=1).stderr


@pytest.mark.usefixtures("online")
def test_render_fetches_what_it_needs(run: Run, tmp_path: Path) -> None:
    with serve({"/cars.pt": Body(WEIGHTS)}) as server:
        manifest = manifest_for(tmp_path, server.url("/cars.pt"), DIGEST)
        run("render", "--model", "own", "--manifest", manifest, "--size", 8, "--out", "a.png")
    assert (tmp_path / "a.png").is_file()


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (Body(b"<!DOCTYPE html><title>Login</title>"), None),
        (Body(WEIGHTS), "0" * 64),
        (Status(404), None),
    ],
)
def test_a_bad_answer_is_one_sentence_and_no_file(
    run: Run, tmp_path: Path, body: Body | Status, digest: str | None
) -> None:
    with serve({"/cars.pt": body}) as server:
        manifest = manifest_for(tmp_path, server.url("/cars.pt"), digest)
        result = run("download", "own", "--manifest", manifest, code=1)
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""
    assert not list((tmp_path / "cache").rglob("cars.pt"))


def test_offline_says_so(run: Run) -> None:
    assert "offline" in run("download", "cars", code=1).stderr.lower()
    assert "offline" in run("render", "--model", "cars", "--out", "a.png", code=1).stderr.lower()


def test_a_file_beside_the_manifest_is_used_where_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(WEIGHTS)
    manifest = manifest_for(tmp_path, "weights.pt", DIGEST)
    stdout = run("download", "own", "--manifest", manifest).stdout
    assert stdout.strip() == str(tmp_path / "weights.pt")
    result = json.loads(run("download", "own", "--manifest", manifest, "--json").stdout)
    assert result == {"model": "own:24", "path": stdout.strip()}
    (tmp_path / "weights.pt").write_bytes(WEIGHTS[:-1] + b"?")
    assert "SHA-256" in run("render", "--model", "own", "--manifest", manifest, code=1).stderr


def test_plain_http_to_elsewhere_is_refused(run: Run, tmp_path: Path) -> None:
    manifest = manifest_for(tmp_path, "http://models.example/cars.pt")
    error = run("models", "--manifest", manifest, code=1).stderr
    assert "own" in error
    assert "url" in error


def test_what_a_person_has_to_get_is_told_where(run: Run, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(WEIGHTS)
    manifest = manifest_for(tmp_path, "weights.pt")
    words = 'by_hand = "Own.zip from https://models.example/own"'
    manifest.write_text(manifest.read_text().replace('url = "weights.pt"', words))
    for command in (("download", "own"), ("render", "--model", "own", "--out", "a.png")):
        error = run(*command, "--manifest", manifest, code=1).stderr
        assert "get Own.zip from https://models.example/own yourself" in error
        assert "--checkpoint" in error
    assert not list(tmp_path.glob("a.png"))
    shown = run("models", "show", "own", "--manifest", manifest).stdout
    assert "Own.zip from https://models.example/own" in shown


def test_all_leaves_out_what_a_person_has_to_get(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.pt").write_bytes(WEIGHTS)
    manifest = manifest_for(tmp_path, "weights.pt")
    monkeypatch.setattr("graf_cli.model.manifest.builtin_manifest", lambda: manifest)
    other = manifest_for(tmp_path, "weights.pt", name="other")
    other.write_text(other.read_text().replace('url = "weights.pt"', 'by_hand = "it from x"'))
    monkeypatch.setattr("graf_cli.model.manifest.PACKAGE", tmp_path / "package")
    result = run("download", "--all", "--manifest", other)
    assert result.stdout.split() == [str(tmp_path / "weights.pt")]
    assert "other:24" in result.stderr
