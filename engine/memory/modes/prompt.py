"""One prompt from its parts, in the order of the original: focus file, known bugs, excerpts. A pure function."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.memory.modes.task import Task

SHORTEST_FENCE = 3
BUGS = "Bugs previously found in this file area"


@dataclass(frozen=True)
class Excerpt:
    """A chunk that was found, and the tag by which an answer can name it."""

    corpus: str
    id: str
    content: str

    @property
    def tag(self) -> str:
        """`[corpus/id]`."""
        return f"[{self.corpus}/{self.id}]"


def compose(instruction: str, task: Task, bugs: Sequence[Mapping[str, Any]], excerpts: Sequence[Excerpt]) -> str:
    """The prompt; parts that are empty are left out."""
    parts = [instruction]
    if task.request:
        parts.append(f"# Request\n{task.request}")
    if task.focus is not None and (task.path or task.focus.content):
        content = f"\n{_fenced(task.focus.content)}" if task.focus.content else ""
        parts.append(f"# File {task.path or '(no name)'}{content}")
    if bugs:
        parts.append(f"# {BUGS}\n" + "\n".join(map(_bug, bugs)))
    if excerpts:
        parts.append("# Excerpts\n" + "\n\n".join(f"{one.tag}\n{one.content.strip()}" for one in excerpts))
    return "\n\n".join(parts)


def _fenced(content: str) -> str:
    longest = max(map(len, re.findall("`+", content)), default=0)
    fence = "`" * max(SHORTEST_FENCE, longest + 1)
    return f"{fence}\n{content}\n{fence}"


def _bug(bug: Mapping[str, Any]) -> str:
    key = f" {bug['pattern_key']}" if bug["pattern_key"] and bug["pattern_key"] != bug["flag"] else ""
    example = f": {bug['example']}" if bug.get("example") else ""
    return f"- {bug['flag']}{key} ({bug['occurrences']}×){example}"
