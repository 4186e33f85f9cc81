"""Batches of PyTorch in memory that workers of a loader share with it, and use again."""

from __future__ import annotations

import mmap
import os
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Protocol

from geopatcher._optional import load
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

#: Bytes of batches that a worker keeps, by default: what is on its way, and what the loader holds.
KEPT = "256MiB"
#: Where data begin, and what they are aligned to. The first byte says whether a batch is in use.
ALIGNED = 64
FREE, LENT = 0, 1


class SharedBatches:
    """Stack samples into memory that is used again: a ``collate_fn`` for `torch.utils.data.DataLoader`.

    Batches are those of `torch.utils.data.default_collate`. Workers give them to the loader in shared memory,
    and new memory costs more than what is done in it: the system clears it, page by page, for each batch
    anew. Here a batch that nobody holds any more lends its memory to another one, so pages are cleared once.
    A tensor is yours for as long as you hold it, or a view of it, to write into as well.

    Without workers, or where the system has no memory without a name (other than Linux), it is
    `torch.utils.data.default_collate`; so are tensors that are no plain ones (sparse, with gradients).

    Parameters
    ----------
    max_bytes
        Most bytes of batches that each worker keeps for further ones, such as ``"1GiB"``. Batches beyond are
        made as well, in memory that is not used again.

    Raises
    ------
    ValueError
        ``max_bytes`` is not a size.
    MissingExtraError
        PyTorch is not installed; when it is called.

    Examples
    --------
    >>> SharedBatches("64MiB")
    SharedBatches(67108864)

    """

    def __init__(self, max_bytes: int | str = KEPT) -> None:
        self.max_bytes = parse_bytes(max_bytes)
        self._slots: list[_Slot] = []

    def __call__(self, samples: Sequence[object]) -> object:
        """Return a batch.

        Parameters
        ----------
        samples
            Items of a data set, all alike: tensors, arrays or numbers, in dicts, tuples or lists.

        Returns
        -------
        object
            The same with all samples in each tensor, along a new first axis. In a worker it is what PyTorch
            sends to the loader, where the tensors are made.

        Raises
        ------
        RuntimeError, TypeError
            Samples do not fit each other, or hold what is no tensor: as in PyTorch.

        """
        if load("torch.utils.data").get_worker_info() is None or not hasattr(os, "memfd_create"):
            return load("torch.utils.data").default_collate(samples)
        collate = load("torch.utils.data._utils.collate")
        laid = _Laid(collate.default_collate_fn_map)
        batch = collate.collate(samples, collate_fn_map=laid.functions())
        if laid.pieces:
            slot = self._take(laid.n_bytes)
            for piece in laid.pieces:
                piece.fill(slot)
        return batch

    def _take(self, n_bytes: int) -> _Slot:
        """Return memory for a batch, which is then in use; what is free and too small is given back."""
        self._slots = [slot for slot in self._slots if not slot.is_free or slot.n_bytes >= n_bytes]
        found = next((slot for slot in self._slots if slot.is_free), None)
        if found is None:
            found = _Slot(n_bytes)
            if sum(slot.n_bytes for slot in self._slots) + n_bytes <= self.max_bytes:
                self._slots.append(found)
        found.memory[0] = LENT
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.max_bytes})"

    def __getstate__(self) -> dict[str, object]:
        return {"max_bytes": self.max_bytes}

    def __setstate__(self, state: Mapping[str, int]) -> None:
        self.__init__(state["max_bytes"])  # type: ignore[misc]


class _Slot:
    """Memory of a worker for one batch. Pickled to the loader it is the same memory, see `_received`."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        self._fd = os.memfd_create("geopatcher-batch")
        try:
            os.posix_fallocate(self._fd, 0, n_bytes)  # an error now, not a crash when it is written into
            self.memory = mmap.mmap(self._fd, n_bytes)
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def is_free(self) -> bool:
        """Whether nobody holds the batch that was in it."""
        return self.memory[0] == FREE

    def __del__(self) -> None:
        if hasattr(self, "memory"):
            os.close(self._fd)

    def __reduce__(self) -> tuple[object, tuple[object, int]]:
        return _received, (DupFd(self._fd), self.n_bytes)


class _Detached(Protocol):
    def detach(self) -> int:
        """Return a descriptor of this process."""
        ...


class _Received(mmap.mmap):
    """Memory of a worker in the loader's process: free again when the last tensor in it is gone.

    A process that was forked off has a copy of it that says nothing.
    """

    process = 0

    def __del__(self) -> None:
        if self.process == os.getpid():
            self[0] = FREE


def _received(sent: _Detached, n_bytes: int) -> _Received:
    fd = sent.detach()
    try:
        memory = _Received(fd, n_bytes)
    finally:
        os.close(fd)
    memory.process = os.getpid()
    return memory


class _Laid:
    """Finds the tensors of a batch, and lays them one after the other."""

    def __init__(self, functions: Mapping[object, object]) -> None:
        self._functions = functions
        self.pieces: list[_Piece] = []
        self.n_bytes = ALIGNED

    def functions(self) -> dict[object, object]:
        """Return how each kind of value is collated."""
        return {**self._functions, load("torch").Tensor: self.lay}

    def lay(self, tensors: Sequence[torch.Tensor], *, collate_fn_map: object = None) -> object:
        """Give tensors a place; what is no plain memory is left to PyTorch."""
        first = tensors[0]
        if not all(_is_plain(tensor, first) for tensor in tensors):
            stack = self._functions[load("torch").Tensor]
            return stack(tensors, collate_fn_map=collate_fn_map)  # type: ignore[operator]
        piece = _Piece(tensors, self.n_bytes)
        self.pieces.append(piece)
        self.n_bytes += -(-len(tensors) * first.nbytes // ALIGNED) * ALIGNED
        return piece


def _is_plain(tensor: torch.Tensor, first: torch.Tensor) -> bool:
    kinds = tensor.layout, tensor.dtype, tensor.shape, tensor.device.type, type(tensor)
    library = load("torch")
    wanted = library.strided, first.dtype, first.shape, "cpu", library.Tensor
    return kinds == wanted and tensor.numel() > 0 and not tensor.requires_grad and not tensor.is_quantized


class _Piece:
    """Tensors that are one of a batch. Pickled to the loader it is that tensor, see `_tensor`."""

    def __init__(self, tensors: Sequence[torch.Tensor], offset: int) -> None:
        self._tensors = tensors
        self._offset = offset
        self._shape = (len(tensors), *tensors[0].shape)
        self._dtype = tensors[0].dtype
        self._slot: _Slot | None = None

    def fill(self, slot: _Slot) -> None:
        """Copy the tensors to their place."""
        load("torch").stack(self._tensors, out=_tensor(slot.memory, self._offset, self._shape, self._dtype))
        self._slot = slot
        self._tensors = ()

    def __reduce__(self) -> tuple[object, tuple[object, int, tuple[int, ...], torch.dtype]]:
        return _tensor, (self._slot, self._offset, self._shape, self._dtype)


def _tensor(memory: mmap.mmap, offset: int, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor in memory, which lives as long as the tensor does."""
    library = load("torch")
    count = library.Size(shape).numel()
    found: torch.Tensor = library.frombuffer(memory, dtype=dtype, count=count, offset=offset).reshape(shape)
    return found
