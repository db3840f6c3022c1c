"""What the options that commands share come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from graf_cli.cli import console
from graf_cli.cli.console import Common
from graf_cli.errors import UsageError
from graf_cli.syntax import DEFAULT_MODEL

if TYPE_CHECKING:
    from graf_cli.engine.contract import Engine
    from graf_cli.jobs import OutputOptions
    from graf_cli.model.generator import Generator
    from graf_cli.opening import Opened
    from graf_cli.recipe import Ease, Kind, NormalFrame, Recipe
    from graf_cli.rendering.renderer import RenderOptions
    from graf_cli.scene.features import Features
    from graf_cli.syntax import Precision

T = TypeVar("T")


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and where it runs."""

    model: str | None
    checkpoint: Path | None
    config: Path | None
    device: str
    family: str | None = None
    like: str | None = None

    def load(self) -> Generator:
        """The generator, fetched if need be.

        Raises
        ------
        GrafError
        """
        common = console.common()
        key = (common.manifest, self)
        if key not in common.models:
            common.models[key] = self._load(common)
        return common.models[key]

    def _load(self, common: Common) -> Generator:
        from graf_cli import opening

        name = self.model or DEFAULT_MODEL
        with console.transfer(name) as progress:
            return opening.load(
                name,
                checkpoint=self.checkpoint,
                config=self.config,
                family=self.family,
                like=self.like,
                device=self.device,
                manifest=common.manifest,
                offline=common.offline,
                progress=progress,
                notify=console.notify,
            )

    def load_for(self, recipe: Recipe) -> Generator:
        """The recipe's own model, which is never fetched.

        Raises
        ------
        GrafError
        """
        from graf_cli import opening

        common = console.common()
        key = (common.manifest, recipe.model, replace(self, model=None))
        if key not in common.models:
            common.models[key] = opening.load_for(
                recipe,
                checkpoint=self.checkpoint,
                config=self.config,
                family=self.family,
                like=self.like,
                device=self.device,
                manifest=common.manifest,
            )
        return common.models[key]

    def outline(self) -> Opened:
        """What is known of the model without fetching it.

        Raises
        ------
        GrafError
        """
        from graf_cli import opening

        return opening.outline(
            self.model or DEFAULT_MODEL,
            checkpoint=self.checkpoint,
            config=self.config,
            family=self.family,
            like=self.like,
            manifest=console.common().manifest,
        )


@dataclass(frozen=True)
class PictureChoice:
    """What pictures show; None leaves it to the model or the recipe."""

    size: tuple[int, int] | None
    samples: int | None
    background: str | None
    truncation: float | None
    show: tuple[Kind, ...] | None = None
    depth_range: tuple[float, float] | None = None
    normals: NormalFrame | None = None
    controls: tuple[tuple[str, tuple[float, ...]], ...] = ()
    jitter: int | None = None
    raster: tuple[int, int] | None = None
    objects: tuple[float, ...] | None = None

    def asked(self) -> dict[str, Any]:
        """For `graf_cli.request`.

        Raises
        ------
        UsageError
        """
        return {**asdict(self), "controls": by_name("controls", self.controls)}


@dataclass(frozen=True)
class ExportChoice:
    """What is taken out of which objects; None leaves it to the model, or to what suits."""

    truncation: float | None
    samples: int | None
    frames: int | None
    ease: Ease | None
    resolution: int | None
    level: float | None
    faces: int | None
    smooth: int | None
    sh: int | None
    controls: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def asked(self) -> dict[str, Any]:
        """For `graf_cli.request.export`.

        Raises
        ------
        UsageError
        """
        return {**asdict(self), "controls": by_name("controls", self.controls)}


@dataclass(frozen=True)
class ViewChoice:
    """Where pictures are taken from; None leaves it to the model or the recipe."""

    azimuth: tuple[float, ...] | None
    elevation: tuple[float, ...] | None
    radius: tuple[float, ...] | None
    fov: tuple[float, ...] | None

    def asked(self) -> dict[str, Any]:
        """For `graf_cli.request`."""
        return asdict(self)


@dataclass(frozen=True)
class ObjectChoice:
    """Which object; None leaves it to the recipe, or to seed 0."""

    seed: tuple[int, ...] | None
    codes: tuple[tuple[str, tuple[int, ...]], ...]
    shape: tuple[int, ...] | None
    appearance: tuple[int, ...] | None
    latent: Path | None
    space: str | None

    def asked(self, features: Features) -> dict[str, Any]:
        """For `graf_cli.request`.

        Raises
        ------
        UsageError
            When the file does not hold codes of such a model.
        """
        asked: dict[str, Any] = {
            "seed": self.seed,
            "codes": by_name("codes", self.codes),
            "space": self.space,
            "shape": self.shape,
            "appearance": self.appearance,
        }
        if self.latent:
            from graf_cli.cli.inputs import read_from
            from graf_cli.scene.codes import read_rows

            space = self.space or "z"
            codes = read_from(self.latent, lambda path: read_rows(path, features, space))
            asked["latents"] = codes.tolist()
        return asked


def by_name(field: str, given: Iterable[tuple[str, T]]) -> dict[str, T] | None:
    """Values by their names, each said once; None where there are none.

    Raises
    ------
    UsageError
    """
    found: dict[str, T] = {}
    for name, value in given:
        if name in found:
            raise UsageError(f"⟨{field}⟩ says `{name}` twice; leave out one.")
        found[name] = value
    return found or None


@dataclass(frozen=True)
class MotionChoice:
    """How frames follow each other; None leaves it to the recipe."""

    frames: int | None
    fps: float | None
    ease: Ease | None
    boomerang: bool | None

    def asked(self) -> dict[str, Any]:
        """For `graf_cli.request`."""
        return asdict(self)


@dataclass(frozen=True)
class EngineChoice:
    """How and where pictures are drawn."""

    exact: bool
    chunk: int | None
    precision: Precision
    engine: str
    address: str | None
    workers: int | None

    @contextmanager
    def open(self) -> Iterator[Engine]:
        """The engine that is open already, or a new one for the block.

        Raises
        ------
        GrafError
        """
        common = console.common()
        if common.engine is not None:
            yield common.engine
            return
        with self._new() as engine:
            common.engine = engine
            try:
                yield engine
            finally:
                common.engine = None

    def _new(self) -> Engine:
        from graf_cli.engine.table import open_engine

        return open_engine(self.engine, self.address, self.workers)

    def options(self) -> RenderOptions:
        """As they were given; what a recipe makes of them, `graf_cli.jobs.options_of` knows."""
        from graf_cli.rendering.renderer import RenderOptions

        return RenderOptions(exact=self.exact, chunk=self.chunk, precision=self.precision)


@dataclass(frozen=True)
class OutputChoice:
    """How results are packed and told of."""

    clobber: bool
    metadata: bool
    as_json: bool
    dry_run: bool
    resume: bool
    shard: str | None
    form: str | None = None
    codec: str | None = None
    crf: int | None = None
    loop: int | None = None

    def options(self) -> OutputOptions:
        """For `graf_cli.jobs`.

        Raises
        ------
        UsageError
            When there is no such shard.
        """
        from graf_cli.jobs import OutputOptions
        from graf_cli.output.formats import Encoding
        from graf_cli.sharding import parse_shard

        return OutputOptions(
            clobber=self.clobber,
            metadata=self.metadata,
            resume=self.resume,
            shard=None if self.shard is None else parse_shard(self.shard),
            encoding=Encoding(codec=self.codec, crf=self.crf, loop=self.loop),
        )
