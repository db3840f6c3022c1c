import math

import torch

from tools.toycars.metrics import clear_rays, grown, psnr, silhouette_iou

CPU = torch.device("cpu")


def block(size: int, rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(size, size, device=CPU, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def test_iou_of_known_masks() -> None:
    mask = block(8, slice(0, 4), slice(0, 4))
    shifted = block(8, slice(0, 4), slice(2, 6)).float()
    assert silhouette_iou(mask.float(), mask) == 1
    assert silhouette_iou(shifted, mask) == 8 / 24
    assert silhouette_iou(torch.zeros_like(shifted), mask) == 0
    assert silhouette_iou(torch.zeros_like(shifted), torch.zeros_like(mask)) == 1


def test_psnr_of_a_known_error() -> None:
    black = torch.zeros(4, 4, 3, device=CPU)
    assert math.isclose(psnr(black + 0.1, black), 20, abs_tol=1e-4)
    assert psnr(black, black) == math.inf


def test_growth_is_a_disc() -> None:
    spread = grown(block(9, slice(4, 5), slice(4, 5)), 2)
    assert int(spread.sum()) == 13
    assert spread[4, 6]
    assert not spread[6, 6]


def test_clear_rays_leave_a_margin_around_the_truth() -> None:
    mask = block(9, slice(4, 5), slice(4, 5))
    opacity = grown(mask, 2).float()
    assert clear_rays(opacity, mask) == (81 - 13, 81 - 13)
    opacity[0, 0] = 0.02
    assert clear_rays(opacity, mask) == (81 - 14, 81 - 13)
