"""What was read becomes a generator: names, sizes and averages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families import modules
from graf_cli.families.contract import Tensors
from graf_cli.families.pigan.draws import stream
from graf_cli.families.pigan.files import EMBEDDING, names, read
from graf_cli.families.pigan.network import Film, Siren, codes_to_average
from graf_cli.families.pigan.spec import Spec
from graf_cli.weights.reading import grouped

GENERATOR, AVERAGES = "generator", "averages"  # networks, as `graf convert` stores them
FREQUENCIES, PHASES = "frequencies", "phases"

_TOGETHER = "check that the files and the configuration belong together."


def load(
    path: Path, like: Spec | None = None, *, unaveraged: bool = False
) -> tuple[Spec, dict[str, Tensors]]:
    """A generator out of the authors' files.

    Parameters
    ----------
    path : Path
        See `graf_cli.families.pigan.files.read`.
    like : Spec or None
        Says what the files do not: samples, cameras, and the class of a bare state dict.
    unaveraged : bool
        Take the weights as training left them.

    Returns
    -------
    Spec, dict of state dicts
        With the class and the sizes of the files; weights as `adopt` makes them.

    Raises
    ------
    CheckpointError
        See `read`, `spec_of` and `adopt`.
    """
    stored = read(path, unaveraged=unaveraged)
    spec = spec_of(path, stored, Spec() if like is None else like)
    return spec, adopt(path, spec, stored)


def adopt(path: Path, spec: Spec, stored: Mapping[str, Any]) -> dict[str, Tensors]:
    """See `Family.adopt`.

    Parameters
    ----------
    path : Path
    spec : Spec
    stored : mapping
        Either what `graf convert` wrote, ``generator`` and ``averages``, or what
        `graf_cli.families.pigan.files.read` makes of the authors' files: ``siren``, the class, and
        ``scale``, where the files say so; ``parameters`` by their names; ``averaged``, a list of
        tensors in their order, or None to draw the parameters themselves.
    """
    if stored and all(isinstance(value, Tensor) for value in stored.values()):
        stored = grouped(path, stored, (GENERATOR, AVERAGES))
        for network in (GENERATOR, AVERAGES):
            if network not in stored:
                raise CheckpointError(f"{path} has no `{network}`; make it with `graf convert`.")
    if AVERAGES in stored:
        generator = _checked(path, spec, dict(stored[GENERATOR]))
        return {GENERATOR: generator, AVERAGES: _checked_averages(path, spec, stored[AVERAGES])}
    _check_class(path, spec, stored)
    parameters = stored["parameters"]
    renamed = names(embedded=EMBEDDING in parameters)
    for name in parameters:
        if name not in renamed:
            raise CheckpointError(f"{path} has a tensor `{name}` too many; {_TOGETHER}")
    averaged = stored.get("averaged")
    if averaged is not None:
        parameters = dict(_averaged(path, parameters, renamed, averaged))
    ours = {renamed[name]: tensor for name, tensor in parameters.items()}
    generator = _checked(path, spec, ours)
    average = average_of(spec, generator)
    row = {FREQUENCIES: average.frequencies, PHASES: average.phases}
    return {GENERATOR: generator, AVERAGES: row}


def average_of(spec: Spec, generator: Tensors) -> Film:
    """Mean frequencies and phases over 10,000 codes of the fixed seed, on the CPU.

    The authors estimate them anew for every picture, from other codes each time. It takes three
    tenths of a second and changes pixels, so graf does it once and keeps the numbers.
    """
    siren = filled(spec, generator, torch.device("cpu"))
    codes = codes_to_average(spec.z, stream(spec.average_seed))
    return siren.averages(codes)


def filled(spec: Spec, generator: Tensors, device: torch.device) -> Siren:
    """A network with its weights, in evaluation mode, without gradients."""
    siren = Siren(spec, device="meta", dtype=torch.float32)
    return modules.filled(siren, generator, device)


def spec_of(path: Path, stored: Mapping[str, Any], like: Spec) -> Spec:
    """`like` with the class and the sizes that the files have.

    Raises
    ------
    CheckpointError
        When the tensors that sizes are read from are missing or have other shapes.
    """
    parameters = stored["parameters"]

    def shape(name: str, axes: int) -> tuple[int, ...]:
        tensor = parameters.get(name)
        if not isinstance(tensor, Tensor) or tensor.ndim != axes:
            raise CheckpointError(
                f"{path} has no tensor `{name}` of {axes} axes; this is not a π-GAN."
            )
        return tuple(tensor.shape)

    mapping, z = shape("siren.mapping_network.network.0.weight", 2)
    _, hidden = shape("siren.final_layer.weight", 2)
    embedded = EMBEDDING in parameters
    cells = shape(EMBEDDING, 5)[2:] if embedded else None
    siren = stored.get("siren") or _class_of(path, like, embedded=embedded)
    plain = {"siren": siren, "z": z, "hidden": hidden, "mapping": mapping, "cells": cells}
    changed = {field: getattr(like, field) for field in Spec.__struct_fields__} | plain
    changed["scale"] = stored.get("scale") or like.scale
    try:
        own = Spec(**{**changed, "scale": None})
        # What the class says anyway stays unsaid, so that equal models have equal specifications.
        return own if changed["scale"] in (None, own.factor) else Spec(**changed)
    except ValueError as error:
        raise CheckpointError(
            f"{path} is of a class that its tensors do not fit: {error}."
        ) from error


def _class_of(path: Path, like: Spec, *, embedded: bool) -> str:
    """The class of a bare state dict, which does not say it."""
    if embedded and not like.embedded:
        return "EmbeddingPiGAN128"
    if like.embedded and not embedded:
        raise CheckpointError(f"{path} has no tensor `{EMBEDDING}`; {_TOGETHER}")
    return like.siren


def _check_class(path: Path, spec: Spec, stored: Mapping[str, Any]) -> None:
    siren, scale = stored.get("siren"), stored.get("scale")
    if siren is not None and siren != spec.siren:
        raise CheckpointError(
            f"{path} is a {siren}, but its configuration says {spec.siren}; "
            f"set `siren` to {siren} there."
        )
    if scale is not None and scale != spec.factor:
        raise CheckpointError(
            f"{path} multiplies points by {scale:g}, but its configuration by {spec.factor:g}; "
            f"set `scale` to {scale!r} there."
        )


def _averaged(
    path: Path, parameters: Tensors, renamed: Mapping[str, str], averaged: Sequence[Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """The averaged weights by the names that belong to their places."""
    order = [name for name in renamed if name in parameters]
    if len(averaged) != len(order):
        raise CheckpointError(
            f"{path}: there are {len(averaged)} averaged tensors for {len(order)} parameters; "
            "check that both files are of one model."
        )
    for place, (name, tensor) in enumerate(zip(order, averaged, strict=True)):
        found, wanted = tuple(tensor.shape), tuple(parameters[name].shape)
        if found != wanted:
            raise CheckpointError(
                f"{path}: averaged tensor {place} has shape {found}, but `{name}` {wanted}; "
                "check that both files are of one model."
            )
        yield name, tensor


def _checked(path: Path, spec: Spec, generator: Mapping[str, Any]) -> Tensors:
    siren = Siren(spec, device="meta", dtype=torch.float32)
    expected = {name: tensor.shape for name, tensor in siren.state_dict().items()}
    return _held(path, GENERATOR, generator, expected)


def _checked_averages(path: Path, spec: Spec, row: Mapping[str, Any]) -> Tensors:
    wanted = torch.Size((spec.film,))
    return _held(path, AVERAGES, row, {FREQUENCIES: wanted, PHASES: wanted})


def _held(
    path: Path, network: str, tensors: Mapping[str, Any], expected: Mapping[str, torch.Size]
) -> Tensors:
    """Tensors as float32, each held against what is expected."""
    for name in expected:
        if name not in tensors:
            raise CheckpointError(f"{path} has no tensor `{network}.{name}`; {_TOGETHER}")
    for name, tensor in tensors.items():
        called = f"`{network}.{name}`"
        if name not in expected:
            raise CheckpointError(f"{path} has a tensor {called} too many; {_TOGETHER}")
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise CheckpointError(
                f"{path}: {called} is not a tensor of floating-point numbers; this is not a π-GAN."
            )
        found, wanted = tuple(tensor.shape), tuple(expected[name])
        if found != wanted:
            raise CheckpointError(
                f"{path}: tensor {called} has shape {found} instead of {wanted}; {_TOGETHER}"
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(
                f"{path}: tensor {called} holds NaN or infinite numbers; "
                "use a checkpoint from before the training diverged."
            )
    return {name: tensors[name].detach().to(device="cpu", dtype=torch.float32) for name in expected}
