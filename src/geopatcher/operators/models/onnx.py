"""ONNX models, run by onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher._optional import load
from geopatcher.core.cpu import usable_cores
from geopatcher.errors import OperatorError
from geopatcher.operators.models.axes import in_order
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    PIXELS,
    ModelInput,
    ModelRecord,
)
from geopatcher.operators.models.several import order_of
from geopatcher.operators.models.threads import allowed_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.protocol import Settings
    from geopatcher.operators.models.scaling import Batch

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


class _Port(Protocol):
    """An input or an output of a session; a length that may be any is a text, or ``None``."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class _Notes(Protocol):
    custom_metadata_map: Mapping[str, str]


class _Session(Protocol):
    def get_inputs(self) -> Sequence[_Port]: ...
    def get_outputs(self) -> Sequence[_Port]: ...
    def get_modelmeta(self) -> _Notes: ...
    def get_providers(self) -> Sequence[str]: ...
    def run(self, names: Sequence[str] | None, feed: Mapping[str, Array]) -> Sequence[Array]: ...


@dataclass
class OnnxRuntime:
    """A session of onnxruntime."""

    session: _Session
    described: Described

    @classmethod
    def open(cls, path: Path, settings: Settings) -> OnnxRuntime:
        """Load a file.

        Raises
        ------
        OperatorError
            It is no model that onnxruntime can run.
        ValueError
            There is no such device, or the precision is not that of the file.

        """
        runtime = load("onnxruntime")
        if settings.precision not in ("auto", "fp32"):
            raise ValueError(
                f"precision={settings.precision!r}: an ONNX model computes in the precision it was "
                f"exported with, so export it anew, or leave precision out"
            )
        providers, known = ["CPUExecutionProvider"], runtime.get_available_providers()
        if "CUDAExecutionProvider" in known and settings.device != "cpu":
            providers.insert(0, "CUDAExecutionProvider")
        elif settings.device == "cuda":
            raise ValueError(
                f"device='cuda': this onnxruntime has only {', '.join(known)}; pip install onnxruntime-gpu"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads = allowed_threads(usable_cores())
        options.inter_op_num_threads = 1
        try:
            session: _Session = runtime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime has an error of its own for each reason
            raise OperatorError(f"the model {path} cannot be loaded by onnxruntime: {error}") from error
        inputs = session.get_inputs()
        odd = next((port.type for port in inputs if port.type not in _DTYPES), None)
        if odd is not None:
            raise OperatorError(f"the model {path} takes {odd}: it must take numbers")
        on_gpu = session.get_providers()[0] == "CUDAExecutionProvider"
        if settings.device == "cuda" and not on_gpu:  # onnxruntime goes on without it, slowly
            raise ValueError("device='cuda': onnxruntime could not start it; its log says why")
        return cls(session, _described(session, runtime.__version__, "cuda" if on_gpu else "cpu", threads))

    def run(self, batch: Batch) -> Mapping[str, Array]:
        """Return all results by their names."""
        return self.run_several({self.session.get_inputs()[0].name: batch})

    def run_several(self, batches: Mapping[str, Batch]) -> Mapping[str, Array]:
        """Return all results by their names, of an array for each input.

        Raises
        ------
        OperatorError
            A value is none that an input has room for.

        """
        feed = {
            port.name: _given(batches[port.name], np.dtype(_DTYPES[port.type]))
            for port in self.session.get_inputs()
        }
        names = [one.name for one in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, feed), strict=True))

    def close(self) -> None:
        """Do nothing: a session ends with its last reference."""


def _given(batch: Batch, dtype: np.dtype) -> Array:
    """Return a batch in the dtype of an input; of integers the nearest ones.

    >>> _given(np.array([2.6, 255.0], np.float32), np.dtype("uint8")).tolist()
    [3, 255]
    """
    if dtype.kind in "iu":
        batch = np.rint(batch)
        lowest, beyond = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max) + 1
        fits = lowest <= batch.min(initial=0) and batch.max(initial=0) < beyond
    else:
        largest = np.finfo(dtype).max
        fits = dtype.itemsize >= batch.itemsize or np.abs(batch).max(initial=0) <= largest
    if not fits:
        raise OperatorError(
            f"the model takes {dtype.name}, and is given values from {batch.min():g} to {batch.max():g}: "
            f"scale them, such as by scale= and clip=, or take a model of float32"
        )
    return np.ascontiguousarray(batch, dtype)


def _described(session: _Session, version: str, device: str, threads: int) -> Described:
    ports, results = session.get_inputs(), session.get_outputs()
    shapes, several = tuple(map(_lengths, ports)), len(ports) > 1
    inputs = tuple(map(_input, ports, shapes)) if several else ()
    order = order_of(inputs) if several else _order(shapes[0])
    known = Described(
        "onnxruntime",
        version,
        device=device,
        precision="fp16" if ports[0].type == "tensor(float16)" else "fp32",
        threads=threads,
        dim_order=order,
        parts=tuple(one.name for one in results),
        per_pixel=order == PIXELS,
        fresh=True,
        notes=dict(session.get_modelmeta().custom_metadata_map),
        inputs=inputs,
        shapes=shapes,
        made=_lengths(results[0]) if len(results) == 1 else (),
    )
    return in_order(known, ModelRecord(inputs=inputs))


def _lengths(port: _Port) -> tuple[int | None, ...]:
    return tuple(length if isinstance(length, int) and length > 0 else None for length in port.shape)


def _input(port: _Port, lengths: Sequence[int | None]) -> ModelInput:
    """Return what a session says of one of several inputs."""
    order = _order(lengths)
    if order == PIXELS:
        raise OperatorError(f"input {port.name} of the model has 2 axes: of several each must have 4")
    return ModelInput(port.name, dim_order=order)


def _order(lengths: Sequence[int | None]) -> tuple[str, ...]:
    """Return what the axes of an input most likely are; a record can say otherwise.

    >>> _order([None, None, None, 4]) == CHANNELS_LAST, _order([1, 4, 512, 512]) == CHANNELS_FIRST
    (True, True)
    """
    if len(lengths) == 2:
        return PIXELS
    if len(lengths) != 4:
        raise OperatorError(
            f"the model takes an input of {len(lengths)} axes: it must have 4, or 2 for pixels"
        )
    second, third, last = lengths[1:]
    is_last = last is not None and (second is None or (second == third and second > last))
    return CHANNELS_LAST if is_last else CHANNELS_FIRST
