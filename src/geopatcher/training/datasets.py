"""Patches as data sets of PyTorch, which need not be installed until one is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, SupportsIndex, TypeAlias

import numpy as np

from geopatcher._optional import load
from geopatcher.core.patch import Patch
from geopatcher.fields.plain_field import array_of
from geopatcher.patchers.matched_patches import PRIMARY_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import torch
    from numpy.typing import NDArray

    from geopatcher.patchers.matched_patches import MatchedPatch

#: What the data of the one source, or of the first of several, is called.
IMAGE = "image"

#: Tensors by their names.
Sample: TypeAlias = "dict[str, torch.Tensor]"


class PatchView(Protocol):
    """Patches by number: `geopatcher.IndexedPatchView`, `geopatcher.MatchedPatchView`."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, index: int, /) -> Patch[object] | MatchedPatch:
        """Return one."""
        ...


class PatchDataset:
    """Patches by number, as tensors: a map-style data set for `torch.utils.data.DataLoader`.

    An item is a dict of tensors, which a loader stacks as it is: ``"image"`` ``(bands, h, w)``, or ``(h, w)``
    of a field ``(height, width)``; of several sources (an image and its labels) each further one by its name,
    and ``"valid"`` ``(h, w)`` booleans, where all of them have data; and ``"anchor"``, the row and the column
    of the upper-left pixel. Dtypes are those of the sources.

    It works with any sampler of PyTorch's, and in workers that are forked or spawned: each opens files for
    itself, and keeps them open.

    Parameters
    ----------
    view
        A `geopatcher.IndexedPatchView` or a `geopatcher.MatchedPatchView`, which may have a cache.
    transform
        A function of a sample, called in the worker; what it returns is the item. For workers that are
        spawned it has to pickle: a function of a module, not a lambda.

    Raises
    ------
    MissingExtraError
        PyTorch is not installed; when an item is asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (IndexedPatchView, SpatialBoxcar, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRandom, SpatialRectangular)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRandom(50, seed=0), SpatialBoxcar(),
    ...     SpatialOverlapAdd())
    >>> dataset = PatchDataset(IndexedPatchView(patcher, np.zeros((3, 40, 50), "float32")))
    >>> len(dataset)
    50

    """

    def __init__(self, view: PatchView, transform: Callable[[Sample], object] | None = None) -> None:
        self.view = view
        self.transform = transform

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, index: SupportsIndex) -> object:
        sample = tensors_of(self.view[index.__index__()])
        return sample if self.transform is None else self.transform(sample)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view!r})"


class IterablePatchDataset:
    """Patches one after the other, as tensors: an iterable-style data set, in another order every epoch.

    Each worker of a loader gives patches of its own, and together they give all of an epoch, each once. Call
    `set_epoch` before each epoch, also where workers persist: the order is that of ``seed`` and the epoch, in
    whatever process. Items are those of `PatchDataset`.

    Parameters
    ----------
    view
        A `geopatcher.IndexedPatchView` or a `geopatcher.MatchedPatchView`.
    transform
        As for `PatchDataset`.
    shuffle
        Whether the order is another one in each epoch; otherwise it is that of the view.
    seed
        Of the order, 0 or more.
    rank, world_size
        Which of how many processes this is that train together: each gives as many patches of its own, and
        those of an epoch that would make one give more are left out.

    Raises
    ------
    ValueError
        ``rank`` is none of ``world_size``, or the seed is negative.
    MissingExtraError
        PyTorch is not installed.

    """

    def __init__(
        self,
        view: PatchView,
        transform: Callable[[Sample], object] | None = None,
        *,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is one of 0 to {world_size - 1} for world_size={world_size}, not {rank}")
        if seed < 0:
            raise ValueError(f"a seed is a whole number that is not negative, not {seed}")
        self.view = view
        self.transform = transform
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        # Workers that persist see what is written into it.
        library = load("torch")
        self._epoch: torch.Tensor = library.zeros((), dtype=library.int64).share_memory_()
        _register()

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is next.

        Parameters
        ----------
        epoch
            Its number, from 0.

        Raises
        ------
        ValueError
            It is negative.

        """
        if epoch < 0:
            raise ValueError(f"epochs are counted from 0, and {epoch} is less")
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        """The number of the epoch."""
        return int(self._epoch)

    def __len__(self) -> int:
        return len(self.view) // self.world_size

    def __iter__(self) -> Iterator[object]:
        worker = load("torch.utils.data").get_worker_info()
        number, n_workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        items = PatchDataset(self.view, self.transform)
        for index in self.order()[number::n_workers].tolist():
            yield items[index]

    def order(self) -> NDArray[np.int64]:
        """Return the numbers of the patches of this epoch and rank, for all workers.

        Returns
        -------
        numpy.ndarray
            ``(len(self),)`` int64.

        """
        numbers = np.arange(len(self.view))
        if self.shuffle:
            numbers = np.random.default_rng([self.seed, self.epoch]).permutation(numbers)
        return numbers[self.rank :: self.world_size][: len(self)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view!r}, epoch={self.epoch})"

    def __setstate__(self, state: Mapping[str, object]) -> None:
        vars(self).update(state)
        _register()


def _register() -> None:
    """Have PyTorch know its data sets: it asks `isinstance`, and ours are no subclasses without it."""
    load("torch.utils.data").IterableDataset.register(IterablePatchDataset)


def tensors_of(patch: Patch[object] | MatchedPatch) -> Sample:
    """Return a patch as tensors that share no memory with what is cached.

    Parameters
    ----------
    patch
        Of one source, or of several.

    Returns
    -------
    dict
        Tensors by name, see `PatchDataset`.

    Raises
    ------
    MissingExtraError
        PyTorch is not installed.

    """
    library = load("torch")
    if isinstance(patch, Patch):
        data: dict[str, object] = {IMAGE: patch.data}
    else:
        data = {IMAGE if name == PRIMARY_KEY else name: carried for name, carried in patch.data.items()}
        if patch.valid_mask is not None:
            data["valid"] = patch.valid_mask
    sample = {name: library.from_numpy(_own(carried)) for name, carried in data.items()}
    return {**sample, "anchor": library.tensor(patch.anchor)}


def _own(data: object) -> NDArray[np.generic]:
    """Return an array that may be written into, in the byte order of the machine."""
    cells = np.ma.getdata(array_of(data))
    own = np.ascontiguousarray(cells, dtype=cells.dtype.newbyteorder("="))
    return own if own.flags.writeable else own.copy()
