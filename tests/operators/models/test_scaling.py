"""Steps of scaling, against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.operators.models.scaling import Scaling, apply_steps, steps_from_numbers

VALUES = np.array([-3, 0, 2, 9], "float32")


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (Scaling("min-max", minimum=-3, maximum=9), (VALUES + 3) / 12),
        (Scaling("z-score", mean=2, stddev=4), (VALUES - 2) / 4),
        (Scaling("clip", minimum=0, maximum=5), np.clip(VALUES, 0, 5)),
        (Scaling("clip-min", minimum=1), np.maximum(VALUES, 1)),
        (Scaling("clip-max", maximum=1), np.minimum(VALUES, 1)),
        (Scaling("offset", value=2), VALUES - 2),
        (Scaling("scale", value=2), VALUES / 2),
        (Scaling(None), VALUES),
    ],
)
def test_each_type_is_its_formula(step, wanted):
    batch = VALUES.reshape(1, 1, 2, 2).copy()
    apply_steps(batch, [(step,)])
    np.testing.assert_allclose(batch.ravel(), wanted, rtol=1e-6)


def test_steps_follow_one_another_band_by_band():
    batch = np.ones((2, 2, 3, 3), "float32") * np.array([4, 10], "float32").reshape(1, 2, 1, 1)
    steps = steps_from_numbers(scale=[0.5, 0.1], offset=1, clip=(0, 2.5), mean=[0.5, 1], std=2)
    apply_steps(batch, steps)
    expected = [(min(4 * 0.5 + 1, 2.5) - 0.5) / 2, (10 * 0.1 + 1 - 1) / 2]
    np.testing.assert_allclose(batch[0, :, 0, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(batch[0], batch[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scaling("minmax"), "there is no scaling of type 'minmax': choose one of min-max, z-score"),
        (lambda: Scaling("scale", value=0), "cannot be computed with {'value': 0}"),
        (lambda: Scaling("scale", value=np.inf), "numbers that no float32 is"),
        (lambda: Scaling("offset", value=10**400), "numbers that no float32 is"),
        (lambda: Scaling("scale", value=1e-300), "cannot be computed with {'value': 1e-300}"),
        (lambda: Scaling("clip", minimum=2, maximum=1), "cannot be computed"),
        (lambda: Scaling("scale", value=1, mean=2), "needs value, and has mean and value"),
    ],
)
def test_what_cannot_be_computed_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": 1}, "mean=1 and std=None: give both"),
        ({"mean": [1, 2], "std": [1, 2, 3]}, "mean has 2 numbers and std 3"),
        ({"scale": 0}, "values times 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(given, message):
    nothing = dict.fromkeys(("scale", "offset", "clip", "mean", "std"))
    with pytest.raises(ValueError, match=message):
        steps_from_numbers(**{**nothing, **given})
