"""Files of EG3D of any size, as the authors' programs lay them out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from graf_cli.families.eg3d.network import Generator
from graf_cli.families.eg3d.spec import Spec
from tests.weights.pickled import Called, Named, New, module, nested, parameter, rebuilt

Arrays = dict[str, np.ndarray[Any, Any]]
PERSISTENCE = Named("torch_utils.persistence", "_reconstruct_persistent_obj")
THEIRS = {
    "mapping": ("backbone", "mapping"),
    "backbone": ("backbone", "synthesis"),
    "hidden": ("net", "0"),
    "out": ("net", "2"),
}


def persistent(name: str, state: object) -> Called:
    """A persistent object, whose source text must not be run."""
    about = {"type": "class", "version": 6, "module_src": "raise SystemExit"}
    return Called(PERSISTENCE, ({**about, "class_name": name, "state": state},))


def checkpoint(spec: Spec, seeds: dict[str, int]) -> dict[str, Any]:
    """A file's dictionary, with a network of random numbers for each of some names."""
    return {name: generator(spec, arrays(spec, seed)) for name, seed in seeds.items()}


def arrays(spec: Spec, seed: int) -> Arrays:
    """Random weights by our names, before gains."""
    network = Generator(spec, device=torch.device("meta"), dtype=torch.float32)
    draw = np.random.default_rng(seed)
    return {
        name: draw.standard_normal(tuple(tensor.shape), dtype=np.float32)
        for name, tensor in network.state_dict().items()
    }


def generator(spec: Spec, weights: Arrays) -> Called:
    """A network as a persistent object."""
    tree = _tree(weights)
    ends = ("auto", "auto") if spec.near is None else (spec.near, spec.far)
    options = {
        "clamp_mode": "softplus",
        "c_scale": spec.c_scale,
        "c_gen_conditioning_zero": not spec.conditioned,
        "decoder_lr_mul": spec.decoder_rate,
        "depth_resolution": spec.samples,
        "depth_resolution_importance": spec.further,
        "ray_start": ends[0],
        "ray_end": ends[1],
        "disparity_space_sampling": spec.disparity,
        "box_warp": spec.box,
        "white_back": spec.white,
        "superresolution_noise_mode": spec.stage_noise,
        "avg_camera_radius": spec.radius,
        "avg_camera_pivot": [*spec.pivot],
    }
    backbone = {
        "mapping": _mapping(spec, tree["mapping"]),
        "synthesis": persistent("SynthesisNetwork", _blocks(spec, tree["backbone"], spec.clamp)),
    }
    decoder = {
        name: _linear(tree["decoder"][ours], "linear", spec.decoder_rate)
        for name, ours in (("0", "hidden"), ("2", "out"))
    }
    axes = np.array(spec.axes, "<f4")
    renderer = module({}, {}, {"plane_axes": rebuilt(nested(axes), axes.shape)})
    net = New(Named("torch.nn.modules.container", "Sequential"), module({}, decoder, {}))
    stage = _blocks(spec, tree["superresolution"], spec.stage_clamp)
    stage |= {"input_resolution": spec.stage_input, "sr_antialias": spec.antialias}
    parts = {
        "renderer": New(
            Named("training.volumetric_rendering.renderer", "ImportanceRenderer"), renderer
        ),
        "backbone": persistent("Generator", module({}, backbone, {})),
        "superresolution": persistent(spec.stage, stage),
        "decoder": New(Named("training.triplane", "OSGDecoder"), module({}, {"net": net}, {})),
    }
    about = {
        "z_dim": spec.z_dim,
        "w_dim": spec.w_dim,
        "neural_rendering_resolution": spec.raster,
        "rendering_kwargs": options,
    }
    return persistent("TriPlaneGenerator", module({}, parts, about))


def _tree(weights: Arrays) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, array in weights.items():
        *path, last = name.split(".")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = array
    return tree


def _tensors(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: parameter(rebuilt(nested(array), array.shape))
        for name, array in tree.items()
        if not isinstance(array, dict)
    }


def _linear(tree: dict[str, Any], activation: str, rate: float = 1.0) -> Called:
    gain = rate / math.sqrt(tree["weight"].shape[1])
    about = {"activation": activation, "weight_gain": gain, "bias_gain": rate}
    return persistent("FullyConnectedLayer", module(_tensors(tree), {}, about))


def _mapping(spec: Spec, tree: dict[str, Any]) -> Called:
    inner = {"embed": _linear(tree["embed"], "linear")}
    for layer in range(spec.mapping_layers):
        inner[f"fc{layer}"] = _linear(tree[f"fc{layer}"], "lrelu", 0.01)
    about = {"num_layers": spec.mapping_layers}
    return persistent("MappingNetwork", module(_tensors(tree), inner, about))


def _blocks(spec: Spec, tree: dict[str, Any], clamp: float | None) -> dict[str, Any]:
    return module({}, dict(_made(spec, tree, clamp)), {})


def _made(spec: Spec, tree: dict[str, Any], clamp: float | None) -> Iterator[tuple[str, Called]]:
    for name, block in tree.items():
        same = name == "block0" and not spec.enlarges_first
        layers = {}
        for key, layer in block.items():
            if not isinstance(layer, dict):
                continue
            inner = {"affine": _linear(layer["affine"], "linear")}
            out, width = layer["weight"].shape[:2]
            about: dict[str, Any] = {"conv_clamp": clamp, "out_channels": out}
            if key == "torgb":
                kind, about["weight_gain"] = "ToRGBLayer", 1 / math.sqrt(width)
            else:
                kind = "SynthesisLayer"
                about |= {"activation": "lrelu", "act_gain": math.sqrt(2), "use_noise": True}
                about["up"] = 2 if key == "conv0" and not same else 1
            layers[key] = persistent(kind, module(_tensors(layer), inner, about))
        kind = "SynthesisBlockNoUp" if same else "SynthesisBlock"
        state = module(_tensors(block), layers, {"architecture": "skip"})
        yield name, persistent(kind, state)
