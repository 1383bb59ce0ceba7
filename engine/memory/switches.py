"""Corpora whose outcomes are switched off: as far as they go, a search is as if nothing had been recorded."""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine import duck
from engine.search.fusion import Key

if TYPE_CHECKING:
    from engine.lake import Lake


@dataclass(frozen=True)
class Switched:
    """Why the outcomes of a corpus are off, and whether a check did it: only what a check did, a check undoes."""

    why: str
    by_check: bool


class Switches:
    """What is off, on disk and in memory."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake."""
        self._lake = lake
        self._lock = threading.Lock()
        with lake.control() as cursor:
            rows = cursor.execute("select corpus, why, by_check from control.playbook_switch").fetchall()
        self.off: dict[str, Switched] = {corpus: Switched(why, by_check) for corpus, why, by_check in rows}

    def remembered(self, found: Collection[Key]) -> Collection[Key]:
        """Those of the found documents whose corpora are on; all of them as they are where none is off."""
        return {key for key in found if key.corpus not in self.off} if self.off else found

    def set(self, corpus: str, off: Switched | None, actor: str | None, told: dict[str, Any] | None = None) -> str:
        """Switch the outcomes of a corpus on (None) or off; switched_on | switched_off | unchanged.

        `told`: what the journal keeps beside it. It is on disk when this returns.
        """
        with self._lock:
            return "unchanged" if self.off.get(corpus) == off else self._set(corpus, off, actor, told or {})

    def _set(self, corpus: str, off: Switched | None, actor: str | None, told: dict[str, Any]) -> str:
        before = self.off
        status = "switched_on" if off is None else "switched_off"
        # in memory first: whoever sees the row finds that it holds
        self.off = {name: one for name, one in before.items() if name != corpus} | ({corpus: off} if off else {})
        try:
            with self._lake.control() as cursor:
                self._write(cursor, corpus, off)
                body = {"action": status, "why": off.why if off else "", **told}
                self._lake.journal.record_within(cursor, "playbook_check", corpus, body, actor)
        except BaseException:
            self.off = before
            raise
        return status

    def _write(self, cursor: duck.Cursor, corpus: str, off: Switched | None) -> None:
        if off is None:
            cursor.execute("delete from control.playbook_switch where corpus = ?", [corpus])
            return
        cursor.execute(
            "insert or replace into control.playbook_switch (corpus, why, by_check, switched_at) "
            "values (?, ?, ?, to_timestamp(?))",
            [corpus, off.why, off.by_check, self._lake.clock()],
        )
