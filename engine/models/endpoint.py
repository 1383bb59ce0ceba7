"""One model endpoint over HTTP: allowed by the configuration, with time limit, retries and a record of every call."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import Busy, Forbidden, Internal, Invalid, LakehouseError, TimedOut, nearest
from engine.models.keys import Keys

if TYPE_CHECKING:
    import httpx  # takes 0.07 s, and most lakes have no endpoint

Cancelled = Callable[[], bool]
OLLAMA = "http://127.0.0.1:11434"
LOOK_SECONDS = 0.05
FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
SIDE_BY_SIDE = 4  # requests of one endpoint at once
TRIED_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
MAX_ANSWER = 256 << 20
MOST_TOKENS = 2**62 - 1  # of one kind: two of them are a BIGINT


@dataclass(frozen=True)
class Call:
    """One call of a model, as the journal keeps it."""

    endpoint: str
    model: str
    texts: int
    tokens: int | None
    tries: int
    milliseconds: float
    outcome: str  # ok, or the code of an error
    purpose: str = "embed"  # embed, chat, judge, rerank


@dataclass(frozen=True)
class Reach:
    """Which endpoints may be called, and how."""

    endpoints: tuple[str, ...] = ()
    keys: Keys = field(default_factory=Keys)
    seconds: float = 30.0
    tries: int = 4
    batch: int = 64
    told: Callable[[Call], None] = lambda call: None
    purpose: str = "embed"  # of its calls, as the journal tells it


class _Answer(NamedTuple):
    """What came back; `after`: seconds that the endpoint asks for before the next try."""

    status: int
    after: float
    body: bytes


class _Line:
    """The connection of one thread."""

    def __init__(self, client: "httpx.Client") -> None:
        self.client = client
        self._stream: Any = None

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Hear of a connection that was made; the client keeps it for the next request."""
        if event in CONNECTED:
            self._stream = told["return_value"]

    def cut(self) -> None:
        """End what runs over it: a thread that waits for an answer is woken, and finds that there is none."""
        found = None if self._stream is None else self._stream.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)
        self.client.close()


class _Sending:
    """A request on its way: its connection, and until when it may take, once it has begun."""

    line: _Line | None = None
    until = float("inf")

    def cut(self) -> None:
        """End it: its thread is needed for others."""
        if self.line is not None:
            self.line.cut()


