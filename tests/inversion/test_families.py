"""What other families offer of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graf_cli as graf
from graf_cli.errors import UsageError
from graf_cli.inversion.asking import photographs_of, problem_of

CASES = Path(__file__).parents[1] / "families"


def test_models_whose_objects_move_with_the_camera_are_refused() -> None:
    generator = graf.load(checkpoint=CASES / "eg3d" / "cases" / "ffhq64.pkl", device="cpu")
    with pytest.raises(UsageError, match="cannot be inverted yet"):
        problem_of(generator, photographs_of(np.zeros((4, 4, 3))), {})
