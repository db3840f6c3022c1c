"""Every command line of the README runs, and so does its Python."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from graf_cli.cli.main import cli
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.manifest import load_manifest
from graf_cli.weights.download import Source, cache_dir
from tests.conftest import REFERENCE, read_case
from tests.families.pigan.models import CASES as PIGAN
from tests.media import FFMPEG

ROOT = Path(__file__).parents[1]
README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCK = re.compile(r"(?:^<!-- command: (\w+) -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)
COMMANDS = [
    line
    for mark, language, block in BLOCKS
    if language == "sh" and not mark  # the marked ones, which install, are run by .ci/run
    for line in block.replace("\\\n", " ").splitlines()
]
PYTHON = [block for _, language, block in BLOCKS if language == "python"]
SMALLER = {
    f"GRAF_{command}_{option}": value
    for command in ("RENDER", "SAMPLE", "GRID", "DATASET")
    for option, value in (("SIZE", "8"), ("SAMPLES", "8"))
} | {"GRAF_EXPORT_RESOLUTION": "8"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's commands take for granted."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "chkpts").mkdir()
    shutil.copy(REFERENCE / "cars.pt", folder / "chkpts" / "model_best.pt")
    shutil.copy(REFERENCE / "cars.json", folder / "config.yaml")  # JSON is YAML
    with zipfile.ZipFile(folder / "CelebA.zip", "w") as archive:
        for kind in ("generator", "ema"):
            archive.write(PIGAN / f"celeba_{kind}.pth", f"CelebA/{kind}.pth")
    np.save(folder / "codes.npy", read_case("cars").z)
    bottom = [[0.0, 0.0, 0.0, 1.0]]
    matrices = [[*pose.tolist(), *bottom] for pose in read_case("cars").poses]
    frames = [{"transform_matrix": matrix} for matrix in matrices]
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}))
    _programs(folder / "bin")
    return folder


def _programs(folder: Path) -> None:
    folder.mkdir()
    graf = folder / "graf"
    graf.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m graf_cli "$@"\n')
    graf.chmod(0o755)
    (folder / "ffmpeg").symlink_to(FFMPEG)


@pytest.fixture
def shell(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workplace, offline, with untrained weights where the released ones would be."""
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("GRAF_CACHE", str(workplace / "cache"))
    monkeypatch.setenv("GRAF_OFFLINE", "1")
    monkeypatch.setenv("PATH", str(workplace / "bin"), prepend=os.pathsep)
    for name, value in SMALLER.items():
        monkeypatch.setenv(name, value)
    for model in ("cars:128", "faces"):
        source = load_manifest().resolve(model).weights
        assert source is not None
        _pretend_downloaded(source)
    return workplace


def _pretend_downloaded(source: Source) -> None:
    path = cache_dir() / source.filename
    if path.exists():
        return
    path.parent.mkdir(parents=True)
    field = RadianceField(NetworkSpec(), LatentSpec(), device="cpu", dtype=torch.float32)
    torch.save({"generator_test": field.state_dict()}, path)


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, shell: Path) -> None:
    command = re.sub(r"--size \d+(x\d+)?", "--size 8", command)
    command = re.sub(r"--(frames|n|views) \d+", r"--\1 4", command)
    words = shlex.split(command)
    if words[0] == "graf" and not {"|", ">", "<", "&&"} & set(words):
        result = CliRunner().invoke(cli, words[1:])
        assert result.exit_code == 0, result.output
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", PYTHON)
def test_python(block: str, shell: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smaller = (
        block.replace("azimuth=30", "azimuth=30, size=8")
        .replace("frames=12", "frames=2, size=8")
        .replace("size=64", "size=8")
    )
    exec(compile(smaller, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_there_is_something_to_run() -> None:
    assert len(COMMANDS) > 20
    assert len(PYTHON) == 2
    assert {mark for mark, *_ in BLOCKS if mark} == {"first", "tests"}


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[1] / link).exists()


PAGES = (
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / n for n in ("CONTRIBUTING.md", "SECURITY.md")),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:graf_cli|tests|tools|benchmarks|docs|examples)/[\w./-]+)`", page.read_text()
    )
    linked = re.findall(r"\]\(((?!http)[^)#]+\.(?:md|py|png))\)", page.read_text())
    made_up = ("NAME", "bmp")  # of a page that tells how to add a file
    for path in (*(ROOT / n for n in named), *(page.parent / link for link in linked)):
        assert path.exists() or any(word in str(path) for word in made_up), path
