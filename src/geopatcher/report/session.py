"""What the viewer shows, and what it answers: no sockets here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, urlsplit

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from geopatcher._optional import load
from geopatcher.core.palette import RAMPS
from geopatcher.errors import GeopatcherError
from geopatcher.inspect.arrays import RESULT
from geopatcher.inspect.classes import css_colors
from geopatcher.inspect.meaning import scale_of
from geopatcher.inspect.png import LABELS, ramp_colours
from geopatcher.planning.anchors import Lattice
from geopatcher.report.answers import Answer, not_found, pages_of
from geopatcher.report.asked import asked_band, asked_bands, asked_spans, asked_style, asked_whole
from geopatcher.report.inputs import input_for
from geopatcher.report.results import open_result
from geopatcher.report.tiles import INPUT, TILE_PX, Layer, difference
from geopatcher.report.true_color import true_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.axis import Axis
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.json_values import Json
    from geopatcher.fields.open import Source
    from geopatcher.inspect.styles import BandStyle
    from geopatcher.planning.anchors import AnchorSet
    from geopatcher.report.results import Pixels, Result

#: Modules of the page.
_MODULES = (
    *("viewer", "scene", "tiles", "overlays", "input", "place"),
    *("panel", "histogram", "legend", "bar", "compare", "pins"),
)
#: What follows the question mark of an address, by name.
Query: TypeAlias = "Mapping[str, Sequence[str]]"
#: The page itself: address -> file of this package and its type. Nothing else is ever read from a name.
PAGES = {
    "/": ("viewer.html", "text/html; charset=utf-8"),
    "/viewer.css": ("viewer.css", "text/css; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _MODULES},
}
_TILE = re.compile(r"/tile/([0-9]{1,3})/([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})")
_DIFFERENCE = re.compile(r"/difference/([0-9]{1,3})/([0-9]{1,3})/([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})")
_HISTOGRAM = re.compile(r"/histogram/([0-9]{1,3})")
_HISTOGRAM_LESS = re.compile(r"/histogram/([0-9]{1,3})/([0-9]{1,3})")
_VALUE = re.compile(r"/value/([0-9]{1,3})")
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, eq=False)
class Session:
    """The layers on show, and how patches lie over them. Any thread may ask."""

    title: str
    layers: Sequence[Layer]
    anchors: AnchorSet | None
    pages: Mapping[str, Answer]

    @classmethod
    def of(
        cls,
        result: Result,
        source: Source | None = None,
        size: Pixels | None = None,
        step: Pixels | None = None,
        labels: bool | None = None,
    ) -> Session:
        """Open a result, its layers, and the raster it was made from: by default what its ledger names."""
        load("rio_tiler.io")  # say what is missing before there is a page, which would stay empty
        opened = open_result(result, size, step)
        rasters = dict(opened.rasters)
        origin, _ = input_for(source, opened.origin, opened.domain)
        if origin is not None:
            rasters[INPUT] = origin.raster
        given = opened.labels if labels is None else labels
        layers = [
            Layer.of(name, raster, given if name == RESULT else None) for name, raster in rasters.items()
        ]
        return cls(opened.name, layers, opened.anchors, pages_of(PAGES))

    @property
    def domain(self) -> RasterDomain:
        """The grid all layers lie on."""
        return self.layers[0].raster.domain

    def close(self) -> None:
        """Stop what reads in the background."""
        for layer in self.layers:
            layer.stop.set()

    def answer(self, target: str) -> Answer:
        """Answer the target of a GET request: a path, and what follows a question mark."""
        try:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                return not_found()
            if parts.path in self.pages:
                return self.pages[parts.path]
            return self._data(parts.path, parse_qs(parts.query, max_num_fields=8))
        except ValueError as error:
            return Answer(400, "text/plain; charset=utf-8", f"{error}\n".encode())
        except (GeopatcherError, OSError) as error:
            return Answer(500, "text/plain; charset=utf-8", f"{error}\n".encode())

    def _data(self, path: str, query: Query) -> Answer:
        if path == "/session":
            return _json(self.describe())
        if path == "/progress":
            settled = sum(layer.n_settled for layer in self.layers)
            return _json({"share": min(layer.share for layer in self.layers), "settled": settled})
        return self._of_layers(path, query) or not_found()

    def _of_layers(self, path: str, query: Query) -> Answer | None:
        """Answer what is asked of layers, by their numbers; ``None`` for what nobody knows."""
        for pattern, count, answer in (
            (_TILE, 1, _tile),
            (_DIFFERENCE, 2, _difference),
            (_HISTOGRAM, 1, _histogram),
            (_HISTOGRAM_LESS, 2, _histogram_less),
            (_VALUE, 1, _value),
        ):
            if match := pattern.fullmatch(path):
                numbers = [int(text) for text in match.groups()]
                if max(numbers[:count]) < len(self.layers):
                    return answer([self.layers[number] for number in numbers[:count]], numbers[count:], query)
        return None

    def describe(self) -> dict[str, Json]:
        """Return all the page needs to know before it asks for tiles."""
        height, width = self.domain.grid_shape
        return {
            "title": self.title,
            "height": height,
            "width": width,
            "maxZoom": self.layers[0].max_zoom,
            "tile": TILE_PX,
            "transform": [float(value) for value in self.domain.transform[:6]],
            "crs": None if self.domain.crs is None else CRS.from_user_input(self.domain.crs).name,
            "metres": _metres(self.domain),
            "patches": _patches(self.anchors),
            "ramps": {name: _stops(name) for name in (*RAMPS, LABELS)},
            "layers": [
                {
                    "name": layer.name,
                    "dtype": str(layer.raster.domain.dtype),
                    "bands": layer.band_names,
                    "spans": [list(span) for span in layer.spans],
                    "ramp": layer.styles[0].ramp,
                    "units": list(layer.raster.domain.units),
                    "scales": _scales(layer.raster.domain),
                    "rgb": _listed(true_color(layer.raster.domain)),
                    "classes": [_classes(style) for style in layer.styles],
                }
                for layer in self.layers
            ],
        }


def _classes(style: BandStyle) -> Json:
    """Return the legend of a band, most of it first; nothing of a quantity."""
    listed = zip(
        style.classes, css_colors(style.classes), style.shares or [0.0] * len(style.classes), strict=True
    )
    return [
        {"value": one.value, "name": name, "color": color, "share": round(share, 6)}
        for one, (name, color), share in listed
    ]


def _text(value: float | int) -> str:
    """Write a value so that nothing of it is lost.

    >>> _text(2**60), _text(0.5)
    ('1152921504606846976', '0.5')
    """
    return repr(value)


def _tile(layers: Sequence[Layer], tile: Sequence[int], query: Query) -> Answer:
    (layer,) = layers
    zoom, x, y = tile
    return _picture(layer.tile(zoom, x, y, asked_style(layer, query)))


def _difference(layers: Sequence[Layer], tile: Sequence[int], query: Query) -> Answer:
    first, second = layers
    zoom, x, y = tile
    (span,) = asked_spans(query, 1)
    return _picture(difference((first, second), asked_bands(layers, query), (zoom, x, y), span))


def _histogram(layers: Sequence[Layer], rest: Sequence[int], query: Query) -> Answer:
    (layer,), _ = layers, rest
    return _json(layer.histogram(asked_band(layer, query)).told())


def _histogram_less(layers: Sequence[Layer], rest: Sequence[int], query: Query) -> Answer:
    """Count the values of bands less those of others."""
    (first, second), _ = layers, rest
    bands = asked_bands(layers, query)
    return _json(first.histogram_less(bands[0], second, bands[1]).told())


def _value(layers: Sequence[Layer], rest: Sequence[int], query: Query) -> Answer:
    (layer,), _ = layers, rest
    row, col = (asked_whole(query, name) for name in ("row", "col"))
    height, width = layer.raster.domain.grid_shape
    if not (0 <= row < height and 0 <= col < width):
        return not_found()
    # As text: a browser's numbers have 53 bits.
    values = [None if value is None else _text(value) for value in layer.raster.exact(row, col)]
    return _json({"values": values, "lonlat": _lonlat(layer.raster.domain, row, col)})


def _picture(tile: bytes | None) -> Answer:
    return not_found() if tile is None else Answer(200, "image/png", tile)


def _listed(bands: tuple[int, ...] | None) -> Json:
    return None if bands is None else list(bands)


def _json(content: Json) -> Answer:
    return Answer(200, _JSON, json.dumps(content, allow_nan=False).encode())


def _stops(ramp: str) -> list[str]:
    colours = ramp_colours(ramp)[:16] if ramp == LABELS else ramp_colours(ramp)[::17]
    return [f"rgb({red},{green},{blue})" for red, green, blue in colours.tolist()]


def _patches(anchors: AnchorSet | None) -> Json:
    """Return how patches lie, for the page to draw; ``None`` where they are no lattice."""
    if not isinstance(anchors, Lattice) or not anchors.count:
        return None
    return {"rows": _axis(anchors.rows), "cols": _axis(anchors.cols), "count": anchors.count}


def _axis(axis: Axis) -> dict[str, Json]:
    last = axis.anchor(axis.count - 1)
    return {"size": axis.size, "step": axis.step, "count": axis.count, "first": -axis.origin, "last": last}


def _scales(domain: RasterDomain) -> Json:
    """Return scale and offset of each band, by which a stored number is told as what it stands for."""
    known = [scale_of(domain.metadata, band) for band in range(len(domain.metadata.bands))]
    return [list(pair or (1.0, 0.0)) for pair in known] if any(known) else []


def _metres(domain: RasterDomain) -> Json:
    """Return how many metres a unit of the map is; ``"degrees"`` where it is an angle, else ``None``."""
    if domain.crs is None:
        return None
    crs = CRS.from_user_input(domain.crs)
    if crs.is_geographic:
        return "degrees"
    axes = crs.axis_info
    return float(axes[0].unit_conversion_factor) if crs.is_projected and axes else None


def _lonlat(domain: RasterDomain, row: int, col: int) -> Json:
    """Return longitude and latitude of a pixel's centre; ``None`` where that is not known."""
    if domain.crs is None:
        return None
    a, b, c, d, e, f = domain.transform[:6]
    x, y = a * (col + 0.5) + b * (row + 0.5) + c, d * (col + 0.5) + e * (row + 0.5) + f
    try:
        transformer = Transformer.from_crs(CRS.from_user_input(domain.crs), "EPSG:4326", always_xy=True)
        lon, lat = transformer.transform(x, y)
    except ProjError:
        return None
    return [round(float(lon), 6), round(float(lat), 6)] if np.isfinite([lon, lat]).all() else None
