"""From a path to a field; what `as_field` gives for paths is tested there."""

from __future__ import annotations

import os

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.fields.from_path import field_at
from geotiffs import write_geotiff


def test_a_file_and_a_store_are_opened(tmp_path):
    pixels = np.arange(60, dtype="uint16").reshape(1, 6, 10)
    path = write_geotiff(tmp_path / "a.tif", pixels)
    store = gp.export(path, tmp_path / "a.zarr")
    for place in (path, str(path), store):
        np.testing.assert_array_equal(field_at(place).source.read(gp.Box(0, 6, 0, 10)), pixels)


def test_what_is_not_there_or_never_ends_is_refused(tmp_path):
    with pytest.raises(SourceAccessError, match=r"there is no file gone\.tif \(working directory: /"):
        field_at("gone.tif")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="is not a file but a pipe or a device"):
        field_at(tmp_path / "pipe")
