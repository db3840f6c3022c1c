"""How large the pictures on the way are."""

from __future__ import annotations

from graf_cli.viewer.pictures import FIRST_STEP, LEAST, QUICK, SMALL, STEP, quicker, steps


def test_small_frames_become_as_large_as_is_quick() -> None:
    pixels = SMALL
    for _ in range(20):
        pixels = quicker(pixels, pixels / LEAST * QUICK / 2)  # twice the least in that time
    assert 1.9 * LEAST < pixels < 2.1 * LEAST
    assert quicker(SMALL, 9.0) == SMALL // 2, "its first one makes a grid"
    assert quicker(LEAST, 9.0) == LEAST
    assert quicker(SMALL, 0.0) == SMALL


def test_steps_lead_to_a_large_picture_and_none_to_a_small_one() -> None:
    assert steps((256, 256)) == []
    sizes = steps((1600, 1200))
    assert [width * height for width, height in sizes] == sorted(w * h for w, h in sizes)
    assert FIRST_STEP <= sizes[0][0] * sizes[0][1] < STEP * FIRST_STEP * 1.01
    assert all(abs(width / height - 4 / 3) < 0.02 for width, height in sizes)
