"""A scene, and a run over it some of whose patches failed."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geotiffs import write_geotiff


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 200, 240), dtype="float32")


@pytest.fixture(scope="module")
def scene(tmp_path_factory, image):
    return write_geotiff(tmp_path_factory.mktemp("scene") / "scene.tif", image)


def moody_run(scene, target, why):
    """Run over a scene to disk, with layers; patches fail with ``why`` where their corner is bright."""

    def moody(patch):
        if patch[0, 0, 0] > 0.97:
            raise OSError(why)
        return patch + 5 * patch[:, :1, :1]

    patches = {"size": 32, "step": 32, "window": "boxcar"}
    result = gp.reconstruct(scene, moody, target, **patches, layers=("weight", "spread"), on_error="skip")
    assert result.errors
    return result
