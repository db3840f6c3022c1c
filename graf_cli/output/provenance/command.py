"""The command line that shows an object again."""

from __future__ import annotations

from graf_cli.errors import GrafError
from graf_cli.model.manifest import load_manifest
from graf_cli.model.spec import features_of
from graf_cli.recipe import Recipe, Samples, Sweep
from graf_cli.scene.codes import drawn_seed
from graf_cli.scene.features import Features

YOURS = "CHECKPOINT"  # stands for a file of a person's own, whose place no recipe knows


def option(name: str, value: object) -> list[str]:
    """The arguments that give an option of the command line."""
    return [f"--{name}", str(value)]


def object_seed(recipe: Recipe) -> int | None:
    """The one seed of all codes, if there is one."""
    match recipe.plan:
        case Samples() as plan:
            return drawn_seed(plan.seed, recipe.frame or 0)
        case Sweep(subject=subject) if not subject.moves:
            seeds = {several[0] for several in subject.seeds.values()}
            return next(iter(seeds)) if len(seeds) == 1 else None
    return None


def command_of(recipe: Recipe) -> list[str] | None:
    """The arguments that say which object a recipe of one shows, to `graf render`.

    Returns
    -------
    list of str or None
        Of the model, the object and its samples; the view and the file are left to whoever asks.
        None where no arguments do: between two seeds, of rows of numbers, of a sweep of controls.
    """
    match recipe.plan:
        case Samples() as plan:
            seeds, values, truncation = {}, dict(plan.controls), plan.truncation
        case Sweep(subject=subject) if not subject.moves and subject.rows is None:
            seeds = {name: several[0] for name, several in subject.seeds.items()}
            values = {name: several[0] for name, several in subject.controls.items()}
            truncation = subject.truncation
        case _:
            return None
    features, seed = _features(recipe), object_seed(recipe)
    arguments = ["graf", "render"]
    arguments += option("checkpoint", YOURS) if features is None else _model(recipe)
    if seed is not None:
        arguments += option("seed", seed)
    else:
        for name, one in seeds.items():
            arguments += option("code", f"{name}={one}")
    for name, value in values.items():
        arguments += option("control", f"{name}={value!r}")
    if truncation != (1.0 if features is None else features.truncation_default):
        arguments += option("truncation", truncation)
    if features is None or recipe.samples != features.samples:
        arguments += option("samples", recipe.samples)
    if recipe.jitter is not None:
        arguments += option("jitter", recipe.jitter)
    return arguments


def _model(recipe: Recipe) -> list[str]:
    return option("model", recipe.model.name)


def _features(recipe: Recipe) -> Features | None:
    """Of the recipe's model, where its name is one that every copy of the program knows."""
    try:
        return features_of(load_manifest(None).resolve(recipe.model.name))
    except GrafError:
        return None
