"""The naive twin: rendering with the structure of work of GRAF's own release.

Nothing is folded and nothing left out. Every sample of every ray is encoded and given both codes;
the whole network sees 65,536 of these points a call; what comes out is composited as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import as_network, codes_of
from graf_cli.families.graf.spec import SKIP_LAYER
from graf_cli.model.generator import Generator
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.camera import Rays, rays
from graf_cli.scene.mlp import encode

POINTS_A_CALL = 65536
RAYS_A_BATCH = 32768
INFINITE = 1e10


@torch.inference_mode()
def picture(generator: Generator, shot: Shot, part: int = 1) -> Tensor:
    """Colour on the shot's background, and opacity, of every `part`-th ray; shape = (n, 4)."""
    every = rays(shot.camera, device=generator.device, dtype=torch.float32)
    some = every[slice(None, None, part)]
    batches = range(0, len(some), RAYS_A_BATCH)
    return torch.cat([_batch(generator, shot, some[at : at + RAYS_A_BATCH]) for at in batches])


def _batch(generator: Generator, shot: Shot, through: Rays) -> Tensor:
    count, samples, device = len(through), shot.samples, generator.device
    codes = codes_of(generator.spec.settings, shot.subject)
    t = torch.linspace(0, 1, samples, device=device, dtype=torch.float32)
    z = through.near * (1 - t) + through.far * t
    points = through.origins[:, None] + through.directions[:, None] * z[..., None]
    unit = through.directions / through.directions.norm(dim=-1, keepdim=True)
    raw = _network(
        as_network(generator.network).coarse,
        points.reshape(-1, 3),
        unit[:, None].expand(points.shape).reshape(-1, 3),
        codes.shape.to(device=device).expand(count * samples, -1),
        codes.appearance.to(device=device).expand(count * samples, -1),
    ).reshape(count, samples, 4)
    return _composite(raw, z, through.directions, shot)


def _network(
    field: RadianceField, points: Tensor, directions: Tensor, shape: Tensor, appearance: Tensor
) -> Tensor:
    """Raw colour and density, shape = (n, 4)."""
    network = field.network
    u = torch.cat((encode(points, network.multires), shape), dim=-1)
    v = torch.cat((encode(directions, network.multires_views), appearance), dim=-1)
    calls = range(0, len(u), POINTS_A_CALL)
    return torch.cat(
        [_call(field, u[at : at + POINTS_A_CALL], v[at : at + POINTS_A_CALL]) for at in calls]
    )


def _call(field: RadianceField, u: Tensor, v: Tensor) -> Tensor:
    h = u
    for layer, linear in enumerate(field.pts_linears):
        h = functional.relu(linear(h))
        if layer == SKIP_LAYER:
            h = torch.cat((u, h), dim=-1)
    density = field.alpha_linear(h)
    view = torch.cat((field.feature_linear(h), v), dim=-1)
    colour = field.rgb_linear(functional.relu(field.views_linears[0](view)))
    return torch.cat((colour, density), dim=-1)


def _composite(raw: Tensor, z: Tensor, directions: Tensor, shot: Shot) -> Tensor:
    last = torch.full_like(z[:, :1], INFINITE)
    intervals = torch.cat((z[:, 1:] - z[:, :-1], last), dim=-1)
    intervals = intervals * directions.norm(dim=-1, keepdim=True)
    alpha = 1 - torch.exp(-functional.relu(raw[..., 3]) * intervals)
    clear = torch.cat((torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10), dim=-1)
    weight = alpha * clear.cumprod(dim=-1)[:, :-1]
    opacity = weight.sum(dim=-1, keepdim=True)
    colour = (weight[..., None] * raw[..., :3].sigmoid()).sum(dim=-2)
    behind = torch.tensor(shot.background, device=raw.device, dtype=raw.dtype)
    return torch.cat((colour + (1 - opacity) * behind, opacity), dim=-1)
