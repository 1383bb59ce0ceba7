"""Words of texts and paths, as the relevance signals compare them."""

import re

WORD = re.compile(r"\w{3,}")
IDENTIFIER = re.compile(r"[^\W\d][\w$]*")
SHORTEST = 3  # characters of a word or symbol that tells anything: `np` and `id` are everywhere

ENGLISH = (
    "the and for are but not you all any can had her was one our out has him his how its may she too use who did yes "
    "this that with from they will would there their what about which when make like time just know take into your "
    "some could them than then now only come over also after these those been being have does were while where here "
    "such each other more most very should must both between because until again same own via per etc"
)
KEYWORDS = (
    # Rust
    "abstract become box break const continue crate dyn else enum extern false final impl let loop macro match mod "
    "move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use "
    "virtual where yield async await str string vec option result some none err usize isize bool char new default "
    # TypeScript and JavaScript
    "any arguments as boolean case catch class constructor debugger declare delete do export extends finally from "
    "function get implements import instanceof interface keyof module namespace never null number object package "
    "private protected public readonly require set symbol this throw typeof undefined unknown var void "
    # Python and Go
    "and assert def del elif except global lambda nonlocal not pass raise int float dict list tuple len cls args "
    "kwargs init main chan defer fallthrough func goto map range select switch nil error byte rune make append"
)
STOP_WORDS = frozenset(f"{ENGLISH} {KEYWORDS}".split())


def words(text: str) -> frozenset[str]:
    """The words of `text` in lower case, stop words and those below three characters left out."""
    return frozenset(WORD.findall(text.lower())) - STOP_WORDS


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """|A ∩ B| / |A ∪ B|; 0 when both are empty."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0


def identifiers(text: str) -> frozenset[str]:
    """All identifiers of `text`, in their case."""
    return frozenset(IDENTIFIER.findall(text))


def tells(symbol: str) -> bool:
    """Whether a symbol found in a source may stand for it: not too short, not a word of every source."""
    return len(symbol) >= SHORTEST and not symbol.startswith("_") and symbol.lower() not in STOP_WORDS


def last_name(path: str) -> str:
    """The last identifier of a symbol path: `Registry` of `catalogd::Registry`."""
    found = IDENTIFIER.findall(path)
    return found[-1] if found else ""


def segments(path: str) -> list[str]:
    """The segments of a path, whichever way its slashes lean, without `.` and empty ones."""
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def encoded(path: str) -> str:
    """A path as ids encode it: lower case, whatever is neither letter nor digit made `_`, `_` at both ends."""
    return "_" + re.sub(r"[\W_]+", "_", path.lower()).strip("_") + "_"
