"""Tap, Branch, Fanout: beside a pipeline, one of two ways, several ways at once."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher
from geotoolz import NDVI, Branch, Fanout, Identity, Scale, SelectBands, Tap

IMAGE = np.random.default_rng(7).integers(1, 9000, (2, 48, 64)).astype("uint16")
IMAGE[:, :16, :16] = 3


def is_flat(patch):
    return patch.max() == patch.min()


def is_positive(patch):
    return patch.sum() > 0


def negate(patch):
    return -patch


def brightest(patch):
    return patch.max(axis=0)


def first_two(patch):
    return patch[..., :2, :, :]


def test_a_tap_sees_what_passes_and_changes_nothing():
    seen = []
    pipeline = Scale(0.5) | Tap(seen.append) | Scale(2)
    np.testing.assert_array_equal(pipeline(IMAGE), IMAGE)
    np.testing.assert_array_equal(seen[0], IMAGE / 2)
    assert Tap(len)(IMAGE) is IMAGE


def test_a_tap_is_called_for_each_patch_of_a_run():
    seen = []
    made = geopatcher.reconstruct(IMAGE, Tap(lambda patch: seen.append(patch.shape)), size=16, step=16)
    np.testing.assert_array_equal(made.array, IMAGE)
    assert seen.count((2, 16, 16)) == len(seen) >= 12


def test_the_predicate_chooses():
    branch = Branch(is_flat, Scale(10), Scale(0.5))
    np.testing.assert_array_equal(branch(IMAGE), IMAGE * np.float32(0.5))
    np.testing.assert_array_equal(branch(IMAGE[:, :16, :16]), np.full((2, 16, 16), 30))
    assert Branch(is_flat, Scale(10))(IMAGE) is IMAGE


@given(
    hnp.arrays("int64", st.tuples(st.integers(1, 6), st.just(2), st.integers(1, 3), st.integers(1, 3)),
               elements=st.integers(-20, 20)),
    st.sampled_from([Branch(is_positive, negate), Branch(is_positive, negate, abs),
                     Fanout([Identity(), negate, first_two])]),
)  # fmt: skip
def test_a_batch_is_its_patches(batch, operator):
    np.testing.assert_array_equal(operator(batch), np.stack([operator(patch) for patch in batch]))


def test_each_operator_is_run_once_for_a_batch():
    sizes = []
    batch = np.stack([IMAGE[:, :16, :16], IMAGE[:, 16:32, :16], IMAGE[:, :16, :16]])
    made = Branch(is_flat, Tap(lambda part: sizes.append(len(part))) | negate)(
        np.ma.array(batch, mask=batch == batch[1, 0, 0, 0])
    )
    assert sizes == [2]
    np.testing.assert_array_equal(made.mask, batch == batch[1, 0, 0, 0])


def test_results_of_one_batch_must_fit_together():
    batch = np.stack([IMAGE[:, :16, :16], IMAGE[:, 16:32, :16]])
    with pytest.raises(ValueError, match=r"shapes \(1, 16, 16\) and \(2, 16, 16\) for patches of one batch"):
        Branch(is_flat, SelectBands(1))(batch)


def test_results_are_stacked_in_order():
    made = Fanout([SelectBands([2]), NDVI(nir=2, red=1), brightest])(IMAGE)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.stack([IMAGE[1], NDVI(nir=2, red=1)(IMAGE)[0], IMAGE.max(axis=0)]))


def test_one_of_several_that_writes_into_its_patch_is_no_matter_to_the_others():
    def spoil(patch):
        patch[:] = 0
        return patch

    made = Fanout([spoil, Identity()])(IMAGE)
    np.testing.assert_array_equal(made[2:], IMAGE)
    assert not made[:2].any()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_in_patches_it_is_as_on_the_whole(batch_size):
    pipeline = Fanout([NDVI(nir=2, red=1), Scale(1e-4) | SelectBands(1)])
    made = geopatcher.reconstruct(IMAGE, pipeline, size=16, step=8, batch_size=batch_size).array
    np.testing.assert_allclose(made, pipeline(IMAGE), rtol=1e-5, atol=1e-6)
    branch = Branch(is_flat, Scale(2), Scale(1))
    made = geopatcher.reconstruct(IMAGE, branch, size=16, step=16, batch_size=batch_size).array
    expected = IMAGE.astype("float32")
    expected[:, :16, :16] = 6
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Tap(3), TypeError, "fn of Tap is 3 of type int, which cannot be called"),
        (lambda: Branch(None, abs), TypeError, "predicate of Branch is None"),
        (
            lambda: Branch(is_flat, Identity),
            TypeError,
            r"if_true of Branch is the class Identity.*Identity\(...\)",
        ),
        (lambda: Fanout([abs, 1]), TypeError, "operator 1 of Fanout is 1"),
        (lambda: Fanout([]), ValueError, "Fanout has no operator"),
        (lambda: Fanout([Identity(), lambda patch: patch[:, 1:]])(IMAGE), ValueError, r"\(2, 47, 64\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_they_say_what_they_are_and_pickle():
    pipeline = pickle.loads(  # noqa: S301 - our own bytes
        pickle.dumps(Tap(np.max) | Branch(is_flat, negate) | Fanout([SelectBands(1), abs]))
    )
    tap, branch, fanout = json.loads(json.dumps(pipeline.get_config()))["steps"]
    assert tap["fn"]["name"] == "max"
    assert branch["predicate"] == {"name": "is_flat", "type": "Lambda", "function": f"{__name__}:is_flat"}
    assert branch["if_true"]["function"] == f"{__name__}:negate"
    assert branch["if_false"] == {"name": "Identity", "type": "Identity"}
    assert fanout["operators"] == [
        SelectBands(1).get_config(),
        {"name": "abs", "type": "Lambda", "function": "builtins:abs"},
    ]
    assert pipeline(IMAGE).shape == (3, 48, 64)
