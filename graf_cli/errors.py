"""Every error that graf raises on purpose.

The tree::

    GrafError              a failed job                                    exit 1
    ├── UsageError         a wrong command line or argument                exit 2
    ├── ManifestError      weights.toml or a config.yaml that cannot be used
    ├── DownloadError      an address that does not give the file
    ├── CheckpointError    a file that is not the model it should be
    ├── DeviceError        a device that is not there or is too small
    ├── RecipeError        a recipe that cannot be drawn
    ├── SurfaceError       an object that has no such shape to take away
    ├── OutputError        a file that cannot be written
    └── EngineError        workers that cannot be had, or that fail again and again

Each message is one sentence that says what is wrong, with which file or option, and what to do.
Beyond these the program exits 130 on ^C, 143 on SIGTERM, and 3 on a bug of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_FIELD = re.compile(r"⟨((?:no )?[a-z_]+)⟩")


class GrafError(Exception):
    """A job failed for a reason that the message tells.

    The message names arguments as ``⟨azimuth⟩``, in brackets that no file's name has: the library
    tells of `azimuth`, the command line of ``--azimuth``; and ``⟨no clobber⟩``, what is switched
    off: `clobber=False` there, ``--no-clobber`` here.
    """

    exit_code = 1

    def __str__(self) -> str:
        """The message for those who call the library."""
        return self.told(_argument)

    def told(self, spell: Callable[[str], str]) -> str:
        """The message, with each argument spelled as whoever reads it knows it."""
        return _FIELD.sub(lambda match: spell(match[1]), super().__str__())


def _argument(field: str) -> str:
    """The argument by which the library takes a field."""
    off = field.removeprefix("no ")
    return f"`{field}`" if off == field else f"`{off}=False`"


class UsageError(GrafError):
    """An option or argument has a value that cannot be meant."""

    exit_code = 2


class ManifestError(GrafError):
    """A manifest or a training configuration cannot be used."""


class DownloadError(GrafError):
    """An address does not give the file that it should."""


class CheckpointError(GrafError):
    """A file does not hold the model that it should.

    Attributes
    ----------
    recognised : bool
        Whether it is plain all the same which family's file it is, so that no other says it better.
    """

    recognised = False


class DeviceError(GrafError):
    """A device is not there, or is too small."""


class RecipeError(GrafError):
    """A recipe cannot be drawn."""


class SurfaceError(GrafError):
    """An object has no such shape to take away, or its family makes none."""


class OutputError(GrafError):
    """A file cannot be written."""


class EngineError(GrafError):
    """Workers cannot be had, or fail again and again."""
