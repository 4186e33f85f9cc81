"""Reads arithmetic over bands, such as ``(b4 - b3) / (b4 + b3)``, without executing any of it.

The text is parsed into Python's syntax tree. Every node is looked up in a table of what is allowed, which
says the function of NumPy that computes it: nothing of the text itself is run.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from geopatcher.operators.expression_steps import Band, Call, Comparison, Kind, Number, choose, power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.operators.expression_steps import Function, Step

#: Longest text.
MAX_LENGTH = 2_000
#: Longest part of an expression that a message repeats.
MAX_SHOWN = 80
#: Largest exponent that is computed by products.
MAX_PRODUCTS = 50

_OPERATORS: Mapping[type[ast.operator], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_COMPARISONS: Mapping[type[ast.cmpop], Comparison] = {
    ast.Lt: Comparison(np.less),
    ast.LtE: Comparison(np.less_equal),
    ast.Gt: Comparison(np.greater),
    ast.GtE: Comparison(np.greater_equal),
    ast.Eq: Comparison(np.equal),
    ast.NotEq: Comparison(np.not_equal),
}
_LOGIC: Mapping[type[ast.operator], np.ufunc] = {ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or}
#: What makes whole numbers of whole numbers; the others make float64 of them.
_WHOLE = (np.add, np.subtract, np.multiply, np.negative, np.minimum, np.maximum)
#: name -> number of arguments, and what computes it
_FUNCTIONS: Mapping[str, tuple[int, np.ufunc]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "expm1": (1, np.expm1),
    "log": (1, np.log),
    "log10": (1, np.log10),
    "log1p": (1, np.log1p),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "tan": (1, np.tan),
    "arcsin": (1, np.arcsin),
    "arccos": (1, np.arccos),
    "arctan": (1, np.arctan),
    "arctan2": (2, np.arctan2),
    "sinh": (1, np.sinh),
    "cosh": (1, np.cosh),
    "tanh": (1, np.tanh),
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
    "minimum": (2, np.minimum),
    "maximum": (2, np.maximum),
}
ALLOWED = (
    "bands b1, b2, ...; numbers; + - * / **; < <= > >= == !=; & | ~ between conditions; parentheses; "
    f"where(condition, then, else), {', '.join(_FUNCTIONS)}"
)
#: What people write in other languages, and how it is said here.
_ADVICE: Mapping[type[ast.AST], str] = {
    ast.BoolOp: "write & for and, | for or, with each condition in parentheses",
    ast.Not: "write ~ for not",
    ast.BitXor: "write ** for a power",
    ast.IfExp: "write where(condition, then, else)",
}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """An expression that was read.

    ``steps`` compute it, ``bands`` are those it uses, 1-based and ascending; ``is_condition`` says that it is
    true or false rather than a number.
    """

    steps: tuple[Step, ...]
    bands: tuple[int, ...]
    is_condition: bool


def read_arithmetic(text: str) -> Arithmetic:
    """Read an expression.

    Raises
    ------
    ValueError
        It is not arithmetic over bands; names what is wrong, where, and what is allowed.

    Examples
    --------
    >>> read_arithmetic("minimum(b2, 0.5) > b1").bands
    (1, 2)
    >>> read_arithmetic("b1 * 2 ** 3").steps[:2]
    (Band(number=1), Number(value=8))

    """
    return _Reader(text).read()


class _Term(NamedTuple):
    """A part of an expression: what computes it, of what kind it is, and the number of a constant."""

    steps: tuple[Step, ...]
    kind: Kind
    value: float | None = None


class _Reader:
    """Reads one expression; collects the bands it uses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown = repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...")
        line = re.sub(r"\s", " ", text).rstrip()
        self._source = line.lstrip()
        self._shift = len(line) - len(self._source)
        self._bands: set[int] = set()

    def read(self) -> Arithmetic:
        """Return the whole expression."""
        if len(self._text) > MAX_LENGTH:
            raise ValueError(
                f"the expression has {len(self._text):,} characters, more than {MAX_LENGTH:,}: "
                f"write an operator in Python instead"
            )
        try:
            term = self._term(ast.parse(self._source, mode="eval").body)
        except SyntaxError as error:
            start = max(0, (error.offset or 1) - 1)
            raise self._error(start, self._source[start : start + 12], error.msg) from None
        except (RecursionError, MemoryError):
            raise ValueError(f"expression {self._shown} is nested too deeply") from None
        if not self._bands:
            raise ValueError(f"expression {self._shown} uses no band; allowed are {ALLOWED}")
        return Arithmetic(term.steps, tuple(sorted(self._bands)), term.kind is Kind.CONDITION)

    def _term(self, node: ast.expr) -> _Term:
        match node:
            case ast.Name() | ast.Constant():
                return self._leaf(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self._call(node, name)
        return self._fail(node, _ADVICE.get(type(node), "it is not allowed"))

    def _leaf(self, node: ast.Name | ast.Constant) -> _Term:
        if isinstance(node, ast.Name):
            return self._band(node, node.id)
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return self._constant(node, node.value)
        return self._fail(node, "it is not a number")

    def _band(self, node: ast.expr, name: str) -> _Term:
        if not re.fullmatch(r"b[1-9][0-9]{0,4}", name):
            self._fail(node, "bands are counted from b1" if name == "b0" else "it is not known")
        self._bands.add(int(name[1:]))
        return _Term((Band(int(name[1:])),), Kind.BAND)

    def _constant(self, node: ast.expr, value: float) -> _Term:
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isfinite(number):
            self._fail(node, "it is not a finite number")
        # A whole number leaves bands of float32 what they are.
        if number.is_integer() and abs(number) < 2**31:
            return _Term((Number(int(number)),), Kind.WHOLE, number)
        return _Term((Number(number),), Kind.WIDE, number)

    def _unary(self, node: ast.UnaryOp) -> _Term:
        match node.op:
            case ast.Invert():
                return _called(np.logical_not, Kind.CONDITION, (self._condition(node.operand),))
            case ast.UAdd():
                return self._number(node.operand)
            case ast.USub():
                return self._combined(node, np.negative, (self._number(node.operand),))
        return self._fail(node, _ADVICE.get(type(node.op), "it is not allowed"))

    def _binary(self, node: ast.BinOp) -> _Term:
        kind = type(node.op)
        if kind in _LOGIC:
            both = self._condition(node.left), self._condition(node.right)
            return _called(_LOGIC[kind], Kind.CONDITION, both)
        if kind not in _OPERATORS:
            self._fail(node, _ADVICE.get(kind, "its operator is not allowed"))
        return self._combined(node, _OPERATORS[kind], (self._number(node.left), self._number(node.right)))

    def _comparison(self, node: ast.Compare) -> _Term:
        if len(node.ops) > 1:
            self._fail(node, "a comparison has two sides: write (b1 > 0) & (b1 < 9), with the parentheses")
        kind = type(node.ops[0])
        if kind not in _COMPARISONS:
            self._fail(node, "its comparison is not allowed")
        left, right = self._number(node.left), self._number(node.comparators[0])
        if left.value is not None and right.value is not None:
            self._fail(node, "it compares two constants")
        called = _called(_COMPARISONS[kind], max(left.kind, right.kind), (left, right))
        return called._replace(kind=Kind.CONDITION)

    def _call(self, node: ast.Call, name: str) -> _Term:
        if name == "where":
            return self._where(node)
        if name not in _FUNCTIONS:
            self._fail(node, f"there is no function {name}")
        n_arguments, function = _FUNCTIONS[name]
        self._count(node, name, n_arguments)
        return self._combined(node, function, tuple(self._number(argument) for argument in node.args))

    def _where(self, node: ast.Call) -> _Term:
        self._count(node, "where", 3)
        test, then, other = self._condition(node.args[0]), self._term(node.args[1]), self._term(node.args[2])
        if max(then.kind, other.kind) > Kind.CONDITION:
            then, other = _as_number(then), _as_number(other)
        return _called(choose, max(then.kind, other.kind), (test, then, other))

    def _count(self, node: ast.Call, name: str, expected: int) -> None:
        if len(node.args) != expected:
            self._fail(node, f"{name} takes {expected} argument(s), not {len(node.args)}")

    def _combined(self, node: ast.expr, function: np.ufunc, terms: tuple[_Term, ...]) -> _Term:
        """Return a term made of several; one of constants only is computed at once, in float64."""
        values = [np.float64(term.value) for term in terms if term.value is not None]
        if len(values) == len(terms):
            with np.errstate(all="ignore"):
                return self._constant(node, float(function(*values)))
        kind = max(term.kind for term in terms)
        if function is np.power and terms[1].value is not None and _by_products(terms[1].value):
            exponent = terms[1].value
            stays = terms[0].kind is not Kind.WHOLE or (exponent >= 0 and exponent.is_integer())
            return _called(power, terms[0].kind if stays else Kind.WIDE, terms)
        return _called(function, Kind.WIDE if kind is Kind.WHOLE and function not in _WHOLE else kind, terms)

    def _number(self, node: ast.expr) -> _Term:
        return _as_number(self._term(node))

    def _condition(self, node: ast.expr) -> _Term:
        term = self._term(node)
        if term.kind is not Kind.CONDITION:
            self._fail(node, "a condition such as (b1 > 0) is needed here, in parentheses")
        return term

    def _fail(self, node: ast.expr, why: str) -> NoReturn:
        line = self._source.encode()
        token = line[node.col_offset : node.end_col_offset].decode()
        raise self._error(len(line[: node.col_offset].decode()), token, why)

    def _error(self, start: int, token: str, why: str) -> ValueError:
        where = f"position {start + self._shift + 1}"
        token = token if len(token) <= MAX_SHOWN else f"{token[:MAX_SHOWN]}..."
        what = f"{token!r} at {where}" if token.strip() else where
        return ValueError(f"expression {self._shown}: {what}: {why}; allowed are {ALLOWED}")


def _called(function: Function, kind: Kind, terms: tuple[_Term, ...]) -> _Term:
    """Return what a function makes of terms, computed as values of a kind."""
    before = tuple(step for term in terms for step in term.steps)
    return _Term((*before, Call(function, len(terms), kind)), kind)


def _as_number(term: _Term) -> _Term:
    """Return a condition as 1 or 0, so that conditions can be added up."""
    if term.kind is not Kind.CONDITION:
        return term
    one, zero = _Term((Number(1),), Kind.WHOLE), _Term((Number(0),), Kind.WHOLE)
    return _called(choose, Kind.WHOLE, (term, one, zero))


def _by_products(exponent: float) -> bool:
    return (2 * exponent).is_integer() and abs(exponent) <= MAX_PRODUCTS
