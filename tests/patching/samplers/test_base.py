from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import Sampler
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import (
    SpatialExplicit,
    SpatialRegularStride,
    SpatialSampler,
)
from geopatcher.patching.samplers.base import as_pairs, fixed_seed, free_positions, settle
from placing import RANDOM_SAMPLERS, anchors_of

SAMPLERS = [
    SpatialRegularStride((4, 8), check_full_scan=True),
    SpatialRegularStride(3),
    *(make(11) for make in RANDOM_SAMPLERS),
    SpatialExplicit([(0, 3), (5, 1)]),
]


# --- what holds for all of them


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_samplers_keep_the_contract(sampler):
    assert isinstance(sampler, SpatialSampler)
    assert isinstance(sampler, Sampler)
    domain, geometry = RasterDomain((3, 44, 88)), SpatialRectangular(8)
    first = list(sampler.anchors(domain, geometry))
    assert first
    assert list(sampler.anchors(domain, geometry)) == first
    assert all(type(number) is int for anchor in first for number in anchor)
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own bytes
    assert again == sampler
    assert hash(again) == hash(sampler)
    config = json.loads(json.dumps(sampler.get_config()))
    assert type(sampler)(**config) == type(sampler).from_config(config) == sampler
    assert list(type(sampler)(**config).anchors(domain, geometry)) == first


@pytest.mark.parametrize("make", RANDOM_SAMPLERS)
def test_a_seed_decides_the_anchors_and_none_draws_one(make):
    def run(sampler):
        return anchors_of(sampler, (90, 90), (8, 8))

    assert run(make(3)) == run(make(np.int64(3)))
    assert run(make(3)) != run(make(4))
    unseeded, other = make(None), make(None)
    assert run(unseeded) == run(unseeded)
    assert unseeded.seed != other.seed
    assert run(make(unseeded.seed)) == run(unseeded)
    with pytest.raises(ValueError, match="whole number that is not negative, not -1"):
        make(-1)


def test_seeds_mean_the_same_in_another_process():
    code = (
        "from types import SimpleNamespace as N\n"
        "from geopatcher.patching.geometry import SpatialRectangular as G\n"
        "from geopatcher.patching.samplers import *\n"
        "jittered, random = SpatialJitteredStride((5, 7), 0.8, 2), SpatialRandom(40, 2)\n"
        "for s in (jittered, random, SpatialPoissonDisk(6.5, 10, 2)):\n"
        "    print(list(s.anchors(N(shape=(50, 60)), G(8))))\n"
        "import sys; print([m for m in ('pyproj', 'shapely', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, loaded = done.stdout.splitlines()
    assert lines == [str(anchors_of(make(2), (50, 60), (8, 8))) for make in RANDOM_SAMPLERS]
    assert loaded == "[]"


# --- rasters smaller than a patch


@pytest.mark.parametrize("make", RANDOM_SAMPLERS)
def test_a_raster_smaller_than_a_patch_has_one_place_none_or_an_error(make):
    assert set(anchors_of(make(0), (5, 5), (8, 8), "cover")) == {(0, 0)}
    assert anchors_of(make(0), (5, 50), (8, 8), "drop") == []
    with pytest.raises(IncompleteScanConfiguration, match="patches of 8 with step"):
        anchors_of(make(0), (5, 50), (8, 8), "raise")


@pytest.mark.parametrize(
    ("boundary", "wanted"),
    [
        ("cover", [[0, 6], [2, 0], [2, 6]]),
        ("drop", [[2, 0]]),
        ("pad", [[-1, 6], [2, 0], [5, 8]]),
        ("reflect", [[-1, 6], [2, 0], [5, 8]]),
        ("shrink", [[-1, 6], [2, 0], [5, 8]]),
    ],
)
def test_patches_that_overhang_are_settled_by_the_boundary(boundary, wanted):
    given_anchors = np.array([[-1, 6], [2, 0], [5, 8]])
    geometry = SpatialRectangular((4, 4), boundary)
    assert settle(given_anchors, RasterDomain((6, 10)), geometry).tolist() == wanted


def test_none_may_overhang_where_that_is_an_error():
    geometry = SpatialRectangular((4, 4), "raise")
    inside = np.array([[0, 0], [2, 6]])
    assert settle(inside, RasterDomain((6, 10)), geometry).tolist() == inside.tolist()
    words = r"1 of 3 patches of 4x4 reach over the edge of the raster of 6x10, the first at anchor \(3, 6\)"
    with pytest.raises(IncompleteScanConfiguration, match=words):
        settle(np.array([[0, 0], [2, 6], [3, 6]]), RasterDomain((6, 10)), geometry)


def test_how_many_places_there_are():
    assert free_positions(RasterDomain((6, 10)), SpatialRectangular((4, 3))) == (3, 8)
    assert free_positions(RasterDomain((2, 10)), SpatialRectangular((4, 3))) == (1, 8)
    assert free_positions(RasterDomain((2, 10)), SpatialRectangular((4, 3), "drop")) == (0, 8)


def test_a_seed_is_kept_and_one_that_is_drawn_survives_json():
    assert fixed_seed(np.int64(7)) == 7
    drawn = {fixed_seed(None) for _ in range(50)}
    assert len(drawn) == 50
    assert all(float(seed) == seed < 2**53 for seed in drawn)
    with pytest.raises(ValueError, match="not negative, not -1"):
        fixed_seed(-1)


def test_pairs_are_python_numbers_beyond_one_block():
    anchors = np.arange(20_000).reshape(-1, 2)
    pairs = list(as_pairs(anchors))
    assert pairs == [tuple(pair) for pair in anchors.tolist()]
    assert type(pairs[-1][0]) is int
