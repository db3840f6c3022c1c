"""What is taken out of which objects becomes a Recipe."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from graf_cli.decoding import convert
from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import Export, ModelRef, Recipe
from graf_cli.request import sample, sweep
from graf_cli.request.options import ExportOptions, SampleOptions
from graf_cli.scene.spec import ModelSpec
from graf_cli.surfaces.options import KINDS, Extracted

# Options that mean something for some kinds alone.
ONLY_FOR: dict[str, tuple[Extracted, ...]] = {
    "faces": ("mesh",),
    "smooth": ("mesh",),
    "sh": ("splats",),
}


DEFAULT = Export(kind="mesh").resolution
RESOLUTION: dict[Extracted, int] = {"splats": 96}  # 20,000 of them; twice as many show no more


def export(
    ref: ModelRef, spec: ModelSpec, kind: Extracted, *, n: int | None = None, **asked: Any
) -> Recipe:
    """Shapes of one object, of the objects of a sweep, or of `n` random ones.

    Parameters
    ----------
    ref : ModelRef
    spec : ModelSpec
    kind : str
        What is taken out: see `graf_cli.surfaces.options`.
    n : int, optional
        So many random objects, those of `sample` with the same seed.

    Takes the fields of `ExportOptions`.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or the model has no box in the world.
    """
    if kind not in KINDS:
        raise UsageError(f"⟨kind⟩ cannot be {kind!r:.40}; use {', '.join(KINDS)}.")
    _check_world(spec)
    options = ExportOptions.of(asked)
    said = options.said()
    ours = {key: said.pop(key) for key in _fields() if key in said}
    for key, kinds in ONLY_FOR.items():
        if key in ours and kind not in kinds:
            raise UsageError(f"⟨{key}⟩ is for {' and '.join(kinds)}; leave it out of {kind}.")
    if n is None:
        recipe = sweep(ref, spec, **said)
    else:
        recipe = sample(ref, spec, n, _seed(said), **_of_samples(said))
    ours.setdefault("resolution", RESOLUTION.get(kind, DEFAULT))
    return replace(recipe, export=_export(kind, ours))


def _fields() -> tuple[str, ...]:
    return tuple(key for key in Export.__struct_fields__ if key != "kind")


def _export(kind: Extracted, said: dict[str, Any]) -> Export:
    """Apply the bounds of the format, which only reading does."""
    try:
        return convert({"kind": kind, **said}, Export)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$.")
        raise UsageError(f"⟨{where.rstrip('`')}⟩: {problem}.") from error


def _check_world(spec: ModelSpec) -> None:
    if features_of(spec).cameras == "front":
        raise UsageError(
            f"`{spec.name}` is a scene that cameras stand in front of, which reaches to infinity; "
            "there is no object in a box to export: use `graf render`."
        )


def _seed(said: dict[str, Any]) -> int:
    seed = said.pop("seed", 0)
    seeds = (seed,) if isinstance(seed, int) else tuple(seed)  # the command line's are several
    if len(seeds) != 1:
        raise UsageError("⟨seed⟩ sweeps; with ⟨n⟩ it takes one number, which fixes all objects.")
    return int(seeds[0])


def _of_samples(said: dict[str, Any]) -> dict[str, Any]:
    strange = sorted(said.keys() - set(SampleOptions.__struct_fields__))
    if strange:
        raise UsageError(f"⟨{strange[0]}⟩ does not fit ⟨n⟩ random objects; leave out one.")
    return said
