"""How a Python function becomes a kernel: columns of Arrow in, one column of Arrow out, errors kept with their codes.

A kernel is called by DuckDB on its own threads, several at once, with up to 2,048 rows. Its last argument is the token
of the cursor, by which it finds the statement that called it: without a running statement there is no call.
"""

import inspect
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from engine import duck, faults
from engine.access.roles import Effect, require
from engine.errors import Busy, Forbidden, Internal, LakehouseError
from engine.lake import Lake
from engine.session import Session
from engine.statement import Statement
from engine.turns import within_a_turn

AT_ONCE = 256  # answers that are made a column at a time
Row = tuple[Any, ...]
Answer = Sequence[Mapping[str, Any]]


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

    The answers are Python values, or an array of Arrow of that type.
    """

    name: str
    parameters: tuple[str, ...]
    returns: str
    effect: Effect
    run: Callable[[Call, list[Row]], Sequence[Any] | pa.Array]


def kernel(name: str, parameters: str, returns: str, effect: Effect) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of `f(call, *arguments)`, called once a row. `parameters`: SQL types with commas between."""

    def wrap(function: Callable[..., Any]) -> Kernel:
        def run(call: Call, rows: list[Row]) -> Sequence[Any]:
            return [function(call, *row) for row in rows]

        return Kernel(name, _types(parameters), returns, effect, run)

    return wrap


def batch_kernel(
    name: str, parameters: str, returns: str, effect: Effect
) -> Callable[[Callable[[Call, list[Row]], Sequence[Any] | pa.Array]], Kernel]:
    """Make a kernel of `f(call, rows)`, called once a batch, for work that is cheaper together."""

    def wrap(function: Callable[[Call, list[Row]], Sequence[Any] | pa.Array]) -> Kernel:
        return Kernel(name, _types(parameters), returns, effect, function)

    return wrap


def _types(parameters: str) -> tuple[str, ...]:
    outside_brackets = r",(?![^()]*\))"  # a DECIMAL(9, 2) is one type
    return tuple(part.strip() for part in re.split(outside_brackets, parameters)) if parameters.strip() else ()


def installable(lake: Lake, kernels: Sequence[Kernel]) -> list[tuple[str, Callable[..., pa.Array], list[str], str]]:
    """The kernels in the form that `Lake.install` takes: name, body, parameter types, return type."""
    return [(kernel.name, body(lake, kernel), [*kernel.parameters, "VARCHAR"], kernel.returns) for kernel in kernels]


def body(lake: Lake, kernel: Kernel) -> Callable[..., pa.Array]:
    """The function that DuckDB calls for `kernel`."""

    def called(*columns: pa.ChunkedArray) -> pa.Array:
        *arguments, tokens = columns
        statement = lake.running.get(tokens[0].as_py() or "")
        if statement is None:
            raise Forbidden(f"{kernel.name} cannot be called directly", "call the function without the underscore")
        try:
            statement.check()
            require(statement.session.role, kernel.effect, f"{kernel.name.lstrip('_')}()")
            rows = list(zip(*(column.to_pylist() for column in arguments), strict=True)) or [()] * len(tokens)
            with within_a_turn():
                answers = kernel.run(Call(lake, statement), rows)
                return _column(answers, lake.arrow_type(kernel.returns), statement.check)
        except LakehouseError as error:
            statement.failure = statement.session.scrubbed(error)
            raise statement.failure from None
        except Exception as error:
            statement.failure = _fault(lake, kernel, statement, error)
            raise statement.failure from error

    # DuckDB counts the parameters of the function it is given, and takes `*columns` for one
    names = [f"column{position}" for position in range(len(kernel.parameters) + 1)]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _column(answers: Sequence[Any] | pa.Array, kind: pa.DataType, check: Callable[[], None]) -> pa.Array:
    """The answers as a column; `check`, which may raise to stop, is called now and then: large ones take their time."""
    if isinstance(answers, pa.Array):
        return answers
    parts = []
    for start in range(0, len(answers), AT_ONCE):
        check()
        parts.append(pa.array(answers[start : start + AT_ONCE], type=kind))
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts or [pa.array([], type=kind)])


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
