"""The models that pages can choose, and those that are held ready."""

from __future__ import annotations

import re
import shlex
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from graf_cli import opening
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import GrafError, RecipeError
from graf_cli.model.generator import Generator
from graf_cli.model.manifest import Manifest, load_manifest
from graf_cli.model.spec import features_of
from graf_cli.opening import Opened
from graf_cli.output.provenance.command import option
from graf_cli.recipe import Kind, Recipe, check_model
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.preview import Preview
from graf_cli.scene.features import Control, Features
from graf_cli.scene.spec import ModelSpec
from graf_cli.syntax import DEFAULT_MODEL
from graf_cli.viewer.line import Source
from graf_cli.weights import download

HELD = 2  # generators in memory: the one that is seen, and the one before
YOURS = "yours"  # by which pages name the model of a checkpoint
SEVERAL = 8  # objects of a scene that a page can set

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Choice:
    """What the command line names.

    Attributes
    ----------
    model : str or None
    checkpoint, config, manifest : Path or None
    family : str or None
    device : str
    offline : bool or None
    """

    model: str | None = None
    checkpoint: Path | None = None
    config: Path | None = None
    family: str | None = None
    device: str = "auto"
    manifest: Path | None = None
    offline: bool | None = None

    @property
    def first(self) -> str:
        """The model that a page opens with, by the name that pages know."""
        return YOURS if self.checkpoint is not None else self.model or DEFAULT_MODEL

    @property
    def file(self) -> list[str]:
        """The arguments that name a checkpoint; here as below, files without their folders."""
        arguments = option("checkpoint", self.checkpoint.name) if self.checkpoint else []
        arguments += option("config", self.config.name) if self.config else []
        return arguments + (option("family", self.family) if self.family else [])

    @property
    def listed(self) -> list[str]:
        """Those that say where models are listed."""
        return option("manifest", self.manifest.name) if self.manifest else []

    @property
    def command_line(self) -> str:
        """All of them, for a shell."""
        model = option("model", self.model) if self.model and not self.checkpoint else []
        return shlex.join([*self.listed, *self.file, *model])


@dataclass(frozen=True, eq=False)
class Held:
    """A model that is ready.

    Attributes
    ----------
    name : str
        By which pages ask for it.
    opened : Opened
    source : Source
        How a command line names it.
    engine : LocalEngine
        Of exact pictures.
    preview, shape : Preview
        Of small frames with colours, and of those that show none.
    quick : dict
        Pixels of small frames that are made at once, by what they show.
    """

    name: str
    opened: Opened
    source: Source
    engine: LocalEngine
    preview: Preview
    shape: Preview
    quick: dict[tuple[Kind, ...], int] = field(default_factory=dict)

    @property
    def generator(self) -> Generator:
        """With its network."""
        assert self.opened.generator is not None
        return self.opened.generator

    @property
    def spec(self) -> ModelSpec:
        """What it is."""
        return self.opened.spec


