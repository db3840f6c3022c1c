"""How well cars are found again: photographs that the model did not draw, of cars it never saw.

The photographs are of the procedural truth, at cameras drawn as those of training, with the seeds
that no fit has used. What is found is held against the camera that is known, against the
photograph, and against further views of the same car that the inversion never saw.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

import graf_cli as graf
from graf_cli.families.graf.scene import draw_codes
from graf_cli.inversion.answer import Found
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.recipe import Sweep
from graf_cli.scene.camera import azimuth_of, elevation_of
from tools.toycars.evaluate import FIRST_SEED, VIEW_SEED
from tools.toycars.metrics import psnr
from tools.toycars.truth import RADIUS
from tools.toycars.views import View, random_views, truth

OTHER_SEED = 65  # of the further views
OTHERS = 4  # of each car
CLOSE = 3.0  # degrees within which a camera counts as found
HALF_TURN = 180.0


@dataclass(frozen=True)
class Row:
    """One photograph.

    Attributes
    ----------
    car : int
        Seed of its codes.
    azimuth, elevation : float
        How far the camera found is from the true one, degrees.
    psnr : float
        To the photograph, dB.
    unseen : float
        Of the codes found at further cameras, to the same car there; mean of their PSNR, dB.
    seconds : float
        That passed, which hang on what else the machine does.
    processor : float
        Seconds of processor work, of all threads together.
    """

    car: int
    azimuth: float
    elevation: float
    psnr: float
    unseen: float
    seconds: float
    processor: float

    @property
    def found(self) -> bool:
        """Whether the camera is within `CLOSE` degrees, both ways."""
        return abs(self.azimuth) <= CLOSE and abs(self.elevation) <= CLOSE


def rows(
    path: Path,
    cars: Iterable[int],
    *,
    size: int,
    given: bool,
    seconds: float | None,
    device: torch.device,
) -> Iterator[Row]:
    """A row for each of some cars, by number, as it is found.

    Parameters
    ----------
    path
        Of the asset.
    cars
        Numbers, from 0 on, of the cars and of their cameras.
    size
        Pixels a side.
    given
        Whether the camera is told.
    seconds
        Budget of each; None is what it takes.
    device
        Where the model is drawn.
    """
    generator = load_checkpoint(path, None, device)
    cars = [*cars]
    views = random_views(max(cars, default=0) + 1, VIEW_SEED)
    for number in cars:
        yield _row(generator, number, views[number], size, given=given, seconds=seconds)


def _row(
    generator: Generator, number: int, view: View, size: int, *, given: bool, seconds: float | None
) -> Row:
    seed = FIRST_SEED + number
    latent = draw_codes(generator.spec.settings.latent, seed)
    azimuth, elevation = azimuth_of(view.u), elevation_of(view.v)
    told: dict[str, Any] = {"azimuth": azimuth, "elevation": elevation} if given else {}
    photograph = truth(latent, view, size).colour[0].float().clamp(0, 1)
    begun = time.process_time()
    found = graf.invert(generator, photograph.numpy(), size=size, seconds=seconds, **told)
    worked = time.process_time() - begun
    stands = _stands(found)
    off = (stands[0] - azimuth + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN
    others = random_views(OTHERS, OTHER_SEED + number)
    unseen = [
        psnr(_drawn(generator, found, other, size), truth(latent, other, size).colour[0])
        for other in others
    ]
    return Row(seed, off, stands[1] - elevation, found.psnr[0], mean(unseen), found.seconds, worked)


def _stands(found: Found) -> tuple[float, float]:
    plan = found.recipe.plan
    assert isinstance(plan, Sweep)
    return plan.view.azimuth[0], plan.view.elevation[0]


def _drawn(generator: Generator, found: Found, view: View, size: int) -> Tensor:
    """What was found, seen from another side, (H, W, 3)."""
    plan = found.recipe.plan
    assert isinstance(plan, Sweep)
    assert plan.subject.rows is not None
    frame = graf.render(
        generator,
        latents=plan.subject.rows.values,
        azimuth=azimuth_of(view.u),
        elevation=elevation_of(view.v),
        radius=RADIUS,
        size=size,
    )
    return torch.from_numpy(frame.rgb)


def as_markdown(found: list[Row]) -> str:
    """The table, with what was missed in bold, and a line of means."""
    lines = [
        "| car | azimuth off | elevation off | PSNR | PSNR, unseen views | processor |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        angles = f"{row.azimuth:+.1f}° | {row.elevation:+.1f}°"
        if not row.found:
            angles = f"**{row.azimuth:+.1f}°** | **{row.elevation:+.1f}°**"
        lines.append(
            f"| {row.car} | {angles} | {row.psnr:.1f} dB | {row.unseen:.1f} dB "
            f"| {row.processor:.0f} s |"
        )
    close = f"{sum(row.found for row in found)} of {len(found)} within {CLOSE:.0f}°"
    lines.append(
        f"| all | {close} | | {mean(row.psnr for row in found):.1f} dB "
        f"| {mean(row.unseen for row in found):.1f} dB "
        f"| {mean(row.processor for row in found):.0f} s |"
    )
    return "\n".join(lines)


def write_json(path: Path, found: list[Row], **asked: Any) -> None:
    """Every row, as plain data, and what was asked of all of them."""
    told = [{**asdict(row), "found": row.found} for row in found]
    path.write_text(json.dumps({**asked, "rows": told}, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path, **asked: Any) -> list[Row]:
    """The rows that `write_json` has written; none where there is no file.

    Raises
    ------
    ValueError
        When something else was asked of them.
    """
    if not path.exists():
        return []
    told = json.loads(path.read_text(encoding="utf-8"))
    rows = told.pop("rows")
    if told != asked:
        raise ValueError(f"{path} holds rows of {told}, and not of {asked}; name another file.")
    return [Row(**{name: value for name, value in row.items() if name != "found"}) for row in rows]
