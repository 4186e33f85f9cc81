"""Batches in shared memory: the same as PyTorch's, and never two in one place."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from geopatcher.torch import SharedBatches

torch = pytest.importorskip("torch", reason="torch is hundreds of megabytes, and not in the test group")
from torch.utils.data import DataLoader, default_collate  # noqa: E402 - it may be missing

LINUX = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no memory without a name")


class Numbers:
    """Samples of all that is collated, each with its number in it."""

    def __len__(self):
        return 21

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        return {
            "image": torch.full((2, 30, 31), index, dtype=torch.uint16),
            "pair": (torch.full((7,), index / 2), np.full(3, index)),
            "valid": torch.tensor([index % 2 == 0]),
            "number": index,
            "name": f"n{index}",
            "empty": torch.zeros(0),
        }


@pytest.fixture
def at_work(monkeypatch):
    """Be a worker: what collates asks PyTorch whether it is in one."""
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: "a worker")


def sent(batch):
    """Return what the loader gets of what a worker gives."""
    return pickle.loads(ForkingPickler.dumps(batch))  # noqa: S301 - ours


def samples_of(value, n=4):
    return [torch.full((5, 50), value, dtype=torch.int32)] * n


def same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, list | tuple):
        for each, its in zip(one, other, strict=True):
            same(each, its)
    else:
        assert one == other


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking while threads run
def test_batches_of_workers_are_those_of_pytorch_however_long_they_are_held(context):
    loader = DataLoader(
        Numbers(), 4, collate_fn=SharedBatches(), num_workers=2, multiprocessing_context=context
    )
    wanted = [
        default_collate([Numbers()[at] for at in range(first, min(first + 4, 21))])
        for first in range(0, 21, 4)
    ]
    for _ in range(2):
        for found, right in zip(list(loader), wanted, strict=True):
            same(found, right)


def test_without_workers_it_is_what_pytorch_does():
    found = SharedBatches()([Numbers()[0], Numbers()[1]])
    same(found, default_collate([Numbers()[0], Numbers()[1]]))


@LINUX
@pytest.mark.usefixtures("at_work")
def test_memory_is_used_again_when_the_last_view_of_a_batch_is_gone():
    collate = SharedBatches()
    first = sent(collate(samples_of(1)))
    second = sent(collate(samples_of(2)))
    part = first[2, :, 7]
    assert len(collate._slots) == 2
    del first
    third = sent(collate(samples_of(3)))
    assert len(collate._slots) == 3
    assert (part == 1).all()
    part.fill_(9)  # it is the holder's
    del part
    fourth = sent(collate(samples_of(4)))
    assert len(collate._slots) == 3
    for value, batch in ((2, second), (3, third), (4, fourth)):
        assert (batch == value).all()
        assert batch.shape == (4, 5, 50)


@LINUX
@pytest.mark.usefixtures("at_work")
def test_what_never_reaches_the_loader_is_not_written_over():
    collate = SharedBatches()
    pending = collate(samples_of(1))
    _ = sent(collate(samples_of(2)))
    assert (sent(pending) == 1).all()


@LINUX
@pytest.mark.usefixtures("at_work")
def test_a_worker_keeps_no_more_than_it_may():
    collate = SharedBatches(max_bytes=2 * (4 * 5 * 50 * 4) + 1000)
    held = [sent(collate(samples_of(value))) for value in range(5)]
    assert len(collate._slots) == 2
    assert [int(batch[0, 0, 0]) for batch in held] == [0, 1, 2, 3, 4]
    held.clear()
    large = sent(collate(samples_of(7, n=8)))  # for which what is kept is too small
    assert [slot.n_bytes >= large.nbytes for slot in collate._slots] == [True]
    assert pickle.loads(pickle.dumps(collate)).max_bytes == collate.max_bytes  # noqa: S301 - ours
    none = SharedBatches(max_bytes=1)
    assert (sent(none(samples_of(6))) == 6).all()
    assert none._slots == []
    with pytest.raises(ValueError, match="is not a size"):
        SharedBatches("much")


@LINUX
@pytest.mark.usefixtures("at_work")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_that_was_forked_off_frees_nothing():
    collate = SharedBatches()
    held = [sent(collate(samples_of(1)))]
    child = multiprocessing.get_context("fork").Process(target=held.clear)
    child.start()
    child.join()
    assert child.exitcode == 0
    _ = sent(collate(samples_of(2)))
    assert (held[0] == 1).all()


@pytest.mark.usefixtures("at_work")
def test_samples_that_do_not_fit_are_an_error_as_in_pytorch():
    collate = SharedBatches()
    with pytest.raises(RuntimeError, match="equal size"):
        collate([torch.zeros(3), torch.zeros(4)])
    with pytest.raises(TypeError, match="batch must contain"):
        collate([object(), object()])
