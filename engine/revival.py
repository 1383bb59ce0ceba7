"""What happens after a fault that ends the instance of the engine: it is opened anew, and the server goes on.

What ran is lost and says so; what was committed is there. Statements that come meanwhile wait.
"""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from engine import duck, faults
from engine.errors import Busy, Internal, LakehouseError

if TYPE_CHECKING:
    from engine.lake import Lake

END_SECONDS = 5.0  # how long running statements may take to notice
OPEN_SECONDS = 30.0  # how long the files may still be held by what is just ending
AGAIN_SECONDS = 0.1
WAIT_SECONDS = 30.0  # how long a statement waits for it


class Revival:
    """Opens the engine of a lake anew, one time for each instance that has failed."""

    def __init__(self, lake: "Lake") -> None:
        """Nothing has failed yet."""
        self._lake = lake
        self._lock = threading.Lock()
        self._settled = threading.Event()  # it is open, or has failed for good
        self._settled.set()
        self.failure: str | None = None  # why the engine cannot be reopened
        self.number = 1  # of the instance, from 1

    def failed(self, number: int, error: LakehouseError) -> None:
        """Take note that instance `number` has ended; opens another one in the background, once."""
        with self._lock:
            if number != self.number or self.failure is not None or not self._settled.is_set():
                return
            self._settled.clear()
        threading.Thread(target=self._revive, args=(error,), name="revival", daemon=True).start()

    def wait(self) -> None:
        """Wait while the engine is opened anew. Raises Busy when that takes long, Internal when it has failed."""
        if not self._settled.wait(WAIT_SECONDS):
            raise Busy("the engine is being reopened after a fault", "try again in a moment")
        if self.failure is not None:
            raise Internal(f"the engine cannot be reopened: {self.failure}", "restart the server")

    def _revive(self, error: LakehouseError) -> None:
        started = time.monotonic()
        lake = self._lake
        self._end_statements(started + END_SECONDS)
        for session in list(lake.sessions):
            session.forget_transactions()
        for closing in (lake.cursors.close, lake.root.close, lake.annex.close):
            with suppress(duck.Error):  # it has ended already
                closing()
        while True:
            try:
                lake.start()
                break
            except (LakehouseError, duck.Error) as failure:
                if time.monotonic() > started + OPEN_SECONDS:
                    self.failure = faults.translate(failure, str(lake.home)).message
                    self._settled.set()
                    return
                time.sleep(AGAIN_SECONDS)
        self.number += 1
        self._settled.set()
        body = {"fault": error.message, "seconds": round(time.monotonic() - started, 3)}
        with suppress(Busy, duck.Error):  # it stays in memory and is written later
            lake.journal.record("recovery", "engine", body, durable=True)

    def _end_statements(self, until: float) -> None:
        while self._lake.executions and time.monotonic() < until:
            for statement, execution in list(self._lake.executions.items()):
                statement.cancel()
                if execution.stream is not None:
                    execution.stream.close(wait=0)
            time.sleep(0.01)
