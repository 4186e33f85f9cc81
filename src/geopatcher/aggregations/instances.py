"""Objects that patches have numbered each for itself, as one label raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, overload

from geopatcher.accumulators.instances import Instances
from geopatcher.core.typevars import Place_co
from geopatcher.merging.base import Merging
from geopatcher.merging.instances import merge_instances

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy as np

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.targets.product import ResultArray


@dataclass(frozen=True, kw_only=True)
class SpatialInstances(Merging[Place_co], Instances, Generic[Place_co]):
    """One number for each object, across all seams: label images of patches become one raster of uint32.

    A patch holds whole numbers, ``(h, w)`` or ``(1, h, w)``: 0 is background, and each object in it has a
    number of its own, which need not be that of the same object in another patch. Patches have to overlap.
    In the result objects are 1 to n in the order of their first cells, row after row, and 0 is background and
    no data. It has the same bytes whatever the order of the patches, the workers, or interruptions.

    **Which cells an object has.** A cell is what the patch says of it in which it lies deepest, where the
    Bartlett window of the patch is largest; of several, the first. What a patch says near its border is so
    left to its neighbour. The window does not matter.

    **Which objects are one.** Labels of two patches are the same object if their intersection over union,
    in cells where both patches have data, is more than ``iou``. What is the same as a third is the same as
    each other: so an object that spans many patches becomes one wherever neighbours agree.

    What is written first are provisional numbers, those of each patch over a cell, in a folder beside the
    result (``x.tif.instances``), or, for a result in memory, in that for temporary files. Then a table is
    made of which are the same, in files that are mapped, and then the result, and the folder goes. Labels and
    result are a pass each, which goes on where it was interrupted; the table is then made anew. Memory does
    not grow with the raster.

    Parameters
    ----------
    iou
        From 0 to less than 1. 0.5, by default, never makes two objects of one patch one by a third that
        overlaps both, and stands for models that tell objects which touch from each other. 0 joins all that
        have a cell in common: for connected parts of a mask that is exact, however they wind in and out of
        patches (`scipy.ndimage.label` of patches gives that of the whole). With more than 0, parts of a patch
        that are connected only outside of it stay apart from what holds them in another, if they are the
        smaller share of it.

    Raises
    ------
    ValueError
        ``iou`` is none.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialInstances
    >>> left, right = np.array([[0, 7, 7, 0]]), np.array([[5, 5, 0, 9]])
    >>> SpatialInstances().merge([Patch(left, (0, 0), None), Patch(right, (0, 1), None)], np.empty((1, 5)))
    array([[0, 1, 1, 0, 2]], dtype=uint32)

    """

    dtype: str | np.dtype | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        Instances.__post_init__(self)

    @overload
    def merge(self: SpatialInstances[None], patches: Iterable[Patch[object]], domain: HasShape) -> Array: ...
    @overload
    def merge(
        self: SpatialInstances[str | os.PathLike[str] | None],
        patches: Iterable[Patch[object]],
        domain: HasShape,
    ) -> ResultArray: ...
    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Join and number the objects of label images.

        Parameters
        ----------
        patches
            Any iterable of `Patch`, in any order. What `split` returns carries its plan and needs the least
            memory.
        domain
            Anything with a ``shape`` whose last two numbers are height and width.

        Returns
        -------
        numpy.ndarray or zarr.Array
            ``(height, width)`` of uint32.

        Raises
        ------
        OperatorError
            A patch is no label image: it has several bands, or a number in it is not whole or less than 0;
            names it.
        ValueError
            Patches do not overlap, or ``dtype`` is no integer.

        """
        options = self.merge_options()
        if options.output.dtype is not None:
            self.check_dtype(options.output.dtype)
        return merge_instances(self.iou, patches, domain, options)
