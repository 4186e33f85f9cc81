"""What models are to the rest: a runtime that runs batches, and an operator that says what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.core.operators import Several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self, TypeAlias

    from geopatcher.core.operators import Shown
    from geopatcher.core.packing import Member
    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.record import ModelClass, ModelInput, ModelRecord
    from geopatcher.operators.models.scaling import Batch

    #: Lengths of the axes of an array; ``None`` is any.
    Lengths: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True)
class Described:
    """What a runtime knows of the model it holds; ``None`` is what it does not know.

    ``n_bands`` and ``n_outputs`` count bands of the input and of the result, ``batch`` and ``size`` (height,
    width) are fixed ones, ``parts`` the names of what the model returns, ``dim_order`` the axes of its input.
    ``per_pixel`` says that neighbours do not matter; ``gives_probability`` that no activation is left to do;
    ``fresh`` that each result is memory of its own. ``notes`` is what somebody wrote into the file.
    ``inputs`` are those of a model that takes several arrays. ``shapes`` has the lengths of all axes of each
    input, and ``made`` those of a single result, as far as they are fixed: what they come to by the
    ``dim_order``, which the runtime may have guessed, is in all the others.
    """

    runtime: str
    version: str
    device: str = "cpu"
    precision: str = "fp32"
    threads: int | None = None
    n_bands: int | None = None
    band_names: tuple[str, ...] = ()
    n_outputs: int | None = None
    batch: int | None = None
    size: tuple[int, int] | None = None
    dim_order: tuple[str, ...] | None = None
    parts: tuple[str, ...] = ()
    classes: tuple[ModelClass, ...] = ()
    per_pixel: bool = False
    gives_probability: bool = False
    fresh: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[ModelInput, ...] = ()
    shapes: tuple[Lengths, ...] = ()
    made: Lengths = ()

    @property
    def identity(self) -> str:
        """What of it decides the last bit of a result."""
        threads = "" if self.threads is None else f", {self.threads} thread(s)"
        return f"{self.runtime} {self.version} on {self.device} in {self.precision}{threads}"


class Runtime(Protocol):
    """A model that is loaded. `run` may be called by several threads; it does not travel to processes."""

    @property
    def described(self) -> Described:
        """What is known of the model."""
        ...

    def run(self, batch: Batch) -> Array | Mapping[str, Array]:
        """Return what the model returns of ``(n, bands, h, w)``, or of axes in its own order."""
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


@runtime_checkable
class RunsSeveral(Protocol):
    """A runtime of models that may take several arrays."""

    def run_several(self, batches: Mapping[str, Batch]) -> Array | Mapping[str, Array]:
        """Return what the model returns of several arrays, each by the name of its input, in their order."""
        ...


@runtime_checkable
class TakesTogether(Protocol):
    """A model that may take several rasters."""

    def bound_together(self, members: Sequence[Member], size: tuple[int, int]) -> Self:
        """Return it for patches of several rasters, of ``size`` pixels of the first with their margin.

        A `ValueError` says that names, bands or sizes do not match.
        """
        ...


@dataclass(frozen=True)
class Settings:
    """Where a model runs, and how precisely: ``"auto"`` leaves it to the runtime."""

    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        for what, given, known in (
            ("device", self.device, ("auto", "cpu", "cuda")),
            ("precision", self.precision, ("auto", "fp32", "fp16", "bf16")),
        ):
            if given not in known:
                raise ValueError(f"{what}={given!r}: choose one of {', '.join(known)}")

    def only(self, runtime: str, device: str = "cpu", precision: str = "fp32") -> None:
        """Refuse what a runtime cannot do but on ``device`` in ``precision``.

        Raises
        ------
        ValueError
            Something else was asked for.

        """
        if self.device not in ("auto", device):
            raise ValueError(f"{runtime} models run on {device}, not on {self.device}: leave device out")
        if self.precision not in ("auto", precision):
            raise ValueError(
                f"{runtime} models compute in {precision}, not in {self.precision}: leave precision out"
            )


@runtime_checkable
class ModelLike(Several, Protocol):
    """An operator that is a model, or made of models."""

    @property
    def record(self) -> ModelRecord:
        """What is told of it."""
        ...

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """Its classes, in the order of the bands of its result; empty where it has none."""
        ...

    @property
    def bands(self) -> tuple[int, ...] | tuple[str, ...] | None:
        """Bands it takes of a source, by number (from 1) or by name; ``None`` for all."""
        ...

    @property
    def margin(self) -> int:
        """Pixels at each edge of a patch that its neighbours beyond would have changed."""
        ...

    @property
    def multiple(self) -> int:
        """What height and width of a patch must be multiples of."""
        ...

    @property
    def per_pixel(self) -> bool:
        """Whether neighbours do not matter: patches need neither overlap nor margin."""
        ...

    @property
    def fixed_batch(self) -> int | None:
        """How many patches it takes at once, where that cannot be chosen."""
        ...

    @property
    def n_outputs(self) -> int | None:
        """Bands of its result, where that is known before the first call."""
        ...

    def check(self, n_bands: int, band_names: Sequence[str], size: tuple[int, int]) -> None:
        """Refuse a source of ``n_bands``, or patches of ``size``, that it cannot take."""
        ...

    def bound_to(self, n_bands: int, band_names: Sequence[str] | None) -> Self:
        """Return it for patches with all bands of a source, or (``None``) with just those it takes."""
        ...

    def on(self, device: str | None = None, precision: str | None = None) -> Self:
        """Return it on another device, or in another precision; ``None`` leaves them."""
        ...

    def fingerprint(self) -> str:
        """Return a text that differs whenever results would."""
        ...

    def __call__(self, patch: Shown) -> Array:
        """Return the result of ``(bands, h, w)`` or ``(n, bands, h, w)``, or of several rasters by name."""
        ...
