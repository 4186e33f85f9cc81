"""What a model was made of, as values JSON can hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from geopatcher.core.config import Configured, plain
from geopatcher.operators.models.record import ModelRecord
from geopatcher.operators.models.record_json import record_to_json

if TYPE_CHECKING:
    from geopatcher.operators.models.loading import Holder
    from geopatcher.operators.models.telling import Told


class ConfiguredModel(Configured):
    """A model that keeps the arguments it was made with."""

    _told: Told
    _given: object
    _holder: Holder

    def _facts(self) -> list[tuple[str, str]]:
        """Return what was told of the model; reads nothing."""
        source, settings = self._holder.model, self._holder.settings
        whose = str(source) if isinstance(source, os.PathLike) else type(source).__name__
        told = [(name, repr(value)) for name, value in self._told.arguments.items() if value is not None]
        given = [] if self._given is None else [("record", type(self._given).__name__)]
        return [
            ("model", whose),
            *told,
            *given,
            ("device", settings.device),
            ("precision", settings.precision),
        ]

    def get_config(self) -> dict[str, object]:
        """Return the path of the model and what was told of it, all JSON values; reads nothing.

        Returns
        -------
        dict
            What `from_config` takes; what was not told is left out.

        Raises
        ------
        TypeError
            The model is an object, not a file: JSON cannot hold it.

        """
        source, settings = self._holder.model, self._holder.settings
        if not isinstance(source, os.PathLike):
            raise TypeError(
                f"a model that is an object, {type(source).__name__}, cannot be told in a configuration: "
                f"save it to a file, and make the Model of its path"
            )
        arguments = {**self._told.arguments, "record": self._given}
        told = {name: value for name, value in arguments.items() if value is not None}
        record = told.get("record")
        if isinstance(record, ModelRecord):
            told["record"] = record_to_json(record)
        known = {"model": source, **told, "device": settings.device, "precision": settings.precision}
        return {name: plain(value) for name, value in known.items()}
