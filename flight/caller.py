"""Who makes a call, and whether they are still there."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from engine.session import Session

Cancel: TypeAlias = Callable[[], object]


def _unwatched(cancel: Cancel) -> AbstractContextManager[None]:
    return nullcontext()


def _still_there() -> bool:
    return False


@dataclass(frozen=True)
class Caller:
    """One call: its session, and how to watch for the client going away.

    `with caller.watch(cancel):` calls `cancel` from another thread, again and again, once the client has cancelled,
    hung up or passed its deadline, and never after the block has ended. `gone` tells whether the client has.
    """

    session: Session
    watch: Callable[[Cancel], AbstractContextManager[None]] = _unwatched
    gone: Callable[[], bool] = _still_there