class Endpoint:
    """A base URL and a model. Calls may run side by side."""

    def __init__(self, base: str, model: str, reach: Reach) -> None:
        """Raises Forbidden for an endpoint that the configuration does not name, Invalid for what is no URL."""
        base = base.rstrip("/")
        if not base.startswith(("http://", "https://")):
            raise Invalid(f"the endpoint {base!r} is no URL", "write http://host:port/v1 or https://…")
        if base not in {one.rstrip("/") for one in reach.endpoints}:
            allowed = nearest(base, reach.endpoints)
            raise Forbidden(f"the endpoint {base!r} is not among [models] endpoints", f"{allowed}; an admin adds it")
        if not model:
            raise Invalid("the model has no name", "write openai:<url>#<model> or ollama:<model>")
        import httpx

        self.base, self.model, self._reach = base, model, reach
        self._context = httpx.create_ssl_context()
        self._mine = threading.local()  # the line of each thread: one that hangs is cut without the others
        self._lines: set[_Line] = set()
        self._lock = threading.Lock()  # of the set
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, "endpoint")

    def post(self, path: str, body: Mapping[str, Any], texts: int, cancelled: Cancelled | None) -> dict[str, Any]:
        """Send `body` and return the JSON object that comes back. Tries again what may work later.

        Raises TimedOut within 0.1 s when `cancelled` becomes true, Busy when the endpoint stays unavailable, Forbidden
        when it refuses the key, Invalid when it refuses the request, Internal when its answer makes no sense.
        """
        started, tries, outcome, tokens = time.monotonic(), 0, "ok", None
        try:
            while True:
                tries += 1
                try:
                    answer = self._once(path, body, cancelled)
                    tokens = _tokens(answer)
                    return answer
                except _Later as later:
                    if tries >= self._reach.tries:
                        raise Busy(f"the endpoint {self.base} is not available: {later}", "try again later") from None
                    _sleep(max(FIRST_WAIT * 2 ** (tries - 1), later.after), cancelled)
        except LakehouseError as error:
            outcome = error.code
            raise
        finally:
            took = round((time.monotonic() - started) * 1000, 3)
            call = Call(self.base, self.model, texts, tokens, tries, took, outcome, self._reach.purpose)
            self._reach.told(call)

    def _once(self, path: str, body: Mapping[str, Any], cancelled: Cancelled | None) -> dict[str, Any]:
        import httpx

        sending = _Sending()
        running = self._threads.submit(self._send, path, body, sending)
        try:
            answer = _await(running, sending, cancelled)
        except httpx.TimeoutException:
            raise _Later(f"no answer within {self._reach.seconds:g} seconds") from None
        except (httpx.HTTPError, OSError) as error:
            raise _Later(type(error).__name__) from None
        return self._checked(answer)

    def _send(self, path: str, body: Mapping[str, Any], sending: _Sending) -> _Answer:
        key = self._reach.keys.of(self.base)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        sending.line = line = self._line()
        sending.until = time.monotonic() + self._reach.seconds
        told = {"trace": line.trace}
        with line.client.stream("POST", self.base + path, json=body, headers=headers, extensions=told) as response:
            read, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > MAX_ANSWER:
                    raise Internal(f"the endpoint {self.base} answers over {MAX_ANSWER} bytes", "send less at once")
                read.append(part)
            return _Answer(response.status_code, _seconds(response.headers.get("retry-after")), b"".join(read))

    def _line(self) -> _Line:
        import httpx

        line: _Line | None = getattr(self._mine, "line", None)
        if line is None or line.client.is_closed:
            line = _Line(httpx.Client(timeout=self._reach.seconds, follow_redirects=False, verify=self._context))
            with self._lock:
                self._lines = {one for one in self._lines if not one.client.is_closed} | {line}
            self._mine.line = line
        return line

    def _checked(self, answer: _Answer) -> dict[str, Any]:
        status = answer.status
        if status in TRIED_AGAIN:
            raise _Later(f"status {status}", answer.after)
        if status in (401, 403):
            raise Forbidden(
                f"the endpoint {self.base} refuses the key (status {status})",
                "set OPENAI_API_KEY, or a line of [models] key_file",
            )
        if status >= 300:
            raise Invalid(f"the endpoint {self.base} refuses the request (status {status})", "look at model and texts")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):  # nested too deep
            found = None
        if not isinstance(found, dict):
            raise Internal(f"the endpoint {self.base} does not answer in JSON", "is the URL right?")
        return found

    def close(self) -> None:
        """Close the connections; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for line in self._lines:
                line.cut()


def reached(scheme: str, rest: str, reach: Reach) -> Endpoint:
    """The endpoint of `<scheme>:<base URL>#<model>`, or of `ollama:<model>` on this machine.

    Raises what `Endpoint` raises.
    """
    base, mark, model = rest.partition("#")
    if scheme == "ollama":  # the key of OpenAI is not for Ollama
        reach = replace(reach, keys=replace(reach.keys, environment={}))
        base, model = (base, model) if mark else (OLLAMA, rest)
    elif not mark:
        raise Invalid(f"'{scheme}:{rest}' names no model", f"write {scheme}:https://host/v1#<model>")
    return Endpoint(base, model, reach)


class _Later(Exception):
    """It did not work, and may work later; `after`: seconds that the endpoint asks for."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = min(after, LONGEST_WAIT)


def _await(running: "Future[_Answer]", sending: _Sending, cancelled: Cancelled | None) -> _Answer:
    import httpx

    while True:
        try:
            return running.result(LOOK_SECONDS)
        except NotYet:
            if running.done():  # the request itself timed out
                raise
            if cancelled and cancelled():
                if not running.cancel():
                    sending.cut()
                raise TimedOut from None
            if time.monotonic() > sending.until:  # the limits of a client are those of one read each
                sending.cut()
                raise httpx.ReadTimeout("the answer trickles") from None


def _sleep(seconds: float, cancelled: Cancelled | None) -> None:
    until = time.monotonic() + min(seconds, LONGEST_WAIT)
    while (left := until - time.monotonic()) > 0:
        if cancelled and cancelled():
            raise TimedOut
        time.sleep(min(left, LOOK_SECONDS))


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _tokens(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    if isinstance(usage, dict):
        return _count(usage.get("total_tokens"))
    counts = [_count(answer.get(name)) for name in ("prompt_eval_count", "eval_count")]  # Ollama: read, written
    whole = [count for count in counts if count is not None]
    return sum(whole) if whole else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value is not True and 0 <= value <= MOST_TOKENS else None
