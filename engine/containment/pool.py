"""The workers of a lake: few, started when first needed, and one statement in each. Who waits is served in order."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from engine.containment.copies import Copies
from engine.containment.orders import Start, Surface
from engine.containment.process import Process
from engine.errors import Busy, LakehouseError

if TYPE_CHECKING:
    from engine.lake import Lake
    from engine.statement import Statement

LOOK_SECONDS = 0.05
IDLE_SECONDS = 300.0  # how long a worker without work is kept


class Pool:
    """Gives workers out and takes them back."""

    def __init__(self, lake: "Lake", surface: Callable[[], Surface]) -> None:
        """Nothing is started yet. `surface`: the functions of the lake, known once it is installed."""
        self._lake, self._surface = lake, surface
        self._folder = lake.home / "cache" / "contained"
        self._copies = Copies(lake.cursor, self._folder, lambda: lake.version)
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._idle: list[Process] = []
        self._used: set[Process] = set()
        self._starting = 0
        self._started = count(1)
        self._closed = False

    def take(self, statement: "Statement") -> tuple[Process, Path]:
        """Wait for a worker and give it the newest copy of the catalog. `give` takes it back.

        Raises Busy when none became free within the time limit of the statement, TimedOut when it is cancelled.
        """
        process = self._take(statement)
        try:
            return process, self._copies.use(process)
        except BaseException:
            self.give(process, True)
            raise

    def _take(self, statement: "Statement") -> Process:
        me = object()
        with self._changed:
            self._waiting.append(me)
            try:
                while self._waiting[0] is not me or not self._has_room():
                    self._changed.wait(LOOK_SECONDS)
                    self._check(statement)
                process = self._reuse()
                self._starting += process is None
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()
        return process or self._start()

    def _has_room(self) -> bool:
        return len(self._used) + self._starting < self._lake.config.engine.contained_workers

    def _check(self, statement: "Statement") -> None:
        if self._closed:
            raise Busy("the lake closes", "open it again")
        try:
            statement.check()
        except LakehouseError:
            if not statement.timed_out:
                raise
            raise Busy(
                "all workers that contain statements were busy", "repeat it later, or raise [engine] contained_workers"
            ) from None

    def _reuse(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                self._used.add(process)
                return process
            self._end(process)
        return None

    def _start(self) -> Process:
        engine = self._lake.config.engine
        spill = self._folder / "spill" / str(next(self._started))
        folders = (self._lake.home / "buckets", self._lake.home / "cache", *self._lake.folders)
        process = None
        try:
            process = Process(
                Start(engine.contained_memory, engine.threads, spill, engine.temp_limit, folders, self._surface())
            )
        except OSError as error:
            raise Busy(f"no worker can be started: {error.strerror}", "repeat it later") from None
        finally:
            with self._changed:
                self._starting -= 1
                if process is not None:
                    self._used.add(process)
                self._changed.notify_all()
        return process

    def give(self, process: Process, fit: bool) -> None:
        """Take a worker back; one that is not fit for another statement is ended."""
        keep = fit and process.alive
        if not keep:
            self._end(process)
        with self._changed:
            self._used.discard(process)
            if keep and not self._closed:
                process.idle_since = time.monotonic()
                self._idle.append(process)
            self._changed.notify_all()
        if keep and self._closed:
            self._end(process)

    def _end(self, process: Process) -> None:
        process.reap()
        with suppress(OSError):
            self._copies.leave(process)

    def tidy(self) -> None:
        """End the workers that have had nothing to do for long."""
        if self._idle:
            self.close_idle(IDLE_SECONDS)

    def close_idle(self, seconds: float = 0.0) -> None:
        """End the workers that have had nothing to do for so long."""
        until = time.monotonic() - seconds
        with self._changed:
            old = [one for one in self._idle if one.idle_since <= until]
            self._idle = [one for one in self._idle if one not in old]
        for process in old:
            self._end(process)

    def pids(self) -> list[int]:
        """The numbers of the worker processes."""
        with self._changed:
            return [process.pid for process in (*self._idle, *self._used)]

    def close(self) -> None:
        """End every worker."""
        with self._changed:
            self._closed = True
            every = [*self._idle, *self._used]
            self._idle.clear()
            self._changed.notify_all()
        for process in every:
            self._end(process)
        self._copies.close()
