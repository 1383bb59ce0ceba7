"""From a request to a session: statements run on threads, one session a request, stopped when nobody waits any more."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request

from engine.access.door import HINT, Lock, authenticate
from engine.errors import Unauthenticated
from engine.session import Session, SessionSource

T = TypeVar("T")

THREADS = 16  # statements of the door that run at once; further requests wait for their turn
LOGINS = 2  # passwords whose slow hash is computed at once
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Caller:
    """Who asks through this door: every request gets a session of its own from `source`, as whom it proves to be."""

    source: SessionSource
    lock: Lock = field(default_factory=Lock)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "web"))

    logins: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(LOGINS, "login"))

    def session(self, authorization: str) -> Session:
        """A session for one who sends this header. Raises Unauthenticated, Busy for one who guesses passwords."""
        known = authenticate(authorization, self.source.credentials, self.lock)
        if known.profile is None:
            raise Unauthenticated("the console does not look at certificates", HINT)
        return self.source.session(known.profile, known.token_id)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Wait for the threads at the end: no statement outlives the door."""
        yield
        await asyncio.to_thread(self.threads.shutdown)
        await asyncio.to_thread(self.logins.shutdown)


def caller(request: Request) -> Caller:
    """The caller of `request`."""
    return cast(Caller, request.app.state.caller)


async def begin(request: Request, work: Callable[[Session], T], *, anyone: bool = False) -> tuple[Session, T]:
    """Run `work` on a thread with a session of its own, which stays open for whoever reads on.

    A client that goes away, or a server that stops, cancels what `work` runs. Raises what `work` raises.
    `anyone`: for work that tells nothing of the lake, whoever asks.
    """
    who = caller(request)
    loop = asyncio.get_running_loop()
    if anyone:
        session = who.source.session()
        session.urgent = True
    else:
        session = await admit(request)
    running = loop.run_in_executor(who.logins if anyone else who.threads, work, session)
    gone = asyncio.ensure_future(_client_gone(request))
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        while not running.done():  # again and again: the next statement of `work` may have begun in between
            session.close()
            await asyncio.wait((running,), timeout=POLL_SECONDS)
    try:
        return session, running.result()
    except BaseException:
        session.close()
        raise


async def admit(request: Request) -> Session:
    """A session of who sends `request`. Raises Unauthenticated, Busy for one who guesses passwords."""
    who, authorization = caller(request), request.headers.get("authorization", "")
    return await asyncio.get_running_loop().run_in_executor(who.logins, who.session, authorization)


async def ask(request: Request, work: Callable[[Session], T], *, anyone: bool = False) -> T:
    """Like `begin`, for work that is complete when it returns: the session closes with it."""
    session, answer = await begin(request, work, anyone=anyone)
    session.close()
    return answer


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def stream(session: Session, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Send `chunks` as they are made; the session closes at their end or when the client goes away."""
    try:
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        session.close()
