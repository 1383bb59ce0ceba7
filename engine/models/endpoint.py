"""One model endpoint over HTTP: allowed by the configuration, with time limit, retries and a record of every call."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

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
MAX_ANSWER = 256 << 20


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
        self._client = httpx.Client(timeout=reach.seconds, follow_redirects=False)
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, "endpoint")
        self._lock = threading.Lock()

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

        running = self._threads.submit(self._send, path, body)
        try:
            response = _await(running, cancelled)
        except httpx.TimeoutException:
            raise _Later(f"no answer within {self._reach.seconds:g} seconds") from None
        except httpx.HTTPError as error:
            raise _Later(type(error).__name__) from None
        return self._checked(response)

    def _send(self, path: str, body: Mapping[str, Any]) -> "httpx.Response":
        import httpx

        key = self._reach.keys.of(self.base)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        until = time.monotonic() + self._reach.seconds
        with self._client.stream("POST", self.base + path, json=body, headers=headers) as response:
            read, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > MAX_ANSWER:
                    raise Internal(f"the endpoint {self.base} answers over {MAX_ANSWER} bytes", "send less at once")
                read.append(part)
                if time.monotonic() > until:  # the limits of the client are those of one read each
                    raise httpx.ReadTimeout("the answer trickles")
        return httpx.Response(response.status_code, headers=response.headers, content=b"".join(read))

    def _checked(self, response: "httpx.Response") -> dict[str, Any]:
        status = response.status_code
        if status in TRIED_AGAIN:
            raise _Later(f"status {status}", _seconds(response.headers.get("retry-after")))
        if status in (401, 403):
            raise Forbidden(
                f"the endpoint {self.base} refuses the key (status {status})",
                "set OPENAI_API_KEY, or a line of [models] key_file",
            )
        if status >= 300:
            raise Invalid(f"the endpoint {self.base} refuses the request (status {status})", "look at model and texts")
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Internal(f"the endpoint {self.base} does not answer in JSON", "is the URL right?")
        return found

    def close(self) -> None:
        """Close the connections; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()


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


def _await(running: "Future[httpx.Response]", cancelled: Cancelled | None) -> "httpx.Response":
    while True:
        try:
            return running.result(LOOK_SECONDS)
        except NotYet:
            if running.done():  # the request itself timed out
                raise
            if cancelled and cancelled():
                running.cancel()
                raise TimedOut from None


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
        found = usage.get("total_tokens")
        return found if isinstance(found, int) else None
    counts = [answer.get(name) for name in ("prompt_eval_count", "eval_count")]  # Ollama: read, written
    whole = [count for count in counts if isinstance(count, int)]
    return sum(whole) if whole else None
