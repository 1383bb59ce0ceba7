"""The error tree. Every failure a user can meet is one of these; each carries a code, a sentence and a next step.

LakehouseError
├── Invalid          INVALID          400   the request itself is wrong
├── Unauthenticated  UNAUTHENTICATED  401   who asks is not known
├── Forbidden        FORBIDDEN        403   who asks is known and may not
├── NotFound         NOT_FOUND        404   the named thing does not exist, or is not visible
├── Conflict         CONFLICT         409   the state of the lake forbids it
├── RuleBroken       RULE             422   a named rule said no
├── Busy             BUSY             503   a bound is reached; later it may work
├── TimedOut         TIMEOUT          504   it took longer than allowed, or was cancelled
└── Internal         INTERNAL         500   a fault of ours

The text on the wire is `[CODE] what happened; what to do next`. The docstring of a class is its default message.
A text may hold what a user sent, of any length: what is longer than LONGEST characters loses its middle.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 1000  # characters of a message, and of a hint: both go into headers, logs and terminals
ENDING = 300  # characters that are kept of the end: it says what happened to what was named


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - ENDING - 3]} … {text[-ENDING:]}"


class LakehouseError(Exception):
    """something went wrong; see lake.errors"""

    code = "INTERNAL"
    status = 500

    def __init__(self, message: str | None = None, hint: str | None = None) -> None:
        """`message`: what happened, without the code. `hint`: what to do next."""
        self.message = _bounded(message or type(self).__doc__ or "")
        self.hint = hint and _bounded(hint)
        super().__init__(str(self))

    def __str__(self) -> str:
        """`[CODE] message; hint`."""
        return f"[{self.code}] {self.message}" + (f"; {self.hint}" if self.hint else "")


class Invalid(LakehouseError):
    """the request is not valid"""

    code, status = "INVALID", 400


class Unauthenticated(LakehouseError):
    """who asks is not known; send a token"""

    code, status = "UNAUTHENTICATED", 401


class Forbidden(LakehouseError):
    """this is not allowed for your profile"""

    code, status = "FORBIDDEN", 403


class NotFound(LakehouseError):
    """the named thing does not exist"""

    code, status = "NOT_FOUND", 404


class Conflict(LakehouseError):
    """the present state forbids it"""

    code, status = "CONFLICT", 409


class RuleBroken(LakehouseError):
    """a rule said no"""

    code, status = "RULE", 422


class Busy(LakehouseError):
    """too much at once; try again in a moment"""

    code, status = "BUSY", 503


class TimedOut(LakehouseError):
    """the statement was cancelled or took longer than allowed"""

    code, status = "TIMEOUT", 504


class Internal(LakehouseError):
    """a fault inside the lakehouse; see lake.errors"""

    code, status = "INTERNAL", 500


BY_CODE: dict[str, type[LakehouseError]] = {
    kind.code: kind
    for kind in (Invalid, Unauthenticated, Forbidden, NotFound, Conflict, RuleBroken, Busy, TimedOut, Internal)
}

NEAREST = 3  # names that a hint offers at most
LIKENESS = 0.57  # of two names, 0 … 1, from which on one may have been meant: "score" and "corpus" have .545

CODED = re.compile(r"\[(" + "|".join(BY_CODE) + r")\] (.*)", re.DOTALL)


def parse(text: str) -> LakehouseError | None:
    """Read `[CODE] message; hint` back into an error, or None when `text` holds no code."""
    found = CODED.search(text)
    if not found:
        return None
    message, _, hint = found.group(2).partition("\n")[0].rpartition("; ")
    return BY_CODE[found.group(1)](*((message, hint) if message else (hint, None)))


def nearest(name: str, known: Iterable[str], also: str = "") -> str:
    """The hint for a name that is not known: the nearest ones in whatever case, or all when they are few.

    `also`: what else helps.
    """
    hint = _nearest(name, sorted(known))
    return f"{hint}{'' if hint.endswith('?') else ';'} {also}" if also else hint


def _nearest(name: str, choices: list[str]) -> str:
    asked, folded = name.lower(), {choice.lower(): None for choice in choices}
    begun = [choice for choice in folded if asked and choice.startswith(asked)]
    close = get_close_matches(asked, folded, NEAREST, LIKENESS) or get_close_matches(asked, begun, NEAREST, 0.0)
    if close:
        found = [choice for one in close for choice in choices if choice.lower() == one]
        return "did you mean " + " or ".join(repr(choice) for choice in found[:NEAREST]) + "?"
    if not choices:
        return "there are none yet"
    return "known: " + ", ".join(choices[:10]) + (" …" if len(choices) > 10 else "")
