"""Codes in another space than z, counted in units of what the generator itself puts there.

A mapping network makes a normal code z what the rest of the network takes: rows of w, or
frequencies and phases. Pictures hang on these far more evenly than on z, and there are rows that no
z leads to. How large they usually are is another number for each entry, so that they are looked for
in units of their spread around their middle, where one step size and one prior do for all, as in z.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.model.generator import Generator
from graf_cli.scene.codes import Code, Subject, draw, drawn_seed
from graf_cli.scene.features import told

DRAWS = 256  # of z, from which middle and spread are known to 6 %
STREAM = 0x1A7E  # of their seeds, apart from those of the starts
SMALLEST = 1e-3  # spread of an entry as a share of the mean spread: what never moves may a little


@dataclass(frozen=True, eq=False)
class Coordinates:
    """One space.

    Attributes
    ----------
    generator : Generator
    space : str
        Of `Features.spaces`.
    block : str
        Whose code the rows stand for.
    controls : mapping of str to float
        What the mapping may be conditioned by.
    middle, spread : Tensor, shape as `Features.row_shapes`
        Mean and standard deviation of each entry, float32 on the CPU.
    """

    generator: Generator
    space: str
    block: str
    controls: Mapping[str, float]
    middle: Tensor
    spread: Tensor

    @classmethod
    def of(cls, generator: Generator, space: str, controls: Mapping[str, float]) -> Coordinates:
        """A space of a model whose family says how z leads there."""
        [block] = generator.features.blocks
        rows = []
        for k in range(DRAWS):
            codes = draw(generator.features, drawn_seed(STREAM, k))
            rows.append(_row(generator, codes, space, controls))
        found = torch.stack(rows)
        spread = found.std(dim=0)
        spread = spread.clamp(min=max(SMALLEST * float(spread.mean()), SMALLEST**2))
        return cls(generator, space, block.name, controls, found.mean(dim=0), spread)

    def row(self, code: Tensor) -> Tensor:
        """What the model takes, of numbers in units of the spread, flat; differentiable."""
        middle, spread = (one.to(device=code.device) for one in (self.middle, self.spread))
        return middle + spread * code.view(middle.shape)

    def codes(self, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of codes in z, the numbers that `row` takes, flat, on the CPU."""
        row = _row(self.generator, drawn, self.space, self.controls)
        return {self.block: ((row - self.middle) / self.spread).flatten()}


@torch.no_grad()
def _row(
    generator: Generator, codes: Mapping[str, Tensor], space: str, controls: Mapping[str, float]
) -> Tensor:
    subject = Subject({name: Code(code) for name, code in codes.items()}, controls=controls)
    return generator.row(subject, space).to(device="cpu", dtype=torch.float32)


def space_of(generator: Generator, asked: str | None) -> str:
    """The space that is looked in: the one asked for, else the first that z is mapped to.

    Raises
    ------
    UsageError
        When the model has no such space.
    """
    features = generator.features
    spaces = features.spaces if features.blocks else ("z",)
    if asked is None:
        return spaces[1] if len(spaces) > 1 and generator.maps else spaces[0]
    if asked not in spaces or (asked != "z" and not generator.maps):
        usable = spaces if generator.maps else ("z",)
        raise UsageError(
            f"`{generator.spec.name}` has no codes in the ⟨space⟩ `{asked}` to look for; "
            f"it has {told(usable)}."
        )
    return asked