class Models:
    """Models by the names that pages ask for them.

    They are opened on the renderer's thread alone; any may ask what there is.

    Parameters
    ----------
    choice : Choice
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._read: Manifest | None = None
        self._reading = threading.Lock()

    def open(self, name: str, progress: Progress | None = None) -> Held:
        """A model, fetched if need be.

        Raises
        ------
        GrafError
            When it cannot be had.
        """
        name = name if name == YOURS else self.manifest.resolve(name).name
        if name not in self._held:
            while len(self._held) >= HELD:
                self._held.popitem(last=False)
            self._held[name] = self._open(name, progress)
        self._held.move_to_end(name)
        return self._held[name]

    def _open(self, name: str, progress: Progress | None) -> Held:
        choice = self.choice
        if name == YOURS:
            generator = opening.load(
                checkpoint=choice.checkpoint, config=choice.config, family=choice.family,
                device=choice.device,
            )  # fmt: skip
        else:
            generator = opening.load(
                name, device=choice.device, manifest=choice.manifest, offline=choice.offline,
                progress=progress,
            )  # fmt: skip
        opened = Opened.of(generator)
        objects = Objects(generator)
        preview, shape = (Preview(generator, objects, colours=one) for one in (True, False))
        return Held(name, opened, self._source(name), LocalEngine(), preview, shape)

    def _source(self, name: str) -> Source:
        if name == YOURS:
            return Source((*self.choice.file,), named=True)
        return Source((*self.choice.listed, *option("model", name)))

    def for_recipe(self, recipe: Recipe) -> Held:
        """The very model of a recipe: that of the command line, or one that is on this machine.

        Raises
        ------
        RecipeError
            When neither is.
        """
        if self.choice.checkpoint is not None:
            held = self.open(YOURS)
            try:
                check_model(recipe, held.opened.ref)
            except RecipeError:
                pass
            else:
                return held
        name = recipe.model.name
        self.check_here(name)
        held = self.open(name)
        check_model(recipe, held.opened.ref)
        return held

    def check_here(self, name: str) -> None:
        """The rule of `opening.load_for`: nothing is fetched because a file or a link says so.

        Raises
        ------
        RecipeError
            When a model would have to be.
        """
        if name == YOURS and self.choice.checkpoint is not None:
            return
        spec = self.manifest.resolve(name)
        assert spec.weights is not None
        if download.cached(spec.weights) is None:
            raise RecipeError(
                f"The model `{name}` is not on this machine; choose it, so that it is fetched, and "
                "open this again."
            )

    @property
    def manifest(self) -> Manifest:
        """Read once, on whichever thread: a request would take a tenth of a second more."""
        with self._reading:
            if self._read is None:
                self._read = load_manifest(self.choice.manifest)
            return self._read

    def listed(self) -> Iterator[dict[str, Any]]:
        """What there is to choose."""
        if self.choice.checkpoint is not None:
            name = self.choice.checkpoint.name
            yield {"name": YOURS, "title": name, "here": True, "fetched": True}
        manifest = self.manifest
        for name, entry in manifest.models.items():
            for size in entry.sizes:
                spec = entry.spec(name, size)
                source = spec.weights
                assert source is not None
                yield {
                    "name": spec.name,
                    "title": entry.title,
                    "here": _is_here(source),
                    "fetched": not source.by_hand,
                }


def _is_here(source: download.Source) -> bool:
    try:
        return download.cached(source) is not None
    except GrafError:  # a cache that cannot be read holds nothing
        return False


def facts(held: Held) -> dict[str, Any]:
    """What a page has to know of a model to show its controls."""
    spec, features = held.spec, features_of(held.spec)
    camera = spec.camera

    def middle(ends: tuple[float, float]) -> float:
        return (ends[0] + ends[1]) / 2

    return {
        "name": held.name,
        "title": spec.about.title or spec.name,
        "told": spec.name,
        "family": spec.family,
        "size": [spec.size, spec.height or spec.size],
        "sizes": features.sizes,
        "blocks": [{"name": block.name, "part": block.part} for block in features.blocks],
        "truncation": {"kind": features.truncation, "default": features.truncation_default},
        "controls": [msgspec.to_builtins(control) for control in _controls(features)],
        "shows": [kind for kind in ("rgb", "depth", "normal", "opacity", "raw")
                  if kind in features.shows],
        "background": spec.background if features.background == "colour" else None,
        "turns": features.azimuth,
        "sphere": features.cameras == "sphere" and not camera.orthographic,
        "front": features.cameras == "front",
        "view": {
            "azimuth": middle(camera.azimuth),
            "elevation": middle(camera.elevation),
            "radius": middle(camera.radius),
            "fov": camera.fov,
        },
        "ranges": {
            "azimuth": camera.azimuth,
            "elevation": camera.elevation,
            "radius": camera.radius,
        },
        "lens": not camera.orthographic,
        "bakes": bakes(spec),
    }  # fmt: skip


def bakes(spec: ModelSpec) -> bool:
    """Whether pages turn a volume: where a 2-D network makes the colours, it has others."""
    features = features_of(spec)
    return features.cameras == "sphere" and features.sizes is None


def _controls(features: Features) -> Iterator[Control]:
    """Each that can be set; of a pattern, one an object that has codes."""
    for control in features.controls:
        before, star, after = control.name.partition("*")
        if not star:
            yield control
            continue
        pattern = re.compile(re.escape(before) + r"(\d+)\.")
        found = {int(match[1]) for block in features.blocks if (match := pattern.match(block.name))}
        for number in sorted(found or {0})[:SEVERAL]:
            yield msgspec.structs.replace(control, name=f"{before}{number}{after}")
