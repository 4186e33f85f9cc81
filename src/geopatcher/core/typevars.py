"""Type variables with defaults, so that ``Patch`` and ``PatchStream`` may be written without parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from typing import Any

    from numpy.typing import NDArray
    from typing_extensions import TypeVar

    #: What `geopatcher.Patch` carries: an array where nothing else is said.
    D_co = TypeVar("D_co", covariant=True, default=NDArray[Any])
    #: What an aggregation makes of patches: an array where nothing else is said.
    R_co = TypeVar("R_co", covariant=True, default=NDArray[Any])
    #: Where a merge stores its result: nowhere where nothing is said, and then it is an ndarray.
    Place_co = TypeVar("Place_co", bound=str | os.PathLike[str] | None, default=None, covariant=True)
else:
    # Python 3.11 and 3.12 make no defaults; at run time nobody asks for them.
    from typing import TypeVar

    D_co = TypeVar("D_co", covariant=True)
    R_co = TypeVar("R_co", covariant=True)
    Place_co = TypeVar("Place_co", covariant=True)
