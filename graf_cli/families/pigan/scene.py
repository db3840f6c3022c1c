"""A subject becomes a scene: codes, frequencies and phases, and what is between two of them."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.pigan import draws
from graf_cli.families.pigan.fold import Folded, Unfolded
from graf_cli.families.pigan.network import Field, Film, Network
from graf_cli.families.pigan.spec import SINES, Spec, features
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Code, Subject, along_line
from graf_cli.scene.volume import Draws, FastVolume, Quadrature, Scene

FLOORS = (1e-5, 1e-5)  # the authors add it to the first pass's weights twice
INFINITE = 1e10  # length of a ray's last interval
UNSEEN = 1e-4  # of opacity, which a tenth of a step of 8 bits is not


def scene(
    spec: Spec, network: Network, subject: Subject, *, samples: int, camera: Camera | None = None
) -> Scene:
    """One object.

    Parameters
    ----------
    spec : Spec
    network : Network
    subject : Subject
        Of one code `z`, or of a row of frequencies and phases in the space ``film``, which is
        taken as it is: truncation belongs to codes.
    samples : int
        Along each ray, of each pass.
    camera : Camera or None
        Needed for later frames of a video of the authors' random numbers alone.

    Raises
    ------
    UsageError
        For a subject that this family does not have.
    """
    controls = _controls(spec, subject)
    seed, frame = subject.jitter, int(controls["jitter_frame"])
    average = network.average
    if seed is not None:
        average = _drawn_average(spec, network, seed, frame, samples=samples, camera=camera)
    film = film_of(spec, network, subject, average)
    locked = _switch(controls, "lock_view_dependence")

    exact = Field(network.siren, film, locked=locked)

    def fast(number: int, dtype: torch.dtype) -> FastVolume:
        if spec.two_passes and number == 0:
            return Unfolded(exact)
        return Folded(network.siren, film, dtype, locked=locked)

    @lru_cache(maxsize=1)  # a picture asks for each of its blocks of rays
    def drawn_for(seed: int, pixels: int) -> Draws:
        made = _drawn(spec, seed, frame, samples, pixels).draws
        return draws.on(made, network.siren.device)

    return Scene(
        passes=(exact,),
        quadrature=quadrature(spec, samples, last_back=_switch(controls, "last_back")),
        key=key_of(spec, subject, controls),
        geometry=key_of(spec, subject, controls, geometry=True),
        fast=fast,
        empty_below=empty_below(spec),
        draws=None if seed is None else lambda of: drawn_for(seed, of.width * of.height),
    )


def quadrature(spec: Spec, samples: int, *, last_back: bool) -> Quadrature:
    """How the authors march: the same number of samples in each pass, none evaluated twice.

    With `last_back` the farthest sample's colour shows in every ray that is not opaque, so that a
    fast path has to look at it however empty it is there.
    """
    return Quadrature(
        samples=samples,
        further=samples if spec.two_passes else 0,
        activation=spec.clamp,
        reused=True,
        pdf=FLOORS,
        search="left",
        even="ends",
        last_back=last_back,
    )


def empty_below(spec: Spec) -> float:
    """Raw density that no picture shows.

    softplus(σ) < e^σ is never 0. What all samples below σ take away from a ray together is less
    than e^σ times the length of their intervals, of which the last one's, 1e10, outweighs all
    others. From 0.0001 of opacity that gives σ = ln(1e-4 / 1e10), about −32. Within the ray, where
    a step is at most some tenths, such a sample's weight is below 1e-14, nothing beside the 2e-5
    that every bin of the second pass is given, so that no sample of it moves either.
    """
    return 0.0 if spec.clamp == "relu" else math.log(UNSEEN / INFINITE)


def film_of(spec: Spec, network: Network, subject: Subject, average: Film) -> Film:
    """Frequencies and phases of a subject, truncated; between two codes along a line in them.

    Raises
    ------
    UsageError
        When the codes are not those of this family.
    """
    if set(subject.codes) != {"z"}:
        raise UsageError(
            f"A π-GAN has one code, z, and not {', '.join(subject.codes) or 'none'}; "
            "give one row of numbers."
        )
    given = subject.codes["z"]
    if subject.space == "film":
        row = _checked(along_line(given), 2 * spec.film, subject.space)
        return Film.of(row.to(device=network.siren.device))
    if subject.space != "z":
        raise UsageError(
            f"There is no space `{subject.space}` of codes in a π-GAN; use `z` or `film`."
        )
    return _between(spec, network, given, average, subject.truncation)


def _between(spec: Spec, network: Network, given: Code, average: Film, psi: float) -> Film:
    def at(code: Tensor) -> Film:
        return network.siren.film(_checked(code, spec.z, "z")).truncated(average, psi)

    if given.end is None or given.t <= 0:
        return at(given.start)
    if given.t >= 1:
        return at(given.end)
    return at(given.start).towards(at(given.end), given.t)


def _checked(code: Tensor, length: int, space: str) -> Tensor:
    if code.shape != (length,):
        raise UsageError(
            f"A row in the space `{space}` holds {length} numbers and not "
            f"{' × '.join(map(str, code.shape))}; give a row of this model."
        )
    return code


def _controls(spec: Spec, subject: Subject) -> dict[str, float]:
    known = {control.name: control.default for control in features(spec).controls}
    for name in subject.controls:
        if name not in known:
            raise UsageError(f"A π-GAN has no control `{name}`; it has {', '.join(known)}.")
    return known | dict(subject.controls)


def _switch(controls: dict[str, float], name: str) -> bool:
    if controls[name] not in (0, 1):
        raise UsageError(f"The control `{name}` is 0 or 1 and not {controls[name]:g}; use either.")
    return controls[name] == 1


def _drawn(spec: Spec, seed: int, frame: int, samples: int, pixels: int) -> draws.Drawn:
    source = draws.stream(seed)
    draws.code(spec, source)  # a subject brings its own, but the stream begins with one
    frames = draws.pictures(spec, source, pixels=pixels, samples=samples)
    return next(islice(frames, frame, None))


def _drawn_average(
    spec: Spec, network: Network, seed: int, frame: int, *, samples: int, camera: Camera | None
) -> Film:
    """The average of one frame, which all random numbers of the frames before it precede."""
    if frame and camera is None:
        raise UsageError("`jitter_frame` needs to know the picture's size; leave it at 0.")
    pixels = camera.width * camera.height if camera is not None else 1
    return network.siren.averages(_drawn(spec, seed, frame, samples, pixels).codes)


def key_of(
    spec: Spec, subject: Subject, controls: dict[str, float], *, geometry: bool = False
) -> bytes:
    """16 bytes that tell subjects apart, or only what moves their density.

    Made of numbers that are on the CPU anyway, so that nobody waits for a device. Averages belong
    to the model, but for those that a seed of the authors' draws anew.
    """
    given = subject.codes["z"]
    t = 0.0 if given.end is None else min(max(given.t, 0.0), 1.0)
    ends = [given.start] if t < 1 else []
    if given.end is not None and t > 0:
        ends.append(given.end)
    said: list[object] = [subject.space, t % 1, subject.jitter, controls["jitter_frame"]]
    if subject.space == "z":
        said.append(subject.truncation)
    elif geometry:
        ends = [_of_density(spec, end) for end in ends]
    if not geometry:
        said += sorted(controls.items())
    digest = hashlib.blake2b(repr(said).encode(), digest_size=16)
    for end in ends:
        digest.update(end.detach().to(device="cpu", dtype=torch.float32).numpy().tobytes())
    return digest.digest()


def _of_density(spec: Spec, row: Tensor) -> Tensor:
    """The part of a row of frequencies and phases that moves the density."""
    kept = SINES * spec.hidden
    return torch.cat([half[:kept] for half in row.chunk(2)])
