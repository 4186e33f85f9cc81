"""Networks that find objects, as a detector."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher.errors import OperatorError
from geopatcher.operators.models.checking import check_size
from geopatcher.operators.models.model import Model
from geopatcher.operators.models.running import run_whole
from geopatcher.operators.models.runtimes import OPENERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.core.operators import Shown
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.record import ModelClass, ModelRecord
    from geopatcher.operators.models.scaling import PerBand

#: How a network tells what it found; see `DetectionModel`.
Layout: TypeAlias = Literal["auto", "rows", "end-to-end"]
LAYOUTS: tuple[Layout, ...] = ("auto", "rows", "end-to-end")
#: Columns of what a network returns that has suppressed doubles itself.
END_TO_END = 6
#: Longest note of names that is read.
MAX_NAMES = 1 << 20
#: Pairs in what ultralytics writes into a model: ``{0: 'ship', 1: 'plane'}``.
PAIR = re.compile(r"""(\d+)\s*:\s*(?:'([^']*)'|"([^"]*)")""")


@runtime_checkable
class HasNames(Protocol):
    """A detector that knows the names of its classes."""

    @property
    def names(self) -> object:
        """By number, or in their order."""
        ...


class DetectionModel(Model):
    """A network that finds objects as a detector for `geopatcher.detect`.

    It returns one array, or several of which ``parts`` names one, in one of these layouts:

    - ``"rows"``: ``(n, 4 + classes, N)``, as YOLOv8 and YOLO11 have it: centre x, centre y, width and height
      of N boxes in pixels of the patch, and the score of each class. The best class of each box counts.
    - ``"end-to-end"``: ``(n, N, 6)``: left, top, right, bottom, score and class, as networks have it that
      suppress doubles themselves.

    Parameters
    ----------
    model
        The path of a model, as of `Model`: mostly ``.onnx``.
    layout
        ``"rows"``, ``"end-to-end"``, or ``"auto"`` (by default): the second where the last axis has length 6.
    bands, scale, offset, mean, std, clip, multiple, device, precision, parts, record
        As of `Model`. A network for photographs often takes values from 0 to 1: ``scale=1/255``. Pixels that
        are missing are 0.
    classes
        Names of classes; by default those that ultralytics has written into the file.

    Raises
    ------
    ValueError
        There is no such layout, or something that was told cannot be.
    OperatorError
        There is no such file, or it is a pickle.

    """

    def __init__(
        self,
        model: object,
        *,
        layout: Layout = "auto",
        bands: Sequence[int] | Sequence[str] | None = None,
        scale: PerBand = None,
        offset: PerBand = None,
        mean: PerBand = None,
        std: PerBand = None,
        clip: tuple[float, float] | None = None,
        classes: Sequence[str | ModelClass] | None = None,
        multiple: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        parts: str | int | None = None,
        record: ModelRecord | Mapping[str, object] | str | os.PathLike[str] | None = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"layout={layout!r}: choose one of {', '.join(LAYOUTS)}")
        super().__init__(
            model,
            bands=bands,
            scale=scale,
            offset=offset,
            mean=mean,
            std=std,
            clip=clip,
            classes=classes,
            multiple=multiple,
            device=device,
            precision=precision,
            parts=parts,
            record=record,
        )
        self.layout: Layout = layout

    @property
    def names(self) -> Mapping[int, str]:
        """Names of classes by number; empty where they are not known."""
        if self.record.classes:
            return {number: one.name for number, one in enumerate(self.record.classes)}
        return names_in(self.described.notes.get("names", ""))

    def get_config(self) -> dict[str, object]:
        """Return what it was made with, as JSON values; reads nothing.

        Returns
        -------
        dict
            What `from_config` takes.

        Raises
        ------
        TypeError
            The model is an object, not a file.

        """
        return {**super().get_config(), "layout": self.layout}

    def fingerprint(self) -> str:
        """Return what decides the results: that of `Model`, and the layout.

        Returns
        -------
        str
            It differs whenever results would.

        """
        return f"{super().fingerprint()}, layout {self.layout}"

    def found(self, patch: Array) -> list[Array]:
        """Return what is found in a patch ``(bands, h, w)``, or in each of ``(n, bands, h, w)``.

        Parameters
        ----------
        patch
            With all bands of the source.

        Returns
        -------
        list of numpy.ndarray
            ``(m, 6)`` float64 for each patch: left, top, right, bottom, score, class.

        Raises
        ------
        OperatorError
            What the network returned is in none of the layouts; says what it is.
        ValueError
            The patch is none the network can take.

        """
        pixels = np.asanyarray(patch)
        stack = pixels if pixels.ndim == 4 else pixels.reshape(1, -1, *pixels.shape[-2:])
        check_size((stack.shape[-2], stack.shape[-1]), self.record, self.per_pixel)
        batch, _ = self._inputs(stack.shape[1])(stack)
        parts = run_whole(self._holder.runtime(), batch, self.record)
        name = self._giving.sources(tuple(parts), self.__name__)[0]
        return rows_of(parts[name], len(stack), self.layout, self.__name__)

    def __call__(self, patch: Shown) -> list[Array]:  # type: ignore[override]
        """Return the same, as `geopatcher.detect` takes it."""
        if isinstance(patch, Mapping):
            raise OperatorError(f"{self.__name__} takes one raster, and is given {', '.join(patch)}")
        return self.found(patch)

    def __repr__(self) -> str:
        return f"DetectionModel({self.__name__})"


