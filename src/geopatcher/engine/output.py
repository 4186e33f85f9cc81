"""What a caller wants of a result, and the result that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher.accumulators.casting import default_nodata, fits
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.leading import BAND, Dimension, leading_of_result, plain
from geopatcher.core.metadata import usual_method
from geopatcher.core.styles import Style, scaled_style, styled
from geopatcher.errors import OperatorError
from geopatcher.fields.labels import names_along
from geopatcher.targets.protocol import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.core.leading import Leading
    from geopatcher.core.metadata import Metadata
    from geopatcher.core.scaling import ScaleTo, Scaling
    from geopatcher.targets.protocol import Storage

#: What stands for missing in a result: a value, the source's value, or ``None`` for what follows.
Nodata: TypeAlias = float | int | Literal["inherit"] | None


@dataclass(frozen=True)
class Output:
    """How the caller wants the result: ``None`` is what follows from the operator and the source.

    What that comes to is one value, the `ResultSpec` that `spec` returns.
    """

    dtype: np.dtype | None = None
    nodata: Nodata = None
    chunks: tuple[int, int] | None = None
    storage: Storage = field(default_factory=MemoryStorage)
    dims: Leading | None = None
    style: Style | None = None
    scale_to: ScaleTo | None = None

    def settings(self) -> dict[str, object]:
        """Return all that is asked for by name, in one list."""
        own: dict[str, object] = {"dtype": self.dtype, "nodata": self.nodata, "chunks": self.chunks}
        own |= {} if self.dims is None else {"output_dims": self.dims}
        own |= {} if self.style is None else {"style": self.style}
        own |= {} if self.scale_to is None else {"scale_to": self.scale_to}
        return own | self.storage.settings()

    def check_nodata(self) -> None:
        """Refuse a nodata value that the dtype which is asked for cannot have.

        Raises
        ------
        ValueError
            It does not fit, or lies among the numbers that stand for values.

        """
        if self.dtype is None or self.nodata is None or isinstance(self.nodata, str):
            return
        _require_fit(self.dtype, self.nodata)
        if self.scale_to is not None:
            self.scale_to.scaling(self.nodata)

    def has_dims_of(self, source: Leading) -> bool:
        """Whether results may have the leading dimensions of the source: none of another name are asked for.

        >>> from geopatcher.core.leading import named_by
        >>> Output(dims=named_by(("class",))).has_dims_of(()), Output().has_dims_of(())
        (False, True)
        """
        names = [one.name for one in source] or [BAND]
        return self.dims is None or [one.name for one in self.dims] == names

    def spec(
        self,
        source: RasterDomain,
        aggregation: AnyCellAggregation,
        n_bands: int,
        dtype: np.dtype,
        chunks: tuple[int, int],
        *,
        flat: bool,
        lengths: tuple[int, ...] = (),
        called: tuple[str, ...] = (),
        known: Leading = (),
    ) -> ResultSpec:
        """Return the result of aggregating patches of ``n_bands`` and ``dtype`` over a source's grid.

        ``lengths`` are those of leading dimensions, where patches have several; ``called`` is what the
        operator calls its bands, if it does. ``known`` are dimensions that patches may have beside the
        source's own: those of one of several rasters.

        What says that a cell is missing is decided here, before the first block. Floats have NaN, and
        classes a value above the last. Other integers, and floats for which a value is given, have a
        mask beside them, which can collide with nothing; and where the result is of the source's own
        kind, or a value is given, that value too, as long as no cell that holds data has it.

        Raises
        ------
        ValueError
            The caller's nodata value does not fit the result's dtype, or there is none to inherit.
        OperatorError
            It cannot be known which leading dimensions the patches have.

        """
        out_bands = aggregation.out_bands(n_bands)
        flat = aggregation.flat or (flat and out_bands == n_bands)
        result = self.dtype or _storable(aggregation.out_dtype(dtype))
        known = known or source.leading or tuple(Dimension(BAND, length) for length in source.shape[:-2])
        leading = () if flat else self._leading(known, out_bands, lengths if out_bands == n_bands else ())
        same_bands = out_bands == source.n_bands and leading == source.leading
        # What is said of the source's values holds for the result's where they are of the same kind.
        own = same_bands and result == source.dtype and aggregation.keeps_quantity and self.scale_to is None
        free = aggregation.nodata_for(result) if self.nodata is None else None
        nodata = default_nodata(result, self._stated(source, result, own=own) if free is None else free)
        scaling = None if self.scale_to is None else self.scale_to.scaling(nodata)
        nodata = nodata if scaling is None else scaling.nodata
        plain = (
            free is not None
            or scaling is not None
            or result.kind not in "iuf"
            or (nodata is not None and np.isnan(nodata))
        )
        named = self.style is not None and bool(self.style.classes)
        labels = aggregation.gives_labels or named or (own and source.metadata.has_labels)
        names = source.band_names if same_bands else names_along(leading, out_bands)
        names = aggregation.band_names or (called if len(called) == out_bands else names)
        domain = source.with_bands(names, n_bands=None if flat else out_bands, dtype=result)
        said = (
            source.metadata.of_result() if own else replace(domain.metadata, bands=aggregation.metadata.bands)
        )
        domain = replace(
            domain,
            nodata=nodata,
            units=source.units if own else (),
            metadata=self._look(said, domain.n_bands, scaling),
            leading=leading,
        )
        spec = ResultSpec(
            domain=domain,
            chunks=self.chunks or chunks,
            fill=_outermost(result) if nodata is None else nodata,
            masked=not plain,
            overview=usual_method(labels=labels),
            scaling=scaling,
        )
        return self.storage.applied(spec)

    def _look(self, said: Metadata, n_bands: int, scaling: Scaling | None) -> Metadata:
        """Return what a result says of how it looks, and of what its numbers stand for."""
        if scaling is None:
            return styled(said, self.style, n_bands)
        said = styled(said, scaled_style(self.style or Style(), scaling), n_bands)
        meant = (replace(band, scale=scaling.scale, offset=scaling.offset) for band in said.bands)
        return replace(said, bands=tuple(meant))

    def _leading(self, known: Leading, n_bands: int, lengths: tuple[int, ...]) -> Leading:
        """Return the leading dimensions of a result; none where there is but one of bands."""
        try:
            return plain(leading_of_result(known, lengths or (n_bands,), self.dims))
        except ValueError as error:
            raise OperatorError(f"patches have {error}") from error

    def _stated(self, source: RasterDomain, result: np.dtype, *, own: bool) -> float | int | None:
        """Return the value that is given, or inherited where the result is the source's ``own`` quantity."""
        if self.nodata is None:
            return source.nodata if own and result.kind != "f" else None
        value = source.nodata if self.nodata == "inherit" else self.nodata
        if value is None:
            raise ValueError(
                'nodata="inherit" asks for the nodata value of the source, which has no single one: '
                "give a number, or leave it out"
            )
        _require_fit(result, value)
        return value

    def assumed(
        self,
        source: RasterDomain,
        n_bands: int,
        chunks: tuple[int, int],
        layers: Mapping[str, LayerSpec],
    ) -> ResultSpec:
        """Return what a result of ``n_bands`` takes room for, while no patch has said what it is."""
        spec = ResultSpec(
            domain=source.with_bands((), n_bands=n_bands, dtype=self.dtype or np.dtype("float32")),
            chunks=self.chunks or chunks,
            fill=0,
            layers=layers,
        )
        return self.storage.applied(spec)


def _require_fit(dtype: np.dtype, nodata: float | int) -> None:
    if not fits(dtype, nodata):
        raise ValueError(f"nodata={nodata} does not fit a result of {dtype}: choose another value")


def _outermost(dtype: np.dtype) -> int:
    """Return the end of an integer range that is least likely a value: never 0. It lies under a mask.

    GDAL keeps nodata of 64-bit integers as a float, which is exact up to 2**53.
    """
    limits = np.iinfo(dtype)
    return min(int(limits.max), 2**53) if limits.min == 0 else max(int(limits.min), -(2**53))


def _storable(dtype: np.dtype) -> np.dtype:
    """Return the nearest dtype that both zarr and GeoTIFF hold."""
    if dtype.kind == "b":
        return np.dtype("uint8")
    if dtype == np.float16:
        return np.dtype("float32")
    return np.dtype("float64") if dtype.itemsize > 8 else dtype.newbyteorder("=")
