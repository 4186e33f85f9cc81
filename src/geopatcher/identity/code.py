"""What decides what a function does: its instructions and constants, and what they refer to."""

from __future__ import annotations

import dis
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Instructions that look a name up outside the function.
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
#: Instructions that take an attribute of what was loaded just before.
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
#: Instructions that do nothing by themselves.
_SILENT = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "RESUME"})

#: Most attributes of attributes that are followed.
DEEPEST = 8

_WITH_CONSTANT = frozenset(dis.hasconst)
_WITH_NAME = frozenset(dis.hasname)
_WITH_JUMP = frozenset({*dis.hasjrel, *dis.hasjabs})


class Reference(NamedTuple):
    """A name that code looks up outside of itself, and the attributes it takes of it right away."""

    name: str
    attributes: tuple[str, ...] = ()


class Import(NamedTuple):
    """An import in code: ``level`` and ``names`` as in ``from ..module import names``."""

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


@dataclass
class Facts:
    """What a code object says: ``tokens`` and ``constants`` in order, those of inner functions included.

    Neither names, files and lines are among it, nor the text that documents a function.
    """

    tokens: list[str] = field(default_factory=list)
    constants: list[object] = field(default_factory=list)
    references: dict[Reference, None] = field(default_factory=dict)
    imports: dict[Import, None] = field(default_factory=dict)

    @classmethod
    def of(cls, code: CodeType) -> Facts:
        """Read a code object.

        >>> Facts.of(compile("limit * 2", "", "eval")).references
        {Reference(name='limit', attributes=()): None}
        """
        facts = cls()
        facts._read(code)
        return facts

    def _read(self, code: CodeType) -> None:
        n_named = code.co_argcount + code.co_kwonlyargcount
        self.tokens += [
            f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}",
            *code.co_varnames[:n_named],
            "free",
            *code.co_freevars,
            code.co_exceptiontable.hex(),
        ]
        steps = [step for step in dis.get_instructions(code) if step.opname not in _SILENT]
        for place, step in enumerate(steps):
            following = steps[place + 1 : place + 1 + DEEPEST] if step.opname in _GLOBALS else ()
            self._take(step, following, steps[max(0, place - 2) : place])

    def _take(
        self, step: dis.Instruction, following: Sequence[dis.Instruction], before: Sequence[dis.Instruction]
    ) -> None:
        if step.opcode in _WITH_CONSTANT:
            self._constant(step.opname, step.argval)
            return
        if step.opcode in _WITH_NAME:
            self.tokens.append(f"{step.opname} {step.argval}")
        elif step.opcode in _WITH_JUMP:
            self.tokens.append(f"{step.opname} to {step.argval}")
        else:
            self.tokens.append(f"{step.opname} {step.arg}")
        if step.opname in _GLOBALS:
            self.references[Reference(step.argval, _attributes(following))] = None
        elif step.opname == "IMPORT_NAME" and len(before) == 2:
            level, names = before[0].argval, before[1].argval
            self.imports[Import(step.argval, int(level or 0), tuple(names or ()))] = None

    def _constant(self, opname: str, value: object) -> None:
        self.tokens.append(opname)
        if isinstance(value, CodeType):
            self._read(value)
        else:
            self.constants.append(value)
            self.tokens.append("constant")


def _attributes(following: Sequence[dis.Instruction]) -> tuple[str, ...]:
    names = []
    for step in following:
        if step.opname not in _ATTRIBUTES:
            break
        names.append(str(step.argval))
    return tuple(names)
