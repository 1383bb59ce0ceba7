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

from engine.session import Session, SessionSource

T = TypeVar("T")

THREADS = 16  # statements of the door that run at once; further requests wait for their turn
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Caller:
    """Who asks through this door: every request gets a session of `profile` from `source`."""

    source: SessionSource
    profile: str
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "web"))

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Wait for the threads at the end: no statement outlives the door."""
        yield
        await asyncio.to_thread(self.threads.shutdown)


def caller(request: Request) -> Caller:
    """The caller of `request`."""
    return cast(Caller, request.app.state.caller)


async def begin(request: Request, work: Callable[[Session], T]) -> tuple[Session, T]:
    """Run `work` on a thread with a session of its own, which stays open for whoever reads on.

    A client that goes away, or a server that stops, cancels what `work` runs. Raises what `work` raises.
    """
    who = caller(request)
    session = who.source.session(who.profile)
    running = asyncio.get_running_loop().run_in_executor(who.threads, work, session)
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


async def ask(request: Request, work: Callable[[Session], T]) -> T:
    """Like `begin`, for work that is complete when it returns: the session closes with it."""
    session, answer = await begin(request, work)
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
