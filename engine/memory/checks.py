"""The lake looks after its own memory: where recorded outcomes harm a corpus, by `playbook_lift`, they are off.

Harm is not one bad question: the mean nDCG@10 falls, and more questions are hurt than helped, beyond chance (one-sided
sign test). A later check that finds no harm switches on again what a check has switched off; what a person switched
stays.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import duck
from engine.access.profiles import OWNER, Profile
from engine.errors import LakehouseError
from engine.memory.lift import Lift, lift
from engine.memory.paired import SIGNIFICANT, sign_test
from engine.memory.switches import Switched

if TYPE_CHECKING:
    from engine.lake import Lake

HOUR = 3600.0
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Checked:
    """What a check of a corpus found and did: switched_off, switched_on, unchanged, unmeasured, or unreadable."""

    corpus: str
    status: str
    questions: int = 0
    ndcg_off: float | None = None
    ndcg_on: float | None = None
    helped: int = 0
    hurt: int = 0


def harms(found: Lift) -> bool:
    """Whether memory makes a corpus worse, beyond chance."""
    return found.ndcg_on < found.ndcg_off and sign_test(found.hurt, found.helped) < SIGNIFICANT


class Checks:
    """Checks on demand, after every so many outcomes, and every so many hours."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake; nothing runs before `start`."""
        self._lake, self._settings = lake, lake.config.memory
        self._counts: Counter[str] = Counter()  # outcomes since the last check, by corpus
        self._due: set[str] = set()
        self._lock = threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to check by itself, when the configuration asks for it."""
        if self._settings.check_outcomes or self._settings.check_hours:
            self._thread = threading.Thread(target=self._loop, name="memory", daemon=True)
            self._thread.start()

    def recorded(self, corpora: Iterable[str]) -> None:
        """Hear of outcomes that were recorded, by their corpora."""
        if not self._settings.check_outcomes:
            return
        with self._lock:
            self._counts.update(corpora)
            self._due |= {name for name, n in self._counts.items() if n >= self._settings.check_outcomes}
            if self._due:
                self._wake.set()

    def check(self, corpus: str, reach: Profile, sample: int | None, cancelled: Callable[[], bool]) -> Checked:
        """Measure the memory of a corpus, and switch it off or on. Raises what `lift` raises."""
        measured = lift(self._lake, reach, [corpus], sample, cancelled)
        if not measured:
            return Checked(corpus, "unmeasured")
        found = measured[0]
        told = {
            "questions": found.questions, "ndcg_off": found.ndcg_off, "ndcg_on": found.ndcg_on,
            "helped": found.helped, "hurt": found.hurt,
        }  # fmt: skip
        wanted = before = self._lake.switches.off.get(corpus)
        if harms(found) and before is None:
            fall = f"nDCG@10 falls from {found.ndcg_off:.3f} to {found.ndcg_on:.3f}"
            why = f"{fall}, {found.hurt} of {found.questions} questions are hurt"
            wanted = Switched(why, by_check=True)
        elif not harms(found) and before is not None and before.by_check:
            wanted = None
        status = self._lake.switches.set(corpus, wanted, reach.name, told)
        if status == "unchanged":
            self._lake.journal.record("playbook_check", corpus, {"action": status, **told}, actor=reach.name)
        return Checked(corpus, status, found.questions, found.ndcg_off, found.ndcg_on, found.helped, found.hurt)

    def check_all(self, reach: Profile, sample: int | None, cancelled: Callable[[], bool]) -> list[Checked]:
        """Check all corpora that a profile may change; one that cannot be opened does not hold up the others."""
        names = [name for name in self._lake.corpora.names() if reach.changes_corpus(name)]
        readable = {one.corpus for one in self._lake.corpora.usable(names)}
        there = [name for name in names if name in readable or name in self._lake.corpora.damage.closed]
        return [
            self.check(name, reach, sample, cancelled) if name in readable else Checked(name, "unreadable")
            for name in there
        ]

    def _loop(self) -> None:
        hours = self._settings.check_hours
        following = time.monotonic() + hours * HOUR if hours else None
        while not self._closed.is_set():
            self._wake.wait(None if following is None else max(0.0, following - time.monotonic()))
            with self._lock:
                self._wake.clear()
                due, self._due = self._due, set()
                for corpus in due:
                    del self._counts[corpus]
            if following is not None and time.monotonic() >= following:
                due |= set(self._lake.corpora.names())
                following = time.monotonic() + hours * HOUR
            for corpus in sorted(due):
                self._check_by_itself(corpus)

    def _check_by_itself(self, corpus: str) -> None:
        try:
            if not self._closed.is_set() and self._lake.corpora.exists(corpus):
                self.check(corpus, OWNER, self._settings.check_sample, self._closed.is_set)
        except (LakehouseError, duck.Error) as error:
            if not self._closed.is_set():
                body = {"action": "failed", "why": str(error)}
                self._lake.journal.record("playbook_check", corpus, body, actor=OWNER.name, durable=True)

    def close(self) -> None:
        """Stop; a check that runs ends with its present question."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
