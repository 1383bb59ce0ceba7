"""From our errors to what Arrow Flight can put on the wire: a gRPC status and the text, nothing else.

Arrow appends a traceback to any exception that is not a FlightError; the classes here defeat that by failing while it
is formatted, so that only the name of the class is appended. FlightErrors carry no traceback, but know neither
INVALID_ARGUMENT nor NOT_FOUND.
"""

import functools
import logging
from collections.abc import Callable, Generator, Iterator
from typing import Any, ParamSpec, TypeVar

import pyarrow as pa
from pyarrow import flight

from engine.errors import (
    Busy,
    Forbidden,
    Internal,
    Invalid,
    LakehouseError,
    NotFound,
    TimedOut,
    Unauthenticated,
)
from flight.errors import Unsupported as NotSpoken

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class _Untraceable(Exception):
    @property
    def __suppress_context__(self) -> bool:  # type: ignore[override]
        # `traceback.format_exception` reads it of every exception; when that fails, Arrow sends the class name alone.
        raise RuntimeError("no traceback leaves the process")


class Refused(_Untraceable, ValueError):
    """INVALID_ARGUMENT."""


class Missing(_Untraceable, KeyError):
    """NOT_FOUND."""

    def __str__(self) -> str:
        """The text without the quotes that KeyError adds."""
        return str(self.args[0])


class Unsupported(_Untraceable, NotImplementedError):
    """UNIMPLEMENTED."""


class Failed(_Untraceable):
    """UNKNOWN: where a FlightError would be sent with its traceback (GetSchema)."""


STATUSES: tuple[tuple[type[LakehouseError], Callable[[str], Exception]], ...] = (
    (NotSpoken, Unsupported),
    (Unauthenticated, flight.FlightUnauthenticatedError),
    (Forbidden, flight.FlightUnauthorizedError),
    (NotFound, Missing),
    (Busy, flight.FlightUnavailableError),
    (TimedOut, flight.FlightTimedOutError),
    (Internal, flight.FlightInternalError),
)


def outward(error: Exception) -> Exception:
    """The exception to raise towards Arrow for `error`. Conflicts and broken rules are INVALID_ARGUMENT."""
    if isinstance(error, flight.FlightError | _Untraceable):
        return error
    if isinstance(error, pa.ArrowInvalid):
        error = Invalid("the stream of the client is not valid Arrow data", "check the client")
    if not isinstance(error, LakehouseError):
        log.exception("a fault in the Flight SQL server", exc_info=error)
        error = Internal()
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return status(str(error))
    return Refused(str(error))


def guarded(call: Callable[P, R]) -> Callable[P, R]:
    """Let a handler raise only what Arrow may see."""

    @functools.wraps(call)
    def handler(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            failure = outward(error)
        raise failure

    return handler


def guarded_stream(batches: Iterator[Any]) -> Generator[Any, None, None]:
    """Let a stream raise only what Arrow may see."""
    failure: Exception | None = None
    try:
        yield from batches
    except Exception as error:
        failure = outward(error)
    if failure is not None:
        raise failure


def untraced(error: Exception) -> Exception:
    """`error` in a form that GetSchema can raise: Arrow handles no FlightError there."""
    return Failed(str(error)) if isinstance(error, flight.FlightError) else error
