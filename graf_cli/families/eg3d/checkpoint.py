"""Files of EG3D become a specification and our tensors.

The authors' files are pickles of whole objects with source text in them; `graf_cli.weights` reads
them as data. What a model is, is read from the state of its objects, not from what they were once
made with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import torch
from torch import Tensor

from graf_cli.decoding import convert
from graf_cli.errors import CheckpointError
from graf_cli.families.eg3d.cameras import TO_OURS
from graf_cli.families.eg3d.network import GAIN, TAPS, Generator
from graf_cli.families.eg3d.spec import CARS_FOCAL, ENLARGING, FACES_FOCAL, Spec
from graf_cli.scene.spec import About, CameraSpec, ModelSpec
from graf_cli.weights.mapped import Mapped
from graf_cli.weights.modules import children, tensors
from graf_cli.weights.objects import Names
from graf_cli.weights.reading import Stored, check_network, grouped, is_safetensors, state_dict
from graf_cli.weights.reading import read as weights_of
from graf_cli.weights.records import Record, StoredTensor, UnsafeFileError
from graf_cli.weights.stores import read_objects

AVERAGED = "G_ema"  # the weights to render
NETWORK = "generator"
DECODER = "decoder.net.0.weight"  # a tensor that no other family's `G_ema` has
YAW = 0.4  # radians to both sides, as the authors' samples of faces and cats turn
PITCH = (-0.3, 0.2)  # of the authors' orbit, which is no angle: lowest v first, so from above
LICENCE = (
    "NVIDIA Source Code License for EG3D: research or evaluation only; published weights come "
    "without a licence text, so treat them alike"
)
CITATION = "Chan et al., Efficient Geometry-aware 3D Generative Adversarial Networks, CVPR 2022"
MAPPING_RATE = 0.01  # learning rate multiplier of the mapping network's layers
CLOSE = 1e-6  # relative; gains are stored as float64
ALIGNMENT = 64  # bytes, of tensors that PyTorch makes on a CPU
MAX_PARAMETERS = 1 << 28  # of one network; the released ones have 31 million

NAMES = Names(
    classes=frozenset(
        {
            "training.triplane.OSGDecoder",
            "training.volumetric_rendering.renderer.ImportanceRenderer",
            "training.volumetric_rendering.ray_marcher.MipRayMarcher2",
            "training.volumetric_rendering.ray_sampler.RaySampler",
            "torch.nn.modules.container.Sequential",
            "torch.nn.modules.activation.Softplus",
        }
    ),
    dicts=frozenset({"dnnlib.util.EasyDict"}),
    persistence="torch_utils.persistence._reconstruct_persistent_obj",
    persistent=frozenset(
        {
            "TriPlaneGenerator",
            "Generator",
            "SynthesisNetwork",
            "SynthesisBlock",
            "SynthesisBlockNoUp",
            "SynthesisLayer",
            "ToRGBLayer",
            "MappingNetwork",
            "FullyConnectedLayer",
            "SuperresolutionHybrid8XDC",
            "SuperresolutionHybrid8X",
            "SuperresolutionHybrid4X",
            "SuperresolutionHybrid2X",
            # of the discriminator and its augmentation, which are read past
            "DualDiscriminator",
            "DiscriminatorBlock",
            "DiscriminatorEpilogue",
            "MinibatchStdLayer",
            "Conv2dLayer",
            "AugmentPipe",
        }
    ),
)
# Of every layer, what our networks take for granted.
_FIXED: dict[str, tuple[object, ...]] = {
    "architecture": ("skip",),
    "use_noise": (True,),
    "padding": (1,),
}


def load(path: Path) -> tuple[Spec, dict[str, dict[str, Tensor]]]:
    """Read a model out of the authors' file, without trusting it.

    Returns
    -------
    Spec
    dict of state dicts
        As `adopt`.

    Raises
    ------
    CheckpointError
        When the file is not there, is not one of EG3D, or is not what it should be.
    """
    stored = read(path).content
    with told(path):
        spec = describe(path, stored)
        return spec, adopt(path, spec, stored)


def read(path: Path) -> Stored:
    """What a file holds, as data; the numbers of a pickle stay in it until they are asked for.

    Raises
    ------
    CheckpointError
        When it cannot be read, or names what EG3D's files do not.
    """
    try:
        with path.open("rb") as stream:
            if is_safetensors(stream):
                return weights_of(path)
        mapped = Mapped(path)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(
            f"{path} cannot be read: {reason}; name a checkpoint file."
        ) from error
    found = read_objects(path, cast(BinaryIO, mapped), NAMES)
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{path} holds no networks; give a file that EG3D's authors made.")
    return Stored(found)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """What is found out about a file only where it is looked into becomes a sentence of it."""
    try:
        yield
    except UnsafeFileError as error:
        raise CheckpointError(
            f"{path} cannot be read: it {error}; give the file that EG3D's authors published."
        ) from error


def recognises(content: Mapping[Any, Any]) -> bool:
    """Whether a file's content is EG3D's: the averaged generator, whole or its tensors."""
    found = content.get(AVERAGED)
    return isinstance(found, Record) or (isinstance(found, Mapping) and DECODER in found)


# what a model is


def model_of(name: str, spec: Spec) -> ModelSpec:
    """What all models have, of a specification."""
    inside = spec.box * math.sqrt(3) / 2  # from the middle of the box to a corner
    near, far = spec.near, spec.far
    if near is None or far is None:  # every ray has its own; these are of the whole box
        near, far = max(spec.radius - inside, 0.0), spec.radius + inside
    ranges: dict[str, Any] = {}
    if spec.conditioned:
        turn = YAW / (2 * math.pi)
        low, high = (0.5 + pitch / math.pi for pitch in PITCH)
        ranges = {"u": (-turn, turn), "v": (low, high)}
    x, y, z = (spec.pivot[axis] for axis in TO_OURS)
    return ModelSpec(
        name=name,
        family="eg3d",
        size=spec.size,
        background="white" if spec.white else "black",
        camera=CameraSpec(
            near=near, far=far, radius=(spec.radius, spec.radius),
            fov=math.degrees(2 * math.atan(0.5 / spec.focal)),
            pixels="centre", depths="ray", pivot=(x, y, z), **ranges,
        ),
        settings=spec,
        about=About(licence=LICENCE, citation=CITATION),
    )  # fmt: skip


def describe(path: Path, stored: Mapping[Any, Any]) -> Spec:
    """The specification of the averaged generator of a file.

    Raises
    ------
    CheckpointError
        When the file holds another kind of network, or only tensors, which do not say it.
    """
    generator = stored.get(AVERAGED)
    if not isinstance(generator, Record):
        error = CheckpointError(
            f"{path} holds no `{AVERAGED}` that says how it renders; give the authors' .pkl file, "
            "or name a model of the manifest that is made alike by ⟨like⟩."
        )
        error.undescribed = True
        raise error
    _check_layers(path, generator, "")
    try:
        return convert(_described(generator), Spec)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        what = str(error).rstrip(".").replace("\n", " ")
        raise CheckpointError(
            f"{path} describes its model in a way that is not known: {what}; "
            "give the file that EG3D's authors published."
        ) from error


def _described(generator: Record) -> dict[str, object]:
    parts = children(generator)
    _expect(generator, "TriPlaneGenerator")
    _expect(parts["backbone"], "Generator")
    backbone, stage = children(parts["backbone"]), parts["superresolution"]
    mapping, synthesis = backbone["mapping"], children(backbone["synthesis"])
    _expect(mapping, "MappingNetwork")
    _expect(backbone["synthesis"], "SynthesisNetwork")
    options: Any = generator.state["rendering_kwargs"]
    if options["clamp_mode"] != "softplus" or options.get("density_noise", 0) != 0:
        raise ValueError("its densities are activated by another function than softplus")
    sizes = [4 << index for index in range(len(synthesis))]
    if [*synthesis] != [f"b{size}" for size in sizes]:
        raise ValueError("its backbone has other blocks than b4, b8, …")
    blocks = children(stage)
    enlarges = stage.name in ENLARGING
    _expect(blocks["block0"], "SynthesisBlock" if enlarges else "SynthesisBlockNoUp")
    _check_enlarging({**synthesis, **blocks}, () if enlarges else ("block0",))
    near, far = options["ray_start"], options["ray_end"]
    auto = near == far == "auto"
    if auto and options["disparity_space_sampling"]:
        raise ValueError("rays that start at the box cannot be sampled in disparity")
    conditioned = not options["c_gen_conditioning_zero"]
    axes: Any = children(generator)["renderer"].state["plane_axes"]
    return {
        "z_dim": generator.state["z_dim"],
        "w_dim": generator.state["w_dim"],
        "mapping_layers": mapping.state["num_layers"],
        "c_scale": options.get("c_scale", 0),
        "conditioned": conditioned,
        "channels": [_outputs(block, "conv1") for block in synthesis.values()],
        "clamp": _clamp([*synthesis.values()]),
        "axes": axes.read().tolist(),
        "decoder_rate": float(options.get("decoder_lr_mul", 1)),
        "samples": options["depth_resolution"],
        "further": options["depth_resolution_importance"],
        "near": None if auto else near,
        "far": None if auto else far,
        "disparity": options["disparity_space_sampling"],
        "box": options["box_warp"],
        "white": bool(options.get("white_back", False)),
        "raster": generator.state["neural_rendering_resolution"],
        "stage": stage.name,
        "stage_input": stage.state["input_resolution"],
        "stage_channels": [_outputs(blocks[name], "conv1") for name in ("block0", "block1")],
        "stage_clamp": _clamp([*blocks.values()]),
        "stage_noise": options["superresolution_noise_mode"],
        "antialias": stage.state.get("sr_antialias", options.get("sr_antialias", True)),
        "radius": options.get("avg_camera_radius", 2.7 if conditioned else 1.7),
        "pivot": options.get("avg_camera_pivot", [0, 0, 0.2 if conditioned else 0]),
        "focal": FACES_FOCAL if conditioned else CARS_FOCAL,
    }  # fmt: skip


def _expect(record: Record, name: str) -> None:
    if record.name != name:
        raise ValueError(f"a `{record.name}` is in the place of a `{name}`")


def _outputs(block: Record, layer: str) -> object:
    return children(block)[layer].state["out_channels"]


def _clamp(blocks: list[Record]) -> object:
    """Of all layers of some blocks, which have to agree."""
    found = {layer.state["conv_clamp"] for block in blocks for layer in children(block).values()}
    if len(found) != 1:
        raise ValueError("its layers are clamped differently")
    return found.pop()


def _check_enlarging(blocks: dict[str, Record], same: tuple[str, ...]) -> None:
    """Only a block's first layer doubles the size, and not in the blocks of `same`."""
    for name, block in blocks.items():
        for key, layer in children(block).items():
            wanted = 2 if key == "conv0" and name not in same else 1
            if layer.state.get("up", 1) != wanted:
                raise ValueError(f"layer {key} of block {name} enlarges by another factor")


