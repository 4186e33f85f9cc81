"""Data sets under the loaders of PyTorch: in this process, and in workers that are forked or spawned."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.torch import IterablePatchDataset, PatchDataset
from geotiffs import write_geotiff

torch = pytest.importorskip("torch", reason="torch is hundreds of megabytes, and not in the test group")
from torch.utils.data import DataLoader  # noqa: E402 - it may be missing

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 4000, size=(3, 40, 48)).astype("uint16")
LABEL = RANDOM.integers(0, 5, size=(1, 40, 48)).astype("uint8")


def patcher(n=26):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRandom(n, seed=0), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )


@pytest.fixture
def files(tmp_path):
    image = write_geotiff(tmp_path / "image.tif", IMAGE, tiled=True, blockxsize=16, blockysize=16)
    return image, write_geotiff(tmp_path / "label.tif", LABEL)


@pytest.fixture
def pairs(files):
    image, label = files
    matched = gp.MatchedField(image, {"label": label}, resampling={"label": "nearest"})
    return gp.MatchedPatchView(gp.MatchedSpatialPatcher(patcher()), matched)


def to_train(sample):
    """Return what a network takes; a function of a module, as spawned workers need it."""
    return {
        "image": sample["image"].float() / 4000,
        "label": sample["label"][0].long(),
        "anchor": sample["anchor"],
        "process": torch.tensor(os.getpid()),
        "open": torch.tensor(len(handles())),
    }


def handles():
    """Which files of the test this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.append(entry.readlink().name)
    return [name for name in found if name in ("image.tif", "label.tif")]


def check(batches, n_patches, n_processes):
    anchors = torch.cat([batch["anchor"] for batch in batches]).tolist()
    assert len(anchors) == n_patches
    for batch in batches:
        for image, label, (row, col) in zip(
            batch["image"], batch["label"], batch["anchor"].tolist(), strict=True
        ):
            where = (slice(row, row + 8), slice(col, col + 8))
            np.testing.assert_array_equal(
                image.numpy(), IMAGE[:, *where].astype("float32") / np.float32(4000)
            )
            np.testing.assert_array_equal(label.numpy(), LABEL[0, *where])
    processes = {int(number) for batch in batches for number in batch["process"]}
    assert len(processes) == n_processes
    assert (os.getpid() in processes) == (n_processes == 1)
    return anchors


def test_an_item_is_tensors_of_the_sources_dtypes(pairs):
    sample = PatchDataset(pairs)[3]
    patch = pairs[3]
    assert list(sample) == ["image", "label", "valid", "anchor"]
    assert [sample[name].dtype for name in sample] == [torch.uint16, torch.uint8, torch.bool, torch.int64]
    np.testing.assert_array_equal(sample["image"].numpy(), patch.primary.data)
    assert (tuple(sample["valid"].shape), sample["anchor"].tolist()) == ((8, 8), list(patch.anchor))
    alone = PatchDataset(gp.IndexedPatchView(patcher(), IMAGE.astype("float32"), cache=True))
    alone[0]["image"].zero_()  # a cached patch is not written into
    assert (alone[0]["image"].numpy() != 0).any()
    assert list(alone[0]) == ["image", "anchor"]


@pytest.mark.parametrize("context", [None, "fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking while threads run
def test_a_loader_gives_every_patch_once(pairs, context):
    workers = {} if context is None else {"num_workers": 2, "multiprocessing_context": context}
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(
        PatchDataset(pairs, to_train), batch_size=4, shuffle=True, generator=generator, **workers
    )
    batches = list(loader)
    anchors = check(batches, 26, 2 if workers else 1)
    assert sorted(map(tuple, anchors)) == sorted(pairs.anchors)
    if context == "spawn":  # each has handles of its own, one for each file, and keeps them open
        assert {int(number) for batch in batches for number in batch["open"]} == {2}


def test_spawned_workers_share_an_epoch_and_have_another_order_in_the_next(pairs):
    dataset = IterablePatchDataset(pairs, to_train, seed=7)
    loader = DataLoader(
        dataset,
        batch_size=3,
        num_workers=2,
        multiprocessing_context="spawn",
        persistent_workers=True,
    )
    found = {}
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        assert dataset.epoch == epoch
        anchors = check(list(loader), 26, 2)
        assert sorted(map(tuple, anchors)) == sorted(pairs.anchors)
        assert found.setdefault(epoch, anchors) == anchors
    assert found[0] != found[1]


def test_an_order_is_that_of_the_seed_the_epoch_and_the_process(pairs):
    dataset = IterablePatchDataset(pairs, seed=7)
    assert isinstance(dataset, torch.utils.data.IterableDataset)
    dataset.set_epoch(3)
    np.testing.assert_array_equal(dataset.order(), np.random.default_rng([7, 3]).permutation(26))
    ranks = [IterablePatchDataset(pairs, seed=7, rank=rank, world_size=4) for rank in range(4)]
    orders = [one.order().tolist() for one in ranks]
    assert [len(order) for order in orders] == [6] * 4 == [len(one) for one in ranks]
    assert len({number for order in orders for number in order}) == 24
    plain = IterablePatchDataset(pairs, shuffle=False)
    assert [tuple(sample["anchor"].tolist()) for sample in plain] == list(pairs.anchors)
    with pytest.raises(ValueError, match="epochs are counted from 0"):
        dataset.set_epoch(-1)
    assert repr(dataset).endswith("epoch=3)")


def test_workers_find_patches_on_disk(files, tmp_path):
    cache = gp.PatchCache(tmp_path / "cache")
    dataset = PatchDataset(gp.IndexedPatchView(patcher(), files[0], cache))
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context="spawn")
    images = torch.cat([batch["image"].float() for batch in loader])
    assert cache.stats()["entries"] == len(set(dataset.view.anchors))
    for image, (row, col) in zip(images, dataset.view.anchors, strict=True):
        np.testing.assert_array_equal(image.numpy(), IMAGE[:, row : row + 8, col : col + 8])
    again = gp.PatchCache(tmp_path / "cache")
    _ = list(PatchDataset(gp.IndexedPatchView(patcher(), files[0], again)))
    assert (again.hits, again.misses) == (26, 0)


def test_an_error_in_a_worker_names_the_file(files):
    dataset = PatchDataset(gp.IndexedPatchView(patcher(), files[0]))
    files[0].write_bytes(files[0].read_bytes()[:300])
    with pytest.raises(OSError, match=r"image\.tif"):
        list(DataLoader(dataset, num_workers=2, multiprocessing_context="spawn"))


def test_batches_train_a_network(pairs):
    net = torch.nn.Conv2d(3, 5, 3, padding=1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(4):
        for batch in DataLoader(PatchDataset(pairs, to_train), batch_size=8):
            loss = torch.nn.functional.cross_entropy(net(batch["image"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
