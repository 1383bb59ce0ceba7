"""What a lake does for its corpora by itself: refreshes after a change or at set times, and the background tuner.

One thread, one refresh at a time. A refresh is the statement that anybody could run, so that lake.statements shows it,
its failure stands in lake.errors, and it is cancelled when the lake closes. What is due follows from the control plane
and the versions of the bucket alone: after a restart the same is due, and however many changes come meanwhile, each
corpus is due once.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from engine import duck, faults
from engine.access.profiles import ADMIN
from engine.errors import Busy, LakehouseError
from engine.search import policy, watched
from engine.search.tuner import Tuner
from engine.storage import ducklake
from engine.storage.buckets import PRIMARY

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.search.corpora import Corpora
    from engine.search.definitions import Definition
    from engine.session import Session

CLOSE_SECONDS = 10.0
AGAIN_SECONDS = 5.0  # after a corpus was busy, or the engine was not there


class Seen(NamedTuple):
    """Up to where a source was read: the version of the bucket, and the time, in seconds since the epoch."""

    version: int
    at: float


class Known(NamedTuple):
    """What is known of the last refresh of a corpus: what it saw, and its end, in seconds since the epoch."""

    seen: Seen
    refreshed_at: float


NEVER = Known(Seen(0, 0.0), 0.0)


class Upkeep:
    """The refreshes of a lake."""

    def __init__(self, lake: "Lake", corpora: "Corpora") -> None:
        """Nothing runs before `start`."""
        self._lake, self._corpora = lake, corpora
        self._tuner = Tuner(lake)
        self._lock = threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._look_at: float | None = None  # when to look for changes, by time.monotonic
        self._known: dict[str, Known] = {}  # by corpus, what was looked at
        self._learned: dict[tuple[str, str | None], float] = {}  # by kind of entry and corpus, when the last one came
        self._session: Session | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, first with what became due while the lake was closed."""
        self._look_at = time.monotonic()
        self._wake.set()
        self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)
        self._thread.start()

    def notice(self, learned: str | None = None, corpus: str | None = None) -> None:
        """Hear that a bucket was written to, or that a policy changed.

        `learned`: the kind of journal entry in which the lake has come to know something; its time is earlier than that
        at which others see it. `corpus`: of a swap.
        """
        with self._lock:
            if learned is not None:
                self._learned[learned, corpus] = self._lake.clock()
            waits = self._look_at is not None
            if not waits:
                self._look_at = time.monotonic() + self._lake.config.search.append_seconds
        if learned is None or not waits:
            self._wake.set()

    def seen(self) -> Seen:
        """The present: what a source that is read from now on has seen."""
        with self._cursor() as cursor:
            return Seen(ducklake.current_version(cursor, PRIMARY), self._lake.clock())

    def done(self, corpus: str, seen: Seen) -> None:
        """Take note up to where the source of a corpus was read."""
        with self._lake.control() as cursor:
            cursor.execute(
                "insert or replace into control.upkeep (corpus, version, refreshed_at, read_at) "
                "values (?, ?, to_timestamp(?), to_timestamp(?))",
                [corpus, seen.version, self._lake.clock(), seen.at],
            )
        self._known.pop(corpus, None)

    @contextmanager
    def _cursor(self) -> Iterator[duck.Cursor]:
        cursor = self._lake.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    # -- working -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pause: float | None = None
        while not self._closed.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            if self._closed.is_set():
                return
            try:
                pause = self._round()
            except Exception as error:  # the next round tries again
                pause = AGAIN_SECONDS
                if not self._closed.is_set():
                    self._lake.record_error(faults.translate(error, str(self._lake.home)), None, "upkeep", None)

    def _round(self) -> float | None:
        """Do what is due; returns the seconds until more is, None when only a change can bring more."""
        now = time.monotonic()
        with self._lock:
            looking = self._look_at is not None and self._look_at <= now
            if looking:
                self._look_at = None
        for corpus, seen in self._due(looking):
            if self._closed.is_set():
                return None
            self._refresh(corpus, seen)
        pauses = [self._until_cron(), self._tuner.turn()]
        with self._lock:
            pauses.append(None if self._look_at is None else max(0.0, self._look_at - time.monotonic()))
        return min((pause for pause in pauses if pause is not None), default=None)

    def _automatic(self) -> "list[Definition]":
        definitions = [self._corpora.definition(name) for name in self._corpora.names()]
        return [one for one in definitions if one.refresh != policy.MANUAL]

    def _state(self) -> dict[str, Known]:
        with self._lake.control() as cursor:
            rows = cursor.execute(
                "select corpus, version, epoch(coalesce(read_at, refreshed_at)), epoch(refreshed_at) "
                "from control.upkeep"
            ).fetchall()
        return {corpus: Known(Seen(version, read), at) for corpus, version, read, at in rows} | self._known

    def _due(self, looking: bool) -> list[tuple[str, Seen]]:
        """The corpora to refresh now, each with what is seen of the present."""
        automatic = self._automatic()
        if not automatic:
            return []
        now, state = self.seen(), self._state()
        due = []
        for one in automatic:
            known = state.get(one.corpus, NEVER)
            time_due = policy.following(one.refresh, known.refreshed_at)
            if time_due is None and not looking:
                continue
            if time_due is not None and time_due > self._lake.clock():
                continue
            if time_due is not None or self._has_changed(one, known.seen, now):
                due.append((one.corpus, now))
            else:
                self._known[one.corpus] = Known(now, known.refreshed_at)
        return due

    def _has_changed(self, definition: "Definition", since: Seen, now: Seen) -> bool:
        return self._tables_changed(definition, since, now) or self._knows_more(definition, since)

    def _tables_changed(self, definition: "Definition", since: Seen, now: Seen) -> bool:
        if now.version <= since.version:
            return False
        with self._cursor() as cursor:
            changed = watched.changed(cursor, since.version)
            read = watched.tables(cursor, definition.source) if changed else set()
        if read is None or (not read and not watched.knowledge(definition.source)):
            return bool(changed)  # what it reads cannot be told
        return bool(changed & read)

    def _knows_more(self, definition: "Definition", since: Seen) -> bool:
        kinds = watched.knowledge(definition.source)
        if not kinds:
            return False
        with self._lock:
            latest = [
                kind for (kind, corpus), at in self._learned.items() if at > since.at and corpus != definition.corpus
            ]
        if kinds.intersection(latest):
            return True
        self._lake.journal.flush()
        with self._lake.control() as cursor:  # what came before the lake was closed
            return watched.learned(cursor, definition.corpus, kinds, since.at)

    def _refresh(self, corpus: str, seen: Seen) -> None:
        session = self._lake.session(ADMIN)
        with self._lock:
            self._session = session
        try:
            if not self._closed.is_set():
                session.run(f"select * from refresh_corpus({duck.literal(corpus)})").close()
        except Busy:
            with self._lock:
                self._look_at = time.monotonic() + AGAIN_SECONDS
        except LakehouseError:  # it stands in lake.errors; the next change, or the next time, tries again
            self._known[corpus] = Known(seen, self._lake.clock())
        finally:
            with self._lock:
                self._session = None
            session.close()

    def _until_cron(self) -> float | None:
        automatic = self._automatic()
        state = self._state() if automatic else {}
        times = [policy.following(one.refresh, state.get(one.corpus, NEVER).refreshed_at) for one in automatic]
        coming = min((one for one in times if one is not None), default=None)
        return None if coming is None else max(0.0, coming - self._lake.clock())

    def close(self) -> None:
        """Cancel the refresh that runs, and stop."""
        self._closed.set()
        with self._lock:
            session = self._session
        if session is not None:
            with suppress(LakehouseError):
                session.close()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
