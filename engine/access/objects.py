"""What a grant names: a bucket, a schema, a table or a corpus, with * at the end for all that begin so."""

import re
from dataclasses import dataclass
from functools import lru_cache

from engine.errors import Invalid
from engine.storage.buckets import BUCKETS

PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
BETWEEN = "\x1f"  # between the parts of a name: a quoted part may hold a dot
DEFAULT = ("primary", "main")  # where a name of one part is


@dataclass(frozen=True)
class Pattern:
    """The object of a grant: which full table names it matches, and which corpus names."""

    tables: str  # bucket, schema and table with BETWEEN between, in lower case; * at the end matches
    corpora: str | None  # None when no corpus can be meant

    def is_table(self, bucket: str, schema: str, table: str) -> bool:
        """Whether it names this table or view."""
        return _matches(self.tables, BETWEEN.join((bucket, schema, table)).lower())

    def is_corpus(self, corpus: str) -> bool:
        """Whether it names this corpus."""
        return self.corpora is not None and _matches(self.corpora, corpus.lower())

    def is_schema(self, bucket: str, schema: str) -> bool:
        """Whether it names everything in this schema, now and later."""
        return self.tables.endswith("*") and _matches(self.tables, BETWEEN.join((bucket, schema, "")).lower())

    def is_whole(self, bucket: str) -> bool:
        """Whether it names everything in this bucket."""
        return self.tables in ("*", f"{bucket.lower()}{BETWEEN}*")

    def touches(self, bucket: str) -> bool:
        """Whether it may name something in this bucket."""
        head = self.tables.split(BETWEEN)[0]
        return head == bucket.lower() or head == "*"

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Sorts the most specific first: whole names before patterns, longer before shorter ones."""
        return (self.tables.endswith("*"), -len(self.tables), self.tables)


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


@lru_cache(maxsize=4096)
def read(object: str) -> Pattern:
    """Parse the object of a grant. Raises Invalid for more than three parts or a * that is not at the end."""
    parts = [(quoted or plain).replace('""', '"').strip().lower() for quoted, plain in PART.findall(object)]
    rebuilt = re.sub(PART, "x", object).strip()
    if not 1 <= len(parts) <= 3 or rebuilt != ".".join("x" * len(parts)) or not all(parts):
        raise Invalid(
            f"the object {object!r} is not a name",
            "name a bucket, bucket.schema, bucket.schema.table, a table or a corpus",
        )
    if any("*" in part for part in parts[:-1]) or "*" in parts[-1][:-1]:
        raise Invalid(f"in {object!r} a * stands before the end", "it matches at the end only")
    if len(parts) == 3:
        return Pattern(BETWEEN.join(parts), None)
    if len(parts) == 2:
        if parts[0] not in BUCKETS:
            return Pattern(BETWEEN.join((DEFAULT[0], *parts)), None)
        return Pattern(BETWEEN.join((*parts, "*")) if not parts[1].endswith("*") else BETWEEN.join(parts), None)
    name = parts[0]
    if name == "*":
        return Pattern("*", "*")
    if name in BUCKETS:
        return Pattern(f"{name}{BETWEEN}*", name)
    return Pattern(BETWEEN.join((*DEFAULT, name)), name)
