"""In runs of `geopatcher.reconstruct`: known by their parameters, and at work in other processes."""

import numpy as np
import pytest

import geopatcher
from geopatcher.identity.operators import identity_of
from geotoolz import (
    EVI,
    NDVI,
    NDWI,
    SAVI,
    ApplyMask,
    Branch,
    Clip,
    Fanout,
    Identity,
    MaskFromClasses,
    ModelOp,
    Normalize,
    NormalizedDifference,
    Scale,
    SelectBands,
    StackBands,
    Tap,
    Threshold,
)


def halve(patch):
    return patch / 2


def double(patch):
    return patch * 2


def is_dark(patch):
    return patch.mean() < 3000


#: operators, and others that give other results
PAIRS = [
    (SelectBands([1, 2]), SelectBands([2, 1])),
    (Scale(2), Scale(3)),
    (Scale(2), Scale(2, offset=1)),
    (Normalize(1, 2), Normalize(1, 3)),
    (Normalize([1, 1], [2, 3]), Normalize([1, 2], [2, 3])),
    (Clip(0, 1), Clip(0)),
    (Threshold(1), Threshold(1, below=True)),
    (NDVI(nir=2, red=1), NDVI(nir=3, red=1)),
    (NormalizedDifference(first=2, second=1), NormalizedDifference(first=1, second=2)),
    (SAVI(nir=2, red=1), SAVI(nir=2, red=1, soil=1)),
    (EVI(nir=3, red=2, blue=1), EVI(nir=3, red=1, blue=2)),
    (MaskFromClasses(1, ["water"]), MaskFromClasses(1, ["vegetation"])),
    (MaskFromClasses(1, [6]), MaskFromClasses(1, [6], invert=True)),
    (ApplyMask(MaskFromClasses(1, [6])), ApplyMask(MaskFromClasses(1, [7]))),
    (ApplyMask(halve), ApplyMask(halve, fill=0)),
    (ModelOp(halve), ModelOp(double)),
    (Tap(halve), Tap(double)),
    (Branch(is_dark, halve), Branch(is_dark, Identity(), halve)),
    (Fanout([halve, double]), Fanout([double, halve])),
    (NDVI(nir=2, red=1) | Clip(0, 1), NDVI(nir=2, red=1) | Clip(0, 2)),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda operator: operator.name)
def test_an_operator_is_known_by_its_parameters(one, other):
    known = identity_of(one)
    assert known.unknown == identity_of(StackBands()).unknown == ()
    assert known.parts == identity_of(one).parts != identity_of(other).parts


def test_a_pipeline_runs_in_other_processes():
    image = np.random.default_rng(8).integers(0, 9000, (4, 48, 64)).astype("uint16")
    image[3] %= 12
    pipeline = (
        ApplyMask(MaskFromClasses(4, ["water"]))
        | Scale(1e-4)
        | Branch(is_dark, Identity(), halve)
        | Fanout([NDVI(nir=3, red=2), NDWI(green=1, nir=3) | Clip(-0.5, 0.5), ModelOp(SelectBands(1))])
    )
    alone = geopatcher.reconstruct(image, pipeline, size=16, step=8, batch_size=2).array
    many = geopatcher.reconstruct(image, pipeline, size=16, step=8, batch_size=2, workers=2).array
    np.testing.assert_array_equal(many, alone)
    np.testing.assert_allclose(alone, pipeline(image), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(alone[0]), image[3] == 6)
