"""Sources as syntax trees, within bounds: a parse lets others run, stops when its statement does, and has an end."""

import time
from collections.abc import Callable

from tree_sitter import Language, Parser, Point, Tree

SECONDS = 2.0  # of computing for one source: megabytes of code, but quotes without end take quadratic time
TOO_LONG = f"takes more than {SECONDS:g} s to parse"
PIECE = 4096  # bytes that the parser is given at a time


def parsed(source: bytes, language: Language, check: Callable[[], None]) -> Tree | None:
    """The tree of a source; None when that takes too long. `check` may raise to stop.

    tree-sitter holds the interpreter while it parses, but asks every few steps whether to go on: there others get
    their turn. Computing counts and not waiting, so that a busy machine finds the same definitions.
    """
    until = time.thread_time() + SECONDS

    def read(at: int, place: Point) -> bytes:
        return source[at : at + PIECE]

    def is_over(at: int, broken: bool) -> bool:
        check()
        return time.thread_time() > until

    try:
        return Parser(language).parse(read, progress_callback=is_over)
    except ValueError:  # what it says when it was told to stop
        return None
