"""How a Python function becomes a kernel: columns of Arrow in, one column of Arrow out, errors kept with their codes.

A kernel is called by DuckDB on its own threads, several at once, with up to 2,048 rows. Its last argument is the token
of the cursor, by which it finds the statement that called it: without a running statement there is no call.
"""

import inspect
import re
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from engine import duck, faults
from engine.access.roles import Effect, require
from engine.errors import Busy, Forbidden, Internal, LakehouseError
from engine.instance import Installable
from engine.journal import told_by
from engine.lake import Lake
from engine.session import Session
from engine.statement import Statement
from engine.turns import within_a_turn

AT_ONCE = 256  # answers that are made a column at a time
Row = tuple[Any, ...]
Answer = Sequence[Mapping[str, Any]]


class Columnar(ABC):
    """Answers that stand in columns."""

    @abstractmethod
    def column(self, kind: pa.DataType) -> pa.Array:
        """All of them, as an array of a type."""

    @abstractmethod
    def value(self) -> object:
        """The only one, in Python."""


Answers = Sequence[Any] | Columnar
Made = TypeVar("Made")
Form = Callable[[Answers, pa.DataType, Callable[[], None]], Made]


@dataclass(frozen=True)
class Call:
    """Who calls a kernel, and from which statement."""

    lake: Lake
    statement: Statement

    @property
    def session(self) -> Session:
        """The session of the caller."""
        return self.statement.session

    def check(self) -> None:
        """Raise TimedOut when the caller has cancelled."""
        self.statement.check()

    def cancelled(self) -> bool:
        """Whether the caller has cancelled."""
        return self.statement.cancelled.is_set()

    def progress(self, done: int, total: int, what: str) -> None:
        """Say how far long work is; `lake.statements` shows it."""
        self.statement.progress = (done, total, what)


@dataclass(frozen=True)
class Kernel:
    """A named batch function: `run(call, rows)` answers each row of arguments with one value of type `returns`.

    The answers are Python values, or stand in columns already.
    """

    name: str
    parameters: tuple[str, ...]
    returns: str
    effect: Effect
    run: Callable[[Call, list[Row]], Answers]


def kernel(name: str, parameters: str, returns: str, effect: Effect) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of `f(call, *arguments)`, called once a row. `parameters`: SQL types with commas between."""

    def wrap(function: Callable[..., Any]) -> Kernel:
        def run(call: Call, rows: list[Row]) -> Sequence[Any]:
            return [function(call, *row) for row in rows]

        return Kernel(name, _types(parameters), returns, effect, run)

    return wrap


def batch_kernel(
    name: str, parameters: str, returns: str, effect: Effect
) -> Callable[[Callable[[Call, list[Row]], Answers]], Kernel]:
    """Make a kernel of `f(call, rows)`, called once a batch, for work that is cheaper together."""

    def wrap(function: Callable[[Call, list[Row]], Answers]) -> Kernel:
        return Kernel(name, _types(parameters), returns, effect, function)

    return wrap


def _types(parameters: str) -> tuple[str, ...]:
    outside_brackets = r",(?![^()]*\))"  # a DECIMAL(9, 2) is one type
    return tuple(part.strip() for part in re.split(outside_brackets, parameters)) if parameters.strip() else ()


def installable(lake: Lake, kernels: Sequence[Kernel]) -> list[Installable]:
    """The kernels in the form that `Lake.install` takes: name, body, parameter types, return type."""
    return [(kernel.name, Body(lake, kernel), [*kernel.parameters, "VARCHAR"], kernel.returns) for kernel in kernels]


class Body:
    """The function that DuckDB calls for a kernel: with columns of Arrow, or with the Python values of one row."""

    def __init__(self, lake: Lake, kernel: Kernel) -> None:
        """`lake`: where its statements run."""
        self._lake, self._kernel = lake, kernel
        # DuckDB counts the parameters of the function it is given, and takes `*columns` for one
        names = [f"column{position}" for position in range(len(kernel.parameters) + 1)]
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
        self.__signature__ = inspect.Signature(parameters)

    def __call__(self, *columns: pa.ChunkedArray) -> pa.Array:
        """One answer for each row of some columns, the last of which is the token of the cursor."""
        *arguments, tokens = columns
        rows = list(zip(*(column.to_pylist() for column in arguments), strict=True)) or [()] * len(tokens)
        return self._answered(tokens[0].as_py(), rows, _column)

    def single(self, *values: Any) -> object:
        """The answer to one row. The engine needs longer to read an answer of Arrow than a search takes."""
        return self._answered(values[-1], [values[:-1]], _value)

    def _answered(self, token: str | None, rows: list[Row], form: "Form[Made]") -> Made:
        lake, kernel = self._lake, self._kernel
        statement = lake.running.get(token or "")
        if statement is None:
            raise Forbidden(f"{kernel.name} cannot be called directly", "call the function without the underscore")
        try:
            statement.check()
            require(statement.session.role, kernel.effect, f"{kernel.name.lstrip('_')}()")
            with within_a_turn(statement), told_by(statement.statement_id):
                answers = kernel.run(Call(lake, statement), rows)
                return form(answers, lake.arrow_type(kernel.returns), statement.check)
        except LakehouseError as error:
            statement.failure = statement.session.scrubbed(error)
            raise statement.failure from None
        except Exception as error:
            statement.failure = _fault(lake, kernel, statement, error)
            raise statement.failure from error


def _column(answers: Answers, kind: pa.DataType, check: Callable[[], None]) -> pa.Array:
    """The answers as a column; `check`, which may raise to stop, is called now and then: large ones take their time."""
    if isinstance(answers, Columnar):
        return answers.column(kind)
    parts = []
    for start in range(0, len(answers), AT_ONCE):
        check()
        parts.append(pa.array(answers[start : start + AT_ONCE], type=kind))
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], type=kind)])


def _value(answers: Answers, kind: pa.DataType, check: Callable[[], None]) -> object:
    """The one answer as the engine takes it from Python: every field is there, each of its type."""
    if isinstance(answers, Columnar):
        return answers.value()
    return _column(answers, kind, check)[0].as_py()


def _fault(lake: Lake, kernel: Kernel, statement: Statement, error: Exception) -> LakehouseError:
    """A failure that is not one of ours: the engine's are translated, a fault of the code keeps its trace."""
    fault = faults.translate(error, str(lake.home))
    if isinstance(fault, Internal):
        trace = "".join(traceback.format_exception(error))[-8000:]
        with suppress(Busy, duck.Error):  # the failure of the kernel is the one to show
            body = {"trace": trace}
            lake.journal.record("fault", kernel.name, body, statement_id=statement.statement_id, durable=True)
        return Internal(f"{kernel.name.lstrip('_')}() failed: {type(error).__name__}", "see lake.journal, kind 'fault'")
    return fault
