"""The middleware of a call: who makes it, and how many calls are being answered."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pyarrow import flight

from engine.access.credentials import Credentials
from engine.access.door import Known, Lock
from flight.auth import authenticate
from flight.boundary import guarded

IDENTITY = "identity"


class Calls:
    """How many calls are being answered."""

    def __init__(self) -> None:
        """None yet."""
        self._active = 0
        self._change = threading.Condition()

    def change(self, by: int) -> None:
        """Count a call in or out."""
        with self._change:
            self._active += by
            self._change.notify_all()

    def wait(self, until: float) -> bool:
        """Wait until there is none; False when there still is one at `until` (monotonic seconds)."""
        with self._change:
            return self._change.wait_for(lambda: self._active == 0, max(0.0, until - time.monotonic()))


class Identity(flight.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """Who makes one call."""

    def __init__(self, known: Known, cookie: str | None, agent: str, ended: Callable[[], None]) -> None:
        """`agent`: the client's name. `ended` is called when the call has been answered to its end."""
        self.known, self.cookie, self.agent, self._ended = known, cookie, agent, ended

    def sending_headers(self) -> dict[str, str]:
        """What a login is answered with: the token for the calls that follow."""
        return {"authorization": f"Bearer {self.known.bearer}"} if self.known.bearer else {}

    def call_completed(self, exception: BaseException | None) -> None:
        """Called by Arrow at the end of a call, after the last batch of a stream."""
        self._ended()


class Identities(flight.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Reads the headers of each call."""

    def __init__(self, calls: Calls, credentials: Credentials, lock: Lock) -> None:
        """`calls` counts them."""
        self._calls, self._credentials, self._lock = calls, credentials, lock

    @guarded
    def start_call(self, info: Any, headers: dict[str, list[str]]) -> Identity:
        """Called by Arrow before a call is handled."""
        known = authenticate(headers, self._credentials, self._lock)
        self._calls.change(+1)
        cookies, agents = headers.get("cookie"), headers.get("user-agent")
        ended = partial(self._calls.change, -1)
        return Identity(known, "; ".join(cookies) if cookies else None, agents[0] if agents else "", ended)