def _check_layers(path: Path, module: Record, prefix: str) -> None:
    """Hold what our networks take for granted against every layer."""
    state = module.state
    wrong = [key for key, allowed in _FIXED.items() if state.get(key, allowed[0]) not in allowed]
    if module.name == "SynthesisLayer" and not _is_close(state.get("act_gain"), GAIN):
        wrong.append("act_gain")
    wanted = "lrelu" if module.name == "SynthesisLayer" or _is_mapping(prefix) else "linear"
    if state.get("activation", wanted) != wanted:
        wrong.append("activation")
    if wrong:
        raise CheckpointError(
            f"{path}: `{prefix}{wrong[0]}` is not what it is in EG3D's models; "
            "give the file that EG3D's authors published."
        )
    for name, child in children(module).items():
        _check_layers(path, child, f"{prefix}{name}.")


def _is_mapping(prefix: str) -> bool:
    return prefix.startswith("backbone.mapping.fc")


def _is_close(found: object, wanted: float) -> bool:
    return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=CLOSE)


# its tensors


def adopt(path: Path, spec: Spec, stored: Mapping[Any, Any]) -> dict[str, dict[str, Tensor]]:
    """The authors' tensors under our names, their gains multiplied in.

    Parameters
    ----------
    path : Path
        Of the file, for messages.
    spec : Spec
    stored : mapping
        What the file holds: `G_ema` as a record or as a state dict.

    Returns
    -------
    dict of state dicts
        One network, float32 on the CPU.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, extra, misshapen, NaN or infinite.
    """
    if stored and all(isinstance(value, Tensor) for value in stored.values()):
        return {NETWORK: _own(path, spec, stored)}
    generator = stored.get(AVERAGED)
    if isinstance(generator, Record):
        found: Mapping[str, Any] = tensors(generator)
        gains = _stored_gains(generator)
    elif isinstance(generator, Mapping):
        found, gains = generator, {}
    else:
        raise CheckpointError(
            f"{path} holds no `{AVERAGED}`, the averaged generator; give a file of EG3D."
        )
    if sum(_size(tensor) for tensor in found.values()) > MAX_PARAMETERS:
        raise CheckpointError(
            f"{path}: `{AVERAGED}` has more than {MAX_PARAMETERS:,} parameters; "
            "this is not a checkpoint of EG3D."
        )
    device = torch.device("meta")
    expected = Generator(spec, device=device, dtype=torch.float32).state_dict()
    result: dict[str, Tensor] = {}
    for name, tensor in found.items():
        ours = _our_name(name)
        if ours in expected:
            value = _numbers(path, name, tensor, tuple(expected[ours].shape))
            gain = gains[name] if name in gains else _gain(spec, name, value)
            # A file's own numbers are held once; what a caller gave is not changed.
            owned = isinstance(tensor, StoredTensor)
            result[ours] = value if gain == 1 else value.mul_(gain) if owned else value * gain
        elif name.endswith("resample_filter"):
            _check_filter(path, name, tensor)
        elif not _is_unused(spec, name):
            raise CheckpointError(
                f"{path} has a tensor `{name}` too many; check that it is a model of EG3D."
            )
    missing = [name for name in expected if name not in result]
    if missing:
        raise CheckpointError(
            f"{path} has no tensor for `{missing[0]}`; check that it is a model of EG3D."
        )
    return {NETWORK: {name: result[name] for name in expected}}


