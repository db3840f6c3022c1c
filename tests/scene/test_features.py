"""What there is as often as a control says: names, codes, random scenes."""

from __future__ import annotations

import pytest
import torch

from graf_cli.scene.codes import draw, drawn_controls
from graf_cli.scene.features import Block, Control, Features, Repeated

EACH = (Block("ball.*.form", 6, part="geometry"), Block("ball.*.paint", 4, part="colour"))
BALLS = Repeated("balls", EACH, usual=2, most=9)
CHANCES = ((1.0, 0.25), (2.0, 0.75))
FEATURES = Features(
    blocks=(*BALLS.of(0), *BALLS.of(1), Block("sky", 5, part="background")),
    repeated=BALLS,
    controls=(
        Control("balls", 0, 2, 2, whole=True, drawn=True, chances=CHANCES),
        Control("turn", 0, 360, 180, "degrees"),
        Control("ball.*.x", -1, 3, 0.5, differs=True, drawn=True),
        Control("ball.*.turn", -180, 180, 0, "degrees", drawn=True, instead="turn"),
    ),
)


def test_more_of_them_have_codes_behind_the_others() -> None:
    assert FEATURES.counting({}) is FEATURES
    assert FEATURES.counting({"balls": (1,)}) is FEATURES
    more = FEATURES.counting({"balls": (0, 3.5)})
    names = [block.name for block in more.blocks]
    assert names[:5] == [block.name for block in FEATURES.blocks]
    assert names[5:] == ["ball.2.form", "ball.2.paint", "ball.3.form", "ball.3.paint"]
    assert len(FEATURES.counting({"balls": (1e9,)}).blocks) == 1 + 2 * BALLS.most


@pytest.mark.parametrize("prior", ["gauss", "uniform"])
def test_what_a_seed_draws_does_not_depend_on_how_many_there_are(prior: str) -> None:
    of = {"gauss": FEATURES, "uniform": _uniform()}[prior]
    few, four, nine = (draw(of.counting({"balls": (n,)}), 7) for n in (2, 4, 9))
    assert few.keys() < four.keys() < nine.keys()
    assert all(torch.equal(code, four[name]) for name, code in few.items())
    assert all(torch.equal(code, nine[name]) for name, code in four.items())
    assert not torch.equal(nine["ball.2.form"], nine["ball.3.form"])


def _uniform() -> Features:
    def uniform(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple(Block(one.name, one.length, "uniform", one.part) for one in blocks)

    repeated = Repeated("balls", uniform(EACH), usual=2, most=9)
    return Features(blocks=uniform(FEATURES.blocks), repeated=repeated)


@pytest.mark.parametrize(
    ("name", "number"),
    [("ball.0.form", 0), ("ball.12.x", 12), ("ball.01.x", None), ("sky", None), ("balls", None)],
)
def test_a_name_says_whose_it_is(name: str, number: int | None) -> None:
    assert FEATURES.number(name) == number


def test_random_scenes_have_at_random_what_is_not_said() -> None:
    many = [drawn_controls(FEATURES, seed, {}) for seed in range(400)]
    counts = [one["balls"] for one in many]
    assert {*counts} == {1.0, 2.0}
    assert 0.65 < counts.count(2.0) / len(counts) < 0.85
    assert all(("ball.1.x" in one) == (one["balls"] == 2) for one in many)
    places = [one["ball.0.x"] for one in many]
    assert min(places) < -0.9
    assert max(places) > 2.9
    assert all(-1 <= place < 3 for place in places)


def test_what_is_said_is_not_drawn_and_moves_nothing_else() -> None:
    free = drawn_controls(FEATURES, 3, {"balls": 2})
    said = drawn_controls(FEATURES, 3, {"balls": 5, "ball.0.x": 0.1, "turn": 30})
    assert "ball.0.x" not in said
    assert not any(name.endswith(".turn") for name in said)
    assert said["ball.1.x"] == free["ball.1.x"]
    assert {"ball.4.x"} == {name for name in said if name.startswith("ball.4")}
