"""What is taken out of a scene, as a Recipe says it; imports nothing heavy.

Another kind of shape is a name here, a module of this room with an `extract`, and a row of
`graf_cli.output.table.EXPORTS` that writes it.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

Extracted = Literal["mesh", "splats", "points", "grid", "page"]
KINDS: tuple[Extracted, ...] = get_args(Extracted)
LEAST, MOST = 8, 1024  # cells along the longest side of the box

Resolution = Annotated[int, Meta(ge=LEAST, le=MOST)]
Density = Annotated[float, Meta(gt=0, le=1e9)]
Faces = Annotated[int, Meta(ge=4, le=100_000_000)]
Rounds = Annotated[int, Meta(ge=0, le=100)]
Degree = Annotated[int, Meta(ge=0, le=3)]


class Export(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is taken out of each object.

    Attributes
    ----------
    kind : str
    resolution : int
        Cells along the longest side of the box around the object.
    level : float or None
        Density, per world unit, at which the surface is; None is that whose silhouettes are those
        of pictures (`graf_cli.surfaces.silhouettes`), of a grid ``ln 2 / step``.
    faces : int or None
        Of a mesh, at most; None leaves all of them.
    smooth : int
        Rounds of smoothing of a mesh, each without loss of volume.
    sh : int
        Degree of the spherical harmonics that give splats another colour from each side.
    """

    kind: Extracted
    resolution: Resolution = 128
    level: Density | None = None
    faces: Faces | None = None
    smooth: Rounds = 0
    sh: Degree = 0
