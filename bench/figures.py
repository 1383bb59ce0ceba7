"""Figures of a benchmark: one line each, on the terminal as they come and as a table of Markdown."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import version


class Figures:
    """Lines with what was measured, its bound with the reference, and whether it holds."""

    def __init__(self) -> None:
        """Without lines."""
        self._rows: list[tuple[str, str, str, str]] = []

    def add(self, what: str, measured: str, bound: str = "", holds: bool | None = None) -> None:
        """One line; `holds` None: it has no bound."""
        verdict = "" if holds is None else "yes" if holds else "no"
        self._rows.append((what, measured, bound, verdict))
        print(f"{what:<66} {measured:<36} {bound:<36} {verdict.upper() if verdict == 'no' else verdict}", flush=True)

    def table(self) -> str:
        """All of it."""
        head = ["| what | measured | bound, reference | holds |", "|---|---|---|---|"]
        return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in self._rows)])


def machine(*packages: str) -> str:
    """When and where it was measured, with the versions of some packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0]
    return f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, {versions}."


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all its threads, while `work` runs."""
    began = time.process_time()
    work()
    return time.process_time() - began


def middle(work: Callable[[int], object], turns: Iterable[int]) -> float:
    """CPU milliseconds of one call: the median over the turns."""
    taken = sorted(cpu(lambda turn=turn: work(turn)) for turn in turns)  # type: ignore[misc]
    return taken[len(taken) // 2] * 1000