def rows_of(made: Array, n: int, layout: Layout, name: str) -> list[Array]:
    """Return boxes ``(m, 6)`` of each of ``n`` patches, of what a network returned.

    Raises
    ------
    OperatorError
        It is in no such layout.

    Examples
    --------
    >>> one = np.array([[[8.0], [4.0], [4.0], [2.0], [0.1], [0.7]]])
    >>> rows_of(one, 1, "rows", "net")[0].tolist()
    [[6.0, 3.0, 10.0, 5.0, 0.7, 1.0]]

    """
    shape = made.shape
    if layout == "auto" and len(shape) == 3:
        layout = "end-to-end" if shape[2] == END_TO_END else "rows"
    fits = len(shape) == 3 and shape[0] == n
    if fits and layout == "end-to-end" and shape[2] == END_TO_END:
        return list(made.astype(np.float64))
    if fits and layout == "rows" and shape[1] > 4:
        table = made.astype(np.float64).transpose(0, 2, 1)
        centres, half = table[..., :2], table[..., 2:4] / 2
        best = table[..., 4:].argmax(axis=-1)[..., np.newaxis]
        scores = np.take_along_axis(table[..., 4:], best, axis=-1)
        return list(np.concatenate([centres - half, centres + half, scores, best], axis=-1))
    raise OperatorError(
        f"{name} returned {'x'.join(map(str, shape))} for {n} patch(es): a detector returns (n, 4 + classes, "
        f'N) of centre, sides and scores (layout="rows"), or (n, N, 6) of edges, score and class '
        f'(layout="end-to-end")'
    )


def names_in(text: str) -> dict[int, str]:
    """Return the names of classes in what ultralytics writes into a model.

    >>> names_in("{0: 'ship', 1: 'plane'}")
    {0: 'ship', 1: 'plane'}
    """
    if len(text) > MAX_NAMES:
        return {}
    return {int(number): one or other for number, one, other in PAIR.findall(text)}


def detector_of(given: object) -> Callable[..., object]:
    """Return a detector: the path of a model as a `DetectionModel`, and a callable as it is.

    Raises
    ------
    TypeError
        It is neither, or a `Model` whose results are rasters.

    """
    if isinstance(given, str | os.PathLike):
        if Path(given).suffix.lower() in OPENERS:
            return DetectionModel(given)
        raise TypeError(f"{os.fspath(given)!r} is no model by its ending: known are {', '.join(OPENERS)}")
    if isinstance(given, Model) and not isinstance(given, DetectionModel):
        raise TypeError(f"{given!r} returns rasters: a network that finds objects is a DetectionModel")
    if not callable(given):
        raise TypeError(
            f"a detector is a function of a patch, a DetectionModel or its path, not {given!r:.80}"
        )
    return given


def class_names(asked: Sequence[str] | Mapping[int, str] | None, detector: object) -> dict[int, str]:
    """Return names of classes by number: as asked for, or as the detector has them, if it does.

    >>> class_names(["ship", "buoy"], abs), class_names(None, abs)
    ({0: 'ship', 1: 'buoy'}, {})
    """
    names = asked if asked is not None else detector.names if isinstance(detector, HasNames) else ()
    if isinstance(names, Mapping):
        return {int(number): str(name) for number, name in names.items()}
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"classes are names in their order, or by number, not {names!r:.80}")
    return {number: str(name) for number, name in enumerate(names)}
