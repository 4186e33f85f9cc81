"""Steps over bands, against NumPy over whole arrays."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from geopatcher.operators.expression_parser import read_arithmetic
from geopatcher.operators.expression_steps import BLOCK, Band, Call, Kind, Number, compute, power


def computed(text, *bands, dtype="float32"):
    out = np.empty(bands[0].shape, dtype)
    missing = out.dtype.kind == "f"
    compute(read_arithmetic(text).steps, dict(enumerate(bands, start=1)), out, missing=missing)
    return out


def test_blocks_and_what_is_left_of_them_are_all_filled():
    rng = np.random.default_rng(0)
    red, nir = rng.integers(0, 10_000, (2, 3, BLOCK + 7)).astype("uint16")
    made = computed("(b2 - b1) / (b2 + b1)", red, nir)
    a, b = red.astype("float32"), nir.astype("float32")
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(made, (b - a) / (b + a))


def test_a_missing_cell_of_any_block_and_band_is_missing():
    a, b = np.ones((2, 2, BLOCK), "float32")
    a[0, 3] = b[1, -1] = np.nan
    made = computed("where(b1 > b2, 5, 6)", a, b)
    assert np.argwhere(np.isnan(made)).tolist() == [[0, 3], [1, BLOCK - 1]]


def test_bands_that_do_not_lie_together_are_read_as_others_are():
    batch = np.arange(2 * 3 * 8 * 9, dtype="float32").reshape(2, 3, 8, 9)
    made = computed("b1 * 2 - b2", batch[:, 2], batch[:, 0])
    np.testing.assert_array_equal(made, batch[:, 2] * 2 - batch[:, 0])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("b1 + 1", Kind.BAND),
        ("b1 * 0.1", Kind.WIDE),
        ("b1 ** 2", Kind.BAND),
        ("b1 ** 0.5", Kind.BAND),
        ("b1 ** 0.3", Kind.WIDE),
        ("(b1 > 0) + (b2 > 0)", Kind.WHOLE),
        ("(b1 > 0) / (b2 > 0)", Kind.WIDE),
        ("((b1 > 0) + 1) ** -1", Kind.WIDE),
        ("sqrt((b1 > 0) + 1)", Kind.WIDE),
        ("sqrt(b1)", Kind.BAND),
        ("b1 > 0.3", Kind.WIDE),
        ("(b1 > 0) & (b2 > 0)", Kind.CONDITION),
        ("where(b1 > 0, b2, 1)", Kind.BAND),
        ("b1 + 2147483648", Kind.WIDE),
    ],
)
def test_what_is_computed_in_which_dtype(text, kind):
    assert read_arithmetic(text).steps[-1].kind is kind


def test_a_number_of_the_text_is_not_rounded_to_the_bands():
    cell = np.array([[0.3]], "float32")  # 0.30000001192
    assert computed("b1 > 0.3", cell, dtype="uint8").item() == 1
    assert computed("b1 * 0.1", cell).item() == np.float32(np.float64(cell.item()) * 0.1)


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.5, 2, 3, 7, 2.5, -1, -0.5, -3, 50])
def test_powers_by_products_are_powers(exponent):
    base = np.linspace(0.5, 1.5, 11)
    np.testing.assert_allclose(power(base, exponent, dtype=base.dtype), base**exponent, rtol=1e-14)


def test_steps_take_blocks_and_no_copies_of_bands():
    band = np.ones((1, 64 * BLOCK), "float32")
    out = np.empty_like(band)
    steps = (Band(1), Number(2.5), Call(np.multiply, 2, Kind.WIDE))
    tracemalloc.start()
    compute(steps, {1: band}, out, missing=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < band.nbytes / 4
    assert (out == 2.5).all()
