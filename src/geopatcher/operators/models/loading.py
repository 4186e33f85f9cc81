"""A model that is loaded when it is needed, once in each process, and travels without what was loaded."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict
from weakref import WeakValueDictionary

from geopatcher.errors import OperatorError
from geopatcher.identity.operators import identity_of
from geopatcher.operators.models.protocol import Settings
from geopatcher.operators.models.runtimes import open_model
from geopatcher.operators.models.torch import ScriptBytes, TorchModule, TorchScript, after_training
from geopatcher.operators.models.weights import weights_digest

if TYPE_CHECKING:
    from geopatcher.operators.models.protocol import Runtime

#: Models from files that are loaded in this process: threads with a copy each of an operator share one.
_LOADED: WeakValueDictionary[tuple[str, str, Settings], Runtime] = WeakValueDictionary()
_LOADING = threading.RLock()


class _State(TypedDict):
    model: object
    settings: Settings
    expected: str | None
    token: str


class Holder:
    """A model, by path or as an object, and what runs it once that is needed.

    It travels to other processes as the path, or as the object's own pickle.
    """

    def __init__(self, model: object, settings: Settings) -> None:
        # Whether it is in training is a part of what a module is: it must not change when it is first run.
        self.model = after_training(model) if isinstance(model, TorchModule) else model
        self.settings = settings
        self._expected: str | None = None
        self._token = uuid.uuid4().hex
        self._runtime: Runtime | None = None

    def __getstate__(self) -> _State:
        model = ScriptBytes.of(self.model) if isinstance(self.model, TorchScript) else self.model
        return _State(model=model, settings=self.settings, expected=self._expected, token=self._token)

    def __setstate__(self, state: _State) -> None:
        self.model = state["model"]
        self.settings = state["settings"]
        self._expected, self._token = state["expected"], state["token"]
        self._runtime = None

    def on(self, device: str | None, precision: str | None) -> Holder:
        """Return the same model on another device, or in another precision; ``None`` leaves them."""
        known = self.settings
        moved = Holder(self.model, Settings(device or known.device, precision or known.precision))
        moved._expected, moved._token = self._expected, self._token
        return moved

    def require(self, sha256: str | None) -> None:
        """Refuse weights that are not those of which a record has the digest.

        Raises
        ------
        OperatorError
            Names both.

        """
        if sha256 is not None and self.digest() != sha256:
            raise OperatorError(
                f"the weights {self.model} are not those of their record, which have sha256 {sha256}: "
                f"write the record anew, or put back the file"
            )

    @property
    def name(self) -> str:
        """What messages call it: the name of the file, or of the class."""
        return self.model.name if isinstance(self.model, Path) else type(self.model).__name__

    def runtime(self) -> Runtime:
        """Return what runs the model; the first call of a process loads it.

        Raises
        ------
        OperatorError
            It cannot be loaded, or the file is not the one it was when the run began.

        """
        with _LOADING:
            if self._runtime is None:
                self._runtime = self._load()
            return self._runtime

    def _load(self) -> Runtime:
        if not isinstance(self.model, Path):
            model = self.model.revive() if isinstance(self.model, ScriptBytes) else self.model
            return open_model(model, self.settings)
        digest = weights_digest(self.model)
        if self._expected not in (None, digest):
            raise OperatorError(
                f"the model {self.model} was changed since this run knew it: run again with the new weights"
            )
        self._expected = digest
        key = (str(self.model), digest, self.settings)
        runtime = _LOADED.get(key)
        if runtime is None:
            runtime = _LOADED[key] = open_model(self.model, self.settings)
        return runtime

    def digest(self) -> str:
        """Return a digest of the weights as they are now; what was loaded from older ones is let go of.

        That of an object is of its state and its code. One that cannot be known is like no other.
        """
        if isinstance(self.model, TorchScript):
            return ScriptBytes.of(self.model).digest
        if isinstance(self.model, ScriptBytes):
            return self.model.digest
        if not isinstance(self.model, Path):
            known = identity_of(self.model)
            return known.digest if not known.unknown else f"{known.digest} {self._token}"
        with _LOADING:
            digest = weights_digest(self.model)
            if digest != self._expected:
                self._runtime = None
            self._expected = digest
        return digest

    def close(self) -> None:
        """Let go of what was loaded."""
        with _LOADING:
            if self._runtime is not None:
                self._runtime.close()
            self._runtime = None
