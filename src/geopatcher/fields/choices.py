"""What is chosen of a source beside its name: a variable, values as a quantity, whose credentials."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.errors.redaction import shown
from geopatcher.fields.from_path import field_at
from geopatcher.fields.labelled_file import in_dataset, variable_here
from geopatcher.fields.open import as_field
from geopatcher.fields.remote_variable import variable_elsewhere
from geopatcher.fields.scaled import Scaled
from geopatcher.fields.zarr_field import RESULT, is_zarr, zarr_source
from geopatcher.fields.zarr_group import ZarrGroup
from geopatcher.fields.zarr_places import is_store_elsewhere
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.open import Source
    from geopatcher.formats.signing import Sign

#: What stands for the function that signs for it.
PLANETARY_COMPUTER = "planetary-computer"


@dataclass(frozen=True)
class Choices:
    """How each raster is opened; without any of these, as it is.

    ``variable`` names an array of a store, a file or a Dataset; ``scale_offset`` asks for the quantity that
    values stand for; ``credentials`` is ``"module:function"``, which gives those of a bucket; ``sign`` makes
    of an address one by which a server lets us in.
    """

    variable: str | None = None
    scale_offset: bool = False
    credentials: str | None = None
    sign: Sign | str | None = None

    def source(self, given: Source) -> PixelSource:
        """Open one raster.

        Raises
        ------
        SourceError
            There is no such raster or variable, or it cannot be read.
        ValueError, TypeError
            It is of a kind of which that cannot be chosen.

        """
        opened = self._stored(given)
        return Scaled(opened) if self.scale_offset else opened

    def _stored(self, given: Source) -> PixelSource:
        if not isinstance(given, str | os.PathLike):
            self._refuse_credentials(type(given).__name__)
            self._refuse_sign(type(given).__name__)
            if isinstance(given, ZarrGroup):
                return zarr_source(given, self.variable or RESULT)
            return (as_field(given) if self.variable is None else in_dataset(given, self.variable)).source
        path = os.fspath(given)
        if is_store_elsewhere(path) or is_zarr(path):
            self._refuse_sign(f"the zarr store {shown(path)}")
            return zarr_source(path, self.variable or RESULT, self.credentials)
        if self.variable is not None:
            return self._variable(path, self.variable)
        self._refuse_credentials("what GDAL opens, which takes them from the environment")
        return field_at(path, None if self.sign is None else signer(self.sign)).source

    def _variable(self, path: str, name: str) -> PixelSource:
        if is_elsewhere(path):
            sign = None if self.sign is None else signer(self.sign)
            return variable_elsewhere(path, name, self.credentials, sign)
        self._refuse_credentials(f"{path}, which is on this machine")
        self._refuse_sign(f"{path}, which is on this machine")
        return variable_here(path, name)

    def _refuse_credentials(self, what: str) -> None:
        if self.credentials is not None:
            raise ValueError(
                f"credentials={self.credentials!r} are for zarr stores, and variables of files, in buckets, "
                f"not for {what}"
            )

    def _refuse_sign(self, what: str) -> None:
        if self.sign is not None:
            raise ValueError(f"sign= is for addresses of rasters and of files with variables, not for {what}")


def signer(sign: Sign | str) -> Sign:
    """Return what signs addresses: a function, or that of a name.

    Raises
    ------
    ValueError
        There is no function of this name.
    TypeError
        It is no function.
    MissingExtraError
        What signs for the Planetary Computer is not installed.

    """
    if sign == PLANETARY_COMPUTER:
        load("planetary_computer")
        return sign_by_planetary_computer
    if isinstance(sign, str):
        module, _, name = sign.partition(":")
        try:
            sign = attrgetter(name)(importlib.import_module(module))
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f'sign={sign!r} is to be "{PLANETARY_COMPUTER}", or "module:function", a function from an '
                f"address to a signed one: {error}"
            ) from error
    if not callable(sign):
        raise TypeError(f"sign= is a function from an address to a signed one, not {type(sign).__name__}")
    return sign


def sign_by_planetary_computer(url: str) -> str:
    """Return the address of an asset with a signature of the Planetary Computer."""
    signed: str = load("planetary_computer").sign_url(url)
    return signed
