"""Patterns of .gitignore, as git reads them: what a repository leaves out, and which files a caller wants.

A pattern becomes a regular expression that takes linear time: what stands between two stars is taken where it first
fits, for good, since the next star can take whatever is left.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.errors import Invalid

EXAMPLE = "for example include := ['docs/', '*.md']"
STAR, DEEP = "*", "**"  # within a name; any folders
CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\s", "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
PLAIN = re.compile(r"[^*?\[\\]+(?=\*\*)")
POSIX = re.compile(r"\[:([^\[\]:]*):\]")


class _Never(Exception):
    """A pattern that nothing fits, such as `[`."""


@dataclass(frozen=True)
class Rule:
    """One line of a .gitignore."""

    form: re.Pattern[str]
    takes_back: bool  # it begins with `!`
    folders: bool  # it ends in a slash: no file fits
    by_name: bool  # it has no other slash: the name alone is compared

    def fits(self, path: str) -> bool:
        """Whether it names a file, or a folder: that ends in a slash."""
        plain = path.removesuffix("/")
        if self.folders and plain == path:
            return False
        return self.form.fullmatch(plain.rpartition("/")[2] if self.by_name else plain) is not None


@dataclass(frozen=True)
class Ignored:
    """The patterns of the .gitignore files from the top down to one folder."""

    files: tuple[tuple[str, tuple[Rule, ...]], ...] = ()  # with the folder of each: '' or 'docs/'; last ones first

    def below(self, folder: str, text: str, check: Callable[[], None]) -> "Ignored":
        """These, and those of the .gitignore of a folder. A line that is no pattern stands for nothing, as in git."""
        found: list[Rule] = []
        for line in text.split("\n"):
            check()
            found += _rules(line)
        return Ignored(((folder, tuple(reversed(found))), *self.files))

    def leaves_out(self, path: str) -> bool:
        """Whether a path (of a folder, when it ends in a slash) is left out: the nearest file that names it decides.

        What is below a folder that is left out is not asked for, and cannot be taken back.
        """
        for folder, rules in self.files:
            inner = path.removeprefix(folder)
            for rule in rules:
                if rule.fits(inner):
                    return not rule.takes_back
        return False


@dataclass(frozen=True)
class Wanted:
    """The files that a caller names."""

    rules: tuple[Rule, ...]  # last ones first

    def takes(self, path: str) -> bool:
        """Whether the last pattern that fits a file, or a folder it is in, takes it."""
        parts = path.split("/")
        above = ["/".join(parts[:depth]) + "/" for depth in range(1, len(parts))]
        for rule in self.rules:
            if any(rule.fits(one) for one in (path, *above)):
                return not rule.takes_back
        return False


def wanted(patterns: Sequence[str | None] | None) -> Wanted | None:
    """The files that `include` names; None for all. Raises Invalid for what is no pattern."""
    if patterns is None:
        return None
    rules: list[Rule] = []
    for pattern in patterns:
        if pattern is None or not pattern.strip():
            raise Invalid("a pattern of include is empty", EXAMPLE)
        found = list(_rules(pattern))
        if not found:
            raise Invalid(f"{pattern!r} is no pattern", EXAMPLE)
        rules += found
    if not patterns:
        raise Invalid("the list include is empty", "leave it out to take every file")
    return Wanted(tuple(reversed(rules)))


def _rules(line: str) -> Iterator[Rule]:
    """The rule of a line; none for a remark and for what nothing fits."""
    body = _trimmed(line)
    if body.startswith("#"):
        return
    takes_back = body.startswith("!")
    body = body.removeprefix("!")
    folders = body.endswith("/")
    body = body.removesuffix("/")
    by_name = "/" not in body
    try:
        form = _named(_tokens(body)) if by_name else _placed(body)
    except (_Never, re.error):
        return
    if body:
        yield Rule(re.compile(form, re.DOTALL), takes_back, folders, by_name)


def _trimmed(line: str) -> str:
    """A line without the spaces at its end; one behind a backslash stays."""
    kept = line.rstrip(" ")
    escapes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if escapes % 2 and kept != line else kept


def _placed(body: str) -> str:
    """A pattern with slashes: compared with the whole path below the folder of its .gitignore."""
    body = body.removeprefix("/")
    begin = PLAIN.match(body)  # git compares it apart: what follows stands as if it began the pattern
    waiting = re.escape(begin[0]) if begin else ""
    segments: list[list[str]] = [[]]
    for token in _tokens(body[begin.end() if begin else 0 :]):
        if token == "/":
            segments.append([])
        else:
            segments[-1].append(token)
    *above, last = segments
    made, floats = "", False  # `waiting` stands where it is, or below any folders: it floats
    for segment in above:
        if segment == [DEEP]:
            made, waiting, floats = made + (_floating(waiting) if floats else waiting), "", True
        else:
            waiting += _named(segment) + "/"
    if last == [DEEP]:
        return made + (_floating(waiting) if floats else waiting) + ".*"
    return made + ("(?:[^/]*/)*" if floats else "") + waiting + _named(last)


def _floating(folders: str) -> str:
    return f"(?>(?:[^/]*/)*?{folders})" if folders else ""


def _named(segment: Iterable[str]) -> str:
    """A pattern for one name."""
    pieces = [""]
    for token in segment:
        if token in (STAR, DEEP):
            pieces.append("")
        else:
            pieces[-1] += token
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{one})" for one in middle if one) + f"[^/]*{last}"


def _tokens(body: str) -> Iterator[str]:
    """Stars, slashes, and a regular expression for each other character."""
    at = 0
    while at < len(body):
        char = body[at]
        at += 1
        if char == "*":
            begin = at
            while body[at : at + 1] == "*":
                at += 1
            yield DEEP if at > begin else STAR
        elif char == "[":
            made, at = _class(body, at)
            yield made
        elif char == "\\":
            yield re.escape(_at(body, at))
            at += 1
        else:
            yield "[^/]" if char == "?" else re.escape(char)


def _at(body: str, at: int) -> str:
    if at >= len(body):
        raise _Never
    return body[at]


def _class(body: str, at: int) -> tuple[str, int]:
    """What stands between brackets, and where it ends. A bracket right at the begin does not close it."""
    negated = _at(body, at) in "!^"
    at += negated
    members: list[str] = []
    before, begin = "", at  # the character that a `-` would make a range of
    while at == begin or _at(body, at) != "]":
        char = _at(body, at)
        named = POSIX.match(body, at)
        if named is not None:
            if named[1] not in CLASSES:
                raise _Never
            members.append(CLASSES[named[1]])
            before, at = "", named.end()
            continue
        if char == "-" and before and _at(body, at + 1) != "]":
            at += 1 + (body[at + 1] == "\\")
            last = _at(body, at)
            members += [f"{re.escape(before)}-{re.escape(last)}"] if before <= last else []
            before = ""
        else:
            at += char == "\\"
            before = _at(body, at)
            members.append(re.escape(before))
        at += 1
    if not members and not negated:
        raise _Never
    return f"(?!/)[{'^' if negated else ''}{''.join(members)}]" if members else "[^/]", at + 1
