"""The command line that shows an object again."""

from __future__ import annotations

from graf_cli.errors import GrafError
from graf_cli.model.manifest import load_manifest
from graf_cli.model.spec import features_of
from graf_cli.recipe import Recipe, Samples, Sweep
from graf_cli.scene.codes import drawn_seed
from graf_cli.scene.features import Features

YOURS = ("--checkpoint", "CHECKPOINT")  # a model of a person's own, whose place no recipe knows


def command_of(recipe: Recipe) -> list[str] | None:
    """The words that say which object a recipe of one shows, to `graf render`.

    Returns
    -------
    list of str or None
        Of the model, the object and its samples; the view and `--out` are left to whoever asks.
        None where no words do: between two seeds, of rows of numbers, of a sweep of controls.
    """
    match recipe.plan:
        case Samples() as plan:
            seeds = {"": drawn_seed(plan.seed, recipe.frame or 0)}
            values, truncation = plan.controls, plan.truncation
        case Sweep(subject=subject) if not subject.moves and subject.rows is None:
            seeds = {name: several[0] for name, several in subject.seeds.items()}
            values = {name: several[0] for name, several in subject.controls.items()}
            truncation = subject.truncation
        case _:
            return None
    features = _features(recipe)
    words = ["graf", "render", *(YOURS if features is None else ("--model", recipe.model.name))]
    if len(set(seeds.values())) == 1:
        words += ["--seed", str(next(iter(seeds.values())))]
    else:
        words += [word for name, seed in seeds.items() for word in ("--code", f"{name}={seed}")]
    for name, value in values.items():
        words += ["--control", f"{name}={value!r}"]
    if truncation != (1.0 if features is None else features.truncation_default):
        words += ["--truncation", repr(truncation)]
    if features is None or recipe.samples != features.samples:
        words += ["--samples", str(recipe.samples)]
    if recipe.jitter is not None:
        words += ["--jitter", str(recipe.jitter)]
    return words


def _features(recipe: Recipe) -> Features | None:
    """Of the recipe's model, where its name is one that every copy of the program knows."""
    try:
        return features_of(load_manifest(None).resolve(recipe.model.name))
    except GrafError:
        return None
