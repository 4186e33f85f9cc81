"""GeoTIFFs made from arrays, block by block, as a run makes them."""

from __future__ import annotations

import numpy as np
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.gaps import VALID
from geopatcher.targets.disk import CogTarget
from geopatcher.targets.storage import CogStorage

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def spec_of(image, options=None, said=None, fill=None, **record):
    """Return the spec of an image as a result; ``record`` is of its domain."""
    names = tuple(f"band {n}" for n in range(image.shape[0])) if image.ndim == 3 else ()
    known = {"transform": TRANSFORM, "crs": "EPSG:32633", "dtype": image.dtype, "band_names": names}
    domain = RasterDomain(image.shape, **{**known, **record})
    value = (0 if domain.nodata is None else domain.nodata) if fill is None else fill
    spec = ResultSpec(domain, (64, 64), value, masked=said is not None)
    return (options or CogStorage()).applied(spec)


def written(image, folder, options=None, said=None, **record):
    """Write an image to ``x.tif``, in boxes of whole blocks; return what it came to be."""
    spec = spec_of(image, options, said, **record)
    target = CogTarget(folder / "x.tif", options=options or CogStorage())
    try:
        sink = target.create(spec)
        for box in Box.of_shape(spec.domain.grid_shape).tiles((spec.chunks[0], 2 * spec.chunks[1])):
            where = (..., *box.slices())
            shape = (spec.n_bands, *box.shape)
            masks = {} if said is None else {VALID: said[where].reshape(shape)}
            sink.write([(box, {"data": image[where].reshape(shape), **masks})])
        return target.complete()
    finally:
        target.discard()


def halved(image, known, method, fill, nodata):
    """Return an image of ``(bands, h, w)`` at half the resolution, cell by cell in plain Python."""
    n_bands, height, width = image.shape
    result = np.full((n_bands, -(-height // 2), -(-width // 2)), fill, image.dtype)
    held = np.zeros(result.shape, bool)
    for band, row, col in np.ndindex(*result.shape):
        part = (band, slice(2 * row, 2 * row + 2), slice(2 * col, 2 * col + 2))
        cells, there = image[part].ravel().tolist(), known[part].ravel()
        held[band, row, col] = there.any()
        cells = [cell for cell, valid in zip(cells, there, strict=True) if valid]
        if not cells:
            continue
        assert method == "average"
        mean = sum(cells) / len(cells)
        value = image.dtype.type(np.floor(mean + 0.5) if image.dtype.kind in "iu" else mean)
        if nodata is not None and value == nodata:
            value = next((cell for cell in cells if cell != nodata), value)
        result[band, row, col] = value
    return result, held
