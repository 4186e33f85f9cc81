"""Operators: named functions of one value that compose with `|` and say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Final,
    Generic,
    Never,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from geotoolz.naming import kept_parameters, module_of, name_of, shown
from geotoolz.needs import called
from geotoolz.passing import Passing

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from geotoolz.naming import Step

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import TypeVar as DefaultTypeVar

    # Of a list of steps nobody can say what goes in and comes out: not even a type checker.
    In_contra = DefaultTypeVar("In_contra", contravariant=True, default=object)
    Out_co = DefaultTypeVar("Out_co", covariant=True, default=Any)
else:
    In_contra = TypeVar("In_contra", contravariant=True)
    Out_co = TypeVar("Out_co", covariant=True)
Before = TypeVar("Before")
After = TypeVar("After")
Same = TypeVar("Same")

#: what a configuration may hold
Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None


class Operator(Generic[In_contra, Out_co]):
    """A function of one value that composes with `|` and describes itself.

    Subclasses define `__call__`, or `_apply`, which it calls. Parameters they keep under their names are in
    `get_config`, which they extend with others. Any function on either side of `|` becomes a `Lambda`.

    Examples
    --------
    >>> class Scale(Operator[float, float]):
    ...     def __init__(self, factor: float) -> None:
    ...         self.factor = factor
    ...
    ...     def __call__(self, x: float) -> float:
    ...         return x * self.factor
    >>> pipeline = Scale(0.5) | abs
    >>> pipeline, pipeline(-6.0)
    (Sequential([Scale(), Lambda(abs)]), 3.0)
    >>> Scale(0.5).get_config()
    {'name': 'Scale', 'type': 'Scale', 'factor': 0.5}

    """

    #: Whether it holds a function, of which a configuration can only say the name.
    forbid_in_yaml: ClassVar[bool] = False
    # An array on the left of `|` would otherwise try the operator on each of its elements.
    __array_ufunc__: Final = None

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make an operator, if the class says what it does.

        Raises
        ------
        TypeError
            It defines neither `__call__` nor `_apply`.

        """
        if cls.__call__ is Operator.__call__ and cls._apply is Operator._apply:
            raise TypeError(f"{cls.__name__} is abstract: define __call__(self, x) or _apply(self, x) in it")
        return super().__new__(cls)

    def __call__(self, x: In_contra, /) -> Out_co:
        """Return the result for one value."""
        return self._apply(x)

    def _apply(self, x: In_contra, /) -> Out_co:
        raise NotImplementedError(f"{type(self).__name__} defines no _apply")

    @property
    def name(self) -> str:
        """What errors, plans and pictures call this operator."""
        return type(self).__name__

    def get_config(self) -> dict[str, Json]:
        """Return what this operator is and with which parameters, as values JSON can hold.

        Returns
        -------
        dict
            ``{"name": …, "type": …}`` and the parameters by name, of those that are kept under their names
            and that JSON can hold.

        """
        kept = cast("dict[str, Json]", kept_parameters(self))
        return {"name": self.name, "type": type(self).__name__, **kept}

    def __or__(self, other: Callable[[Out_co], After]) -> Sequential[In_contra, After]:
        """Return the operator that runs this one, then the other.

        Raises
        ------
        TypeError
            The other side cannot be called.

        """
        return Sequential([*_parts(self), *_parts(as_operator(other, "the right side of |"))])

    def __ror__(self, other: Callable[[Before], In_contra]) -> Sequential[Before, Out_co]:
        """Return the operator that runs the other one, then this one."""
        return Sequential([*_parts(as_operator(other, "the left side of |")), *_parts(self)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Lambda(Passing, Operator[In_contra, Out_co]):
    """A function as an operator.

    Parameters
    ----------
    fn
        Any callable of one argument. The operator pickles when the function does: one defined at
        the top of a module does, a `lambda` does not.
    name
        By default the qualified name of the function.

    Raises
    ------
    TypeError
        `fn` cannot be called.

    Examples
    --------
    >>> Lambda(len)("abc"), Lambda(len), Lambda(lambda x: x + 1, name="plus one").name
    (3, Lambda(len), 'plus one')

    """

    #: It holds a function, of which a configuration can only say the name.
    forbid_in_yaml: ClassVar[bool] = True

    def __init__(self, fn: Callable[[In_contra], Out_co], name: str | None = None) -> None:
        if not callable(fn):
            raise TypeError(f"Lambda takes a function of one argument, not {shown(fn)}")
        self.fn: Final = fn
        self._name: Final = name or name_of(fn)

    @property
    def name(self) -> str:
        """The name given, or that of the function."""
        return self._name

    @property
    def _run(self) -> tuple[Callable[..., Any], ...]:
        return (self.fn,)

    def _ending_in(self, end: object) -> Self:
        return type(self)(cast("Callable[[In_contra], Out_co]", end), self.name)

    def __call__(self, x: In_contra, /, *position: object) -> Out_co:
        """Return `fn(x)`; a function that wants it is given the position of the patch, too."""
        call: Callable[..., Out_co] = self.fn
        return call(x, *position)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and the function with the module that defines it."""
        return {**super().get_config(), "function": f"{module_of(self.fn)}:{name_of(self.fn)}"}

    def __repr__(self) -> str:
        return f"Lambda({self.name})"


class Identity(Operator[object, object]):
    """The operator that returns what it is given, the object itself.

    Examples
    --------
    >>> Identity()(3)
    3

    """

    def __call__(self, x: Same, /) -> Same:
        """Return `x`."""
        return x


class Sequential(Passing, Operator[In_contra, Out_co]):
    """Operators run one after the other, each on the result of the one before.

    It has a length, and is iterated and indexed like a list; a slice is a Sequential again. `|`
    joins two into one flat sequence; a Sequential given as a step stays a step. Without steps it
    returns what it is given. A type checker infers both ends from `|`; for the constructor write
    them: `pipeline: Sequential[Field, NDArray] = Sequential([...])`.

    Parameters
    ----------
    steps
        Operators, or functions of one argument, which become `Lambda`.

    Raises
    ------
    TypeError
        A step that cannot be called, or a class instead of an operator; names the position.

    Notes
    -----
    An exception of a step keeps its type and gains a note that says which step it was.

    Examples
    --------
    >>> pipeline = Sequential([abs, Identity()]) | str
    >>> pipeline, len(pipeline), pipeline[0], pipeline(-2)
    (Sequential([Lambda(abs), Identity(), Lambda(str)]), 3, Lambda(abs), '2')

    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        if not isinstance(steps, Iterable):
            raise TypeError(
                f"Sequential takes a list of steps, not {shown(steps)}: write Sequential([first, second])"
            )
        self._steps: Final = tuple(
            as_operator(step, f"step {position}") for position, step in enumerate(steps)
        )

    @property
    def name(self) -> str:
        """The names of the steps."""
        return " | ".join(step.name for step in self._steps) or type(self).__name__

    @property
    def _run(self) -> tuple[Callable[..., Any], ...]:
        return self._steps

    def _ending_in(self, end: object) -> Self:
        return type(self)([*self._steps[:-1], cast("Step", end)])

    def __call__(self, x: In_contra, /, *position: object) -> Out_co:
        """Return the result of the last step; steps that want it are given the position of the patch."""
        value: object = x
        for number, step in enumerate(self._steps):
            with _Noted(step, number, len(self._steps)):
                value = called(step, value, position)  # only the caller can know that the steps fit
        return cast("Out_co", value)

    def get_config(self) -> dict[str, Json]:
        """Return the configurations of the steps, in order."""
        return {**super().get_config(), "steps": [step.get_config() for step in self._steps]}

    def __len__(self) -> int:
        return len(self._steps)

    def __bool__(self) -> bool:
        """Tell that this is an operator, also when it has no steps."""
        return True

    def __iter__(self) -> Iterator[Operator[Never, object]]:
        return iter(self._steps)

    @overload
    def __getitem__(self, index: int, /) -> Operator[Never, object]: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequential[Never, object]: ...
    def __getitem__(self, index: int | slice, /) -> Operator[Never, object]:
        """Return one step, or a Sequential of several."""
        return Sequential(self._steps[index]) if isinstance(index, slice) else self._steps[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self._steps))}])"


