from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from rasterio.windows import Window

from geopatcher.core.patch import Patch, carriers


class Reader:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_with_data_replaces_the_data_and_nothing_else():
    window, weights = Window(8, 0, 4, 4), np.ones((4, 4))
    patch = Patch(np.zeros((4, 4)), (0, 8), window, weights)
    other = patch.with_data("label")
    assert other.data == "label"
    assert (other.anchor, other.indices) == ((0, 8), window)
    assert other.weights is weights
    assert patch.data.shape == (4, 4)


def test_close_releases_data_that_can_be_closed():
    reader = Reader()
    Patch(reader, (0, 0), None).close()
    assert reader.closed == 1


def test_close_is_harmless_for_arrays():
    patch = Patch(np.arange(3), (0, 0), None)
    patch.close()
    assert patch.data.sum() == 3


def test_as_a_context_it_closes_even_after_an_error():
    reader = Reader()

    def fail() -> None:
        with Patch(reader, (0, 0), None) as patch:
            assert patch.data is reader
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        fail()
    assert reader.closed == 1


def test_it_can_be_made_with_its_type_spelled_out():
    assert Patch[int](data=3, anchor=(1, 2), indices=None).anchor == (1, 2)


def test_fields_cannot_be_set():
    patch = Patch(1, (0, 0), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        patch.data = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        patch.colour = "red"


def test_patches_of_arrays_compare_and_hash_by_identity():
    one, other = Patch(np.zeros(3), (0, 0), None), Patch(np.zeros(3), (0, 0), None)
    assert one == one  # noqa: PLR0124 - that is the question
    assert one != other
    assert len({one, other, one}) == 2


def test_it_pickles_with_its_window_and_weights():
    patch = Patch(np.arange(4.0).reshape(2, 2), (0, 8), Window(8, 0, 2, 2), np.ones((2, 2)))
    again = pickle.loads(pickle.dumps(patch))  # noqa: S301 - our own bytes
    assert (again.anchor, again.indices) == (patch.anchor, patch.indices)
    np.testing.assert_array_equal(again.data, patch.data)
    np.testing.assert_array_equal(again.weights, patch.weights)


def test_carriers_are_passed_on_as_they_come():
    patches = [Patch(3, (0, 8), None), Patch(4, (0, 0), None)]
    assert list(carriers(iter(patches))) == patches
    assert list(carriers([])) == []


@pytest.mark.parametrize("other", [np.zeros(3), "text", None, 3])
def test_what_says_no_place_is_none(other):
    patch = Patch(3, (0, 8), None)
    stream = carriers([patch, other])
    assert next(stream) is patch
    with pytest.raises(TypeError, match=f"number 1 is a {type(other).__name__}: yield patch.with_data"):
        next(stream)


@pytest.mark.parametrize("one", [Patch(3, (0, 8), None), 5])
def test_one_patch_is_no_iterable_of_patches(one):
    with pytest.raises(TypeError, match=f"an iterable of patches, .* not one {type(one).__name__}"):
        list(carriers(one))