def _own(path: Path, spec: Spec, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file that `graf convert` wrote, whose gains are in them."""
    groups = grouped(path, stored, (NETWORK,))
    tensors = state_dict(path, NETWORK, groups[NETWORK], "EG3D")
    network = Generator(spec, device=torch.device("meta"), dtype=torch.float32)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    check_network(path, NETWORK, tensors, expected)
    return {name: _aligned(tensors[name]) for name in expected}


def _aligned(tensor: Tensor) -> Tensor:
    """The same numbers where PyTorch would have put them.

    The order in which a kernel adds hangs on where its numbers begin, and with it the last bits
    of a picture, which are to be the same from any file of the same numbers.
    """
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def _our_name(name: str) -> str:
    for theirs, ours in (
        ("backbone.mapping.", "mapping."),
        ("backbone.synthesis.", "backbone."),
        ("decoder.net.0.", "decoder.hidden."),
        ("decoder.net.2.", "decoder.out."),
    ):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    # Nothing of theirs may come in by a name of ours.
    return name if name.startswith("superresolution.") else ""


def _size(tensor: Any) -> int:
    return tensor.size if isinstance(tensor, StoredTensor) else tensor.numel()


def _numbers(path: Path, name: str, tensor: Any, shape: tuple[int, ...]) -> Tensor:
    found = tuple(tensor.shape)
    if found != shape:
        raise CheckpointError(
            f"{path}: tensor `{name}` has shape {found} instead of {shape}; "
            "check that it is a model of EG3D."
        )
    value = torch.from_numpy(tensor.read()) if isinstance(tensor, StoredTensor) else tensor
    if not value.is_floating_point() or not bool(value.isfinite().all()):
        raise CheckpointError(
            f"{path}: tensor `{name}` holds NaN or infinite numbers, or none that are real; "
            "use a checkpoint from before the training diverged."
        )
    return _aligned(value.detach().to(device="cpu", dtype=torch.float32))


def _check_filter(path: Path, name: str, tensor: Any) -> None:
    row = torch.tensor(TAPS, device="cpu", dtype=torch.float32)
    if not torch.allclose(_numbers(path, name, tensor, (4, 4)), torch.outer(row, row) / 64):
        raise CheckpointError(
            f"{path}: `{name}` is another filter than EG3D's; check that it is a model of EG3D."
        )


def _is_unused(spec: Spec, name: str) -> bool:
    noise = name.startswith("superresolution.") and ".noise_" in name
    return name == "dataset_label_std" or (noise and spec.stage_noise == "none")


def _stored_gains(generator: Record) -> dict[str, float]:
    """What each tensor is multiplied by, as the state says."""
    gains: dict[str, float] = {}
    pending = [("", generator)]
    while pending:
        prefix, module = pending.pop()
        pending += [(f"{prefix}{name}.", child) for name, child in children(module).items()]
        weight_gain, bias_gain = module.state.get("weight_gain"), module.state.get("bias_gain")
        if module.name == "FullyConnectedLayer":
            for name, gain in (("weight", weight_gain), ("bias", bias_gain)):
                if isinstance(gain, int | float) and math.isfinite(gain):
                    gains[f"{prefix}{name}"] = float(gain)
        elif module.name == "ToRGBLayer" and isinstance(weight_gain, int | float):
            gains[f"{prefix}style"] = float(weight_gain)
    # A colour layer's gain multiplies its style, which its affine layer makes.
    for name in [name for name in gains if name.endswith(".style")]:
        gain, affine = gains.pop(name), name.removesuffix("style") + "affine."
        for part in ("weight", "bias"):
            gains[affine + part] = gains.get(affine + part, 1.0) * gain
    return gains


def _gain(spec: Spec, name: str, value: Tensor) -> float:
    """What a tensor is multiplied by, where only tensors are there to say it."""
    rate = 1.0
    if _is_mapping(name):
        rate = MAPPING_RATE
    elif name.startswith("decoder."):
        rate = spec.decoder_rate
    linear = ("affine.", "embed.", "mapping.fc", "decoder.net.")
    if not any(part in name for part in linear):
        return 1.0
    gain = rate / math.sqrt(value.shape[1]) if name.endswith("weight") else rate
    if ".torgb.affine." in name:
        gain /= math.sqrt(_style_length(spec, name))
    return gain


def _style_length(spec: Spec, name: str) -> int:
    parts = name.split(".")
    if parts[0] == "superresolution":
        return spec.stage_channels[int(parts[1].removeprefix("block"))]
    return spec.channels[int(parts[2].removeprefix("b")).bit_length() - 3]
