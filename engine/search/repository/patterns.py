"""Patterns of .gitignore: what a repository leaves out, and which files a caller wants. Matched by pathspec."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from engine.errors import Invalid

MOST_STARS = 4  # in one pattern: matching takes time with the length of the name to this power
STARS = re.compile(r"\*+")
EXAMPLE = "for example include := ['docs/', '*.md']"


@dataclass(frozen=True)
class Ignored:
    """The patterns of the .gitignore files from the top down to one folder."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()  # with the folder of each: '' or 'docs/'

    def below(self, folder: str, text: str) -> "Ignored":
        """These, and those of the .gitignore of a folder. A line that is no pattern stands for nothing, as in git."""
        return Ignored((*self.specs, (folder, _spec([line for line in text.split("\n") if _compiles(line)]))))

    def leaves_out(self, path: str) -> bool:
        """Whether a path (of a folder, when it ends in a slash) is left out: the nearest file that names it decides."""
        for folder, spec in reversed(self.specs):
            found = spec.check_file(path.removeprefix(folder)).include
            if found is not None:
                return found
        return False


def wanted(patterns: Sequence[str | None] | None) -> GitIgnoreSpec | None:
    """The files that `include` names; None for all. Raises Invalid for what is no pattern."""
    if patterns is None:
        return None
    for pattern in patterns:
        if pattern is None or not pattern.strip():
            raise Invalid("a pattern of include is empty", EXAMPLE)
        if not _compiles(pattern):
            raise Invalid(f"{pattern!r} is no pattern, or has more than {MOST_STARS} stars", EXAMPLE)
    if not patterns:
        raise Invalid("the list include is empty", "leave it out to take every file")
    return _spec([str(pattern) for pattern in patterns])


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(lines)


def _compiles(line: str) -> bool:
    if len(STARS.findall(line)) > MOST_STARS:
        return False
    try:
        _spec([line])
    except (ValueError, re.error):
        return False
    return True
