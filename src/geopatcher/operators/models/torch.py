"""Networks of PyTorch: modules, TorchScript, and programs of ``torch.export``."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from geopatcher._optional import load
from geopatcher.errors import OperatorError
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.torch_calls import Call, call_of_module, call_of_program

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.protocol import Settings
    from geopatcher.operators.models.scaling import Batch

#: precision -> the name of its dtype in torch
_HALF = {"fp16": "float16", "bf16": "bfloat16"}


@runtime_checkable
class TorchTensor(Protocol):
    """A ``torch.Tensor``."""

    def detach(self) -> Self:
        """Return it without the way it was computed."""
        ...

    def float(self) -> Self:
        """Return it in single precision."""
        ...

    def cpu(self) -> Self:
        """Return it in the memory of the processor."""
        ...

    def numpy(self) -> NDArray[np.generic]:
        """Return its cells."""
        ...


@runtime_checkable
class TorchModule(Protocol):
    """A ``torch.nn.Module``, TorchScript too."""

    def __call__(self, *given: object, **named: object) -> object:
        """Return what it makes of a tensor, or of several."""
        ...

    def state_dict(self) -> Mapping[str, object]:
        """Return the weights."""
        ...

    def eval(self) -> Self:
        """Have layers do as they do after training."""
        ...

    def to(self, *place: object, memory_format: object = None) -> Self:
        """Move it to a device, or lay its weights out otherwise."""
        ...


@runtime_checkable
class TorchScript(Protocol):
    """A module of TorchScript, which pickle refuses."""

    def save_to_buffer(self) -> bytes:
        """Return it as a file of ``torch.jit.save``."""
        ...


@dataclass(frozen=True)
class ScriptBytes:
    """TorchScript on its way to another process."""

    content: bytes

    @classmethod
    def of(cls, module: TorchScript) -> ScriptBytes:
        """Pack a module."""
        return cls(module.save_to_buffer())

    @property
    def digest(self) -> str:
        """The sha256 of it."""
        return hashlib.sha256(self.content).hexdigest()

    def revive(self) -> object:
        """Return the module."""
        module: object = load("torch").jit.load(io.BytesIO(self.content), map_location="cpu")
        return module


@dataclass
class TorchRuntime:
    """A module on its device."""

    module: TorchModule | _Call
    described: Described
    torch: ModuleType
    call: Call | None = None  # as its parameters say
    dtype: object = None  # of what it is given; None for that of the batch

    @classmethod
    def of_module(cls, module: TorchModule, settings: Settings, batch: int | None = None) -> TorchRuntime:
        """Put a module on its device, in the state it has after training."""
        torch = load("torch")
        device = device_of(torch, settings)
        moved = after_training(module).to(device)
        if device == "cuda":  # where convolutions are faster with bands last in memory
            moved = moved.to(memory_format=torch.channels_last)
        described = _described(torch, settings, device, batch)
        return cls(moved, described, torch, dtype=_dtype_of(torch, moved))

    @classmethod
    def open_script(cls, path: Path, settings: Settings) -> TorchRuntime:
        """Load TorchScript.

        Raises
        ------
        OperatorError
            It is none, but a pickle, which would run whatever it likes.

        """
        refuse_pickle(path)
        torch = load("torch")
        try:
            module: TorchModule = torch.jit.load(str(path), map_location="cpu")
        except RuntimeError as error:
            raise OperatorError(f"the model {path} is no TorchScript: {error}") from error
        return cls.of_module(module, settings)

    @classmethod
    def open_program(cls, path: Path, settings: Settings) -> TorchRuntime:
        """Load what ``torch.export.save`` has written.

        Raises
        ------
        OperatorError
            It is no such file.

        """
        torch = load("torch")
        device = device_of(torch, settings)
        try:
            program = torch.export.load(str(path))
        except (RuntimeError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise OperatorError(f"the model {path} is no program of torch.export: {error}") from error
        taken = {one.arg.name for one in program.graph_signature.input_specs if one.kind.name == "USER_INPUT"}
        nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in taken]
        first = nodes[0].meta["val"].shape[0]
        moved: _Call = program.module().to(device)
        described = _described(torch, settings, device, first if isinstance(first, int) else None)
        return cls(moved, described, torch, call_of_program(program.call_spec.in_spec))

    def run(self, batch: Batch) -> Array | Mapping[str, Array]:
        """Return the result, or all of them by name, in single precision, out of the device."""
        return self.run_several({"": batch})

    def run_several(self, batches: Mapping[str, Batch]) -> Array | Mapping[str, Array]:
        """Return the same of several tensors, by the names of its inputs."""
        torch, device = self.torch, self.described.device
        with torch.inference_mode(), self._autocast():
            given = {name: torch.from_numpy(batch).to(device, self.dtype) for name, batch in batches.items()}
            if device == "cuda":
                given = {
                    name: one.contiguous(memory_format=torch.channels_last) if one.ndim == 4 else one
                    for name, one in given.items()
                }
            call = self.call or call_of_module(self.module, [*batches])
            return _arrays(call.hand(self.module, given))

    def close(self) -> None:
        """Do nothing: a module is its owner's, and ends with its last reference."""

    def _autocast(self) -> AbstractContextManager[object]:
        half = _HALF.get(self.described.precision)
        if half is None:
            return nullcontext()
        context: AbstractContextManager[object] = self.torch.autocast(
            self.described.device, dtype=vars(self.torch)[half]
        )
        return context


