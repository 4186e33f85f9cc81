"""How work travels to other processes: operators by name or by cloudpickle, open files not at all.

What is pickled here is made and read by processes of one run. Nothing of it is written to a file.
"""

from __future__ import annotations

import functools
import io
import pickle
import traceback
from types import FunctionType
from typing import TYPE_CHECKING, cast

from geopatcher._optional import load
from geopatcher.core.containment import contained, stray, told
from geopatcher.errors import GeopatcherError, MissingExtraError, OperatorError, TransportError
from geopatcher.errors.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Packages whose objects carry credentials along when they are pickled.
SECRETIVE = frozenset({"boto3", "botocore", "obstore"})
#: The same, of single modules.
SECRETIVE_MODULES = frozenset({"rasterio.session"})

#: What helps, for each part of a job that may be unable to travel.
ADVICE = {
    "operator": (
        "define it in a module and name it module:function (geopatcher.executors.NamedOperator), so that "
        "each worker imports it, or open what it holds (a session, a file, a lock) inside the function"
    ),
    "source": "give the path or URL of the raster, so that each worker opens it by itself",
    "aggregation": "define the functions it is given in a module, or take an aggregation without them",
}


@functools.cache
def _guarded(base: type[pickle.Pickler], *, plain: bool) -> type[pickle.Pickler]:
    """Return a class of picklers that refuse what carries credentials.

    A ``plain`` one refuses what is defined in a script, too: the other process could not import it.
    """

    class Guarded(base):  # type: ignore[misc,valid-type]
        def persistent_id(self, value: object) -> None:
            _refuse_secrets(value)
            if plain and isinstance(value, FunctionType | type) and value.__module__ == "__main__":
                raise TransportError(
                    f"{value.__qualname__} is defined in the script itself and needs cloudpickle to travel: "
                    f"pip install 'geopatcher[dask]'"
                )

    return Guarded


def _pickler(buffer: io.BytesIO) -> pickle.Pickler:
    """Return a pickler for functions of any kind where cloudpickle is there, a plain one elsewhere."""
    try:
        kind = _guarded(load("cloudpickle").Pickler, plain=False)
    except MissingExtraError:
        kind = _guarded(pickle.Pickler, plain=True)
    return kind(buffer, protocol=pickle.HIGHEST_PROTOCOL)


def _refuse_secrets(value: object) -> None:
    kind = type(value)
    home = kind.__module__
    if home.partition(".")[0].lstrip("_") in SECRETIVE or home in SECRETIVE_MODULES:
        raise TransportError(
            f"a {home}.{kind.__qualname__} would carry its credentials to other processes: give an URL, and "
            f"let each process find credentials in its own environment"
        )


def pack(value: object) -> bytes:
    """Return a value as bytes for another process of the same run.

    Raises
    ------
    TransportError
        Something in it cannot travel, or must not.

    """
    buffer = io.BytesIO()
    try:
        contained(lambda: _pickler(buffer).dump(value))
    except TransportError:
        raise
    except Exception as error:  # whatever the pickling of other people's objects raises
        raise TransportError(told(error)) from error
    return buffer.getvalue()


def pack_parts(whole: object, parts: Mapping[str, object]) -> bytes:
    """Return ``whole`` as bytes; when that fails, say which of its parts (keys of `ADVICE`) it is.

    Raises
    ------
    TransportError
        Names the part that cannot travel.

    """
    try:
        return pack(whole)
    except TransportError as error:
        for name, part in parts.items():
            try:
                pack(part)
            except TransportError as reason:
                raise TransportError(
                    f"the {name} {_called(part)} cannot travel to another process: {reason}; {ADVICE[name]}"
                ) from reason
        raise TransportError(f"the work cannot travel to another process: {error}") from error


def _called(part: object) -> str:
    return part.__qualname__ if isinstance(part, FunctionType) else type(part).__qualname__


def unpack(data: bytes) -> object:
    """Return the value another process of this run has packed.

    Raises
    ------
    TransportError
        It cannot be put together here: a module is missing, or raises when it is imported.

    """
    try:
        # From a process of the same run, by its own pipe.
        return contained(lambda: pickle.loads(data))  # noqa: S301
    except Exception as error:  # whatever importing other people's modules raises
        raise TransportError(
            f"a worker cannot take over its work: {told(error)}; what an operator is "
            f"made of must be importable in every worker, or be defined in the script itself"
        ) from error


class WorkerTraceback(Exception):  # noqa: N818 - the cause of an error, not one itself
    """Where an error was raised in a worker: the cause of the one that is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Carried:
    """An error on its way from a worker, with the traceback it had there."""

    def __init__(self, error: BaseException) -> None:
        told(error)  # without secrets from here on
        text = clean("".join(traceback.format_exception(error)))
        # What would end the program there must not end the one it is raised in here.
        ordinary = isinstance(error, Exception | KeyboardInterrupt)
        self._packed = _portable(error if ordinary else stray(error))
        self._traceback = text

    def revive(self) -> BaseException:
        """Return the error, its cause the place it was raised at."""
        error = cast("BaseException", pickle.loads(self._packed))  # noqa: S301 - packed in `_portable`
        error.__cause__ = WorkerTraceback(self._traceback)
        return error


def _portable(error: BaseException) -> bytes:
    """Return an error as bytes that can be read; one that cannot becomes one of ours with its message."""
    try:
        packed = pickle.dumps(error)
        same = pickle.loads(packed)  # noqa: S301 - just packed
    except Exception:  # noqa: BLE001 - errors of other people are not always made to be pickled
        same = None
    if type(same) is type(error) and str(same) == str(error):
        return packed
    kind = OperatorError if isinstance(error, OperatorError) else GeopatcherError
    return pickle.dumps(kind(told(error)))