class _Noted:
    """Adds to an exception that passes which step of a Sequential it comes from."""

    def __init__(self, step: Operator[Never, object], position: int, n_steps: int) -> None:
        self._where = (step, position, n_steps)

    def __enter__(self) -> None:
        """Do nothing: only the way out matters."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note the step; the exception goes on, with its type and its traceback."""
        if isinstance(error, Exception):
            step, position, n_steps = self._where
            error.add_note(f"in step {position} (of 0 to {n_steps - 1}) of a Sequential: {step!r}")


def _parts(operator: Operator[Never, object]) -> tuple[Operator[Never, object], ...]:
    # A subclass of Sequential may do more than run its steps, so it stays whole.
    return tuple(operator) if type(operator) is Sequential else (operator,)


def as_operator(step: object, where: str) -> Operator[Never, object]:
    """Return an operator as it is, and a function as a `Lambda`.

    Parameters
    ----------
    step
        An operator or a function of one argument.
    where
        What an error says it is for.

    Returns
    -------
    Operator
        It, or the function as one.

    Raises
    ------
    TypeError
        It cannot be called, or is a class instead of an operator.

    Examples
    --------
    >>> as_operator(abs, "step 0")
    Lambda(abs)

    """
    if isinstance(step, type) and issubclass(step, Operator):
        raise TypeError(f"{where} is the class {step.__name__}, not an operator: write {step.__name__}(...)")
    if isinstance(step, Operator):
        return step
    if not callable(step):
        raise TypeError(
            f"{where} is {shown(step)}, which cannot be called: "
            "give an operator or a function of one argument"
        )
    return Lambda(step)
