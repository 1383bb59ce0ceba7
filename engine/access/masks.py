"""Masks: what stands in a column for those who may not read it.

`null` shows nothing; `hash` a keyed SHA-256, so that equal values stay equal and joins work; `mask(prefix, suffix)` the
first and the last characters with stars between, and stars alone when the value is not longer than both.
"""

import re

from engine import duck
from engine.errors import Invalid

KNOWN = "known masks: null, hash, mask(prefix, suffix)"
PARTIAL = re.compile(r"mask\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")


def parse(mask: str) -> tuple[str, int, int]:
    """The mask as (null | hash | mask, prefix, suffix). Raises Invalid for any other text."""
    folded = mask.strip().lower()
    if folded in ("null", "hash"):
        return folded, 0, 0
    found = PARTIAL.fullmatch(folded)
    if found is None:
        raise Invalid(f"unknown mask {mask!r}", KNOWN)
    return "mask", int(found.group(1)), int(found.group(2))


def expression(column: str, sql_type: str, mask: str, key: str) -> str:
    """The SQL that shows a column through a mask, under the name of the column. `key`: the secret of the home."""
    how, prefix, suffix = parse(mask)
    name = duck.identifier(column)
    if how == "null":
        return f"cast(null as {sql_type}) as {name}"
    text = f"cast({name} as varchar)"
    if how == "hash":
        return f"case when {name} is not null then sha256({duck.literal(key)} || {text}) end as {name}"
    shown = prefix + suffix
    hidden = f"repeat('*', least(length({text}) - {shown}, 64))"
    parts = f"left({text}, {prefix}) || {hidden} || {_last(text, suffix)}"
    return f"case when length({text}) > {shown} then {parts} when {name} is not null then '***' end as {name}"


def _last(text: str, suffix: int) -> str:
    return f"right({text}, {suffix})" if suffix else "''"


def shown_type(sql_type: str, mask: str | None) -> str:
    """The type of a column behind a mask."""
    return sql_type if mask is None or parse(mask)[0] == "null" else "VARCHAR"