class _Call(Protocol):
    """A program that was loaded."""

    def __call__(self, *given: object, **named: object) -> object: ...


def after_training(module: TorchModule) -> TorchModule:
    """Have the layers of a module do as they do after training; those of an exported program always do."""
    try:
        return module.eval()
    except NotImplementedError:
        return module


def _dtype_of(torch: ModuleType, module: TorchModule) -> object:
    """Return the dtype that all weights of a module have, which it takes; ``None`` where they differ."""
    weights = (one for one in module.state_dict().values() if isinstance(one, torch.Tensor))
    dtypes = {weight.dtype for weight in weights if weight.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else None


def device_of(torch: ModuleType, settings: Settings) -> str:
    """Return ``"cuda"`` or ``"cpu"``.

    Raises
    ------
    ValueError
        ``"cuda"`` was asked for, and there is none.

    """
    has_cuda: bool = torch.cuda.is_available()
    if settings.device == "cuda" and not has_cuda:
        raise ValueError("device='cuda': torch finds no such device here; device='auto' takes what there is")
    return "cuda" if has_cuda and settings.device != "cpu" else "cpu"


def refuse_pickle(path: Path) -> None:
    """Refuse a file of ``torch.save``: to open it is to run what is in it.

    Raises
    ------
    OperatorError
        Says what to write instead.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            is_script = any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        is_script = False
    except OSError as error:
        raise OperatorError(f"the model {path} cannot be read: {error}") from error
    if not is_script:
        raise OperatorError(
            f"{path} is a pickled checkpoint, and opening one runs whatever code is in it: make the module, "
            f"give it the weights by load_state_dict(torch.load(..., weights_only=True)), and pass the "
            f"module, or write it by torch.jit.save or torch.export.save"
        )


def _described(torch: ModuleType, settings: Settings, device: str, batch: int | None) -> Described:
    precision = "fp32" if settings.precision == "auto" else settings.precision
    return Described(
        "torch",
        str(torch.__version__),
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
        batch=batch,
    )


def _arrays(returned: object) -> Array | Mapping[str, Array]:
    match returned:
        case TorchTensor():
            return returned.detach().float().cpu().numpy()
        case Mapping():
            return {str(name): _array(part, str(name)) for name, part in returned.items()}
        case Sequence():
            return {f"part{n}": _array(part, f"part{n}") for n, part in enumerate(returned)}
        case _:
            raise OperatorError(
                f"the network returned {type(returned).__name__}: it must return a tensor, or a dict "
                f"or tuple of tensors"
            )


def _array(part: object, name: str) -> Array:
    if not isinstance(part, TorchTensor):
        raise OperatorError(f"the network returned {type(part).__name__} as part {name!r}, not a tensor")
    return part.detach().float().cpu().numpy()
