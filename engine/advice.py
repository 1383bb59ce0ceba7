"""Advice that EXPLAIN gives beside a plan: conditions that stand behind a search and would be better told to it.

A table macro is expanded before the optimizer runs, and its kernel may have effects, so no condition moves into it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import pyarrow as pa

from engine.containment import tree as syntax

FILTER = "filter := $$…$$"
SEARCHES = {  # what says the same before the top k, by the column of the condition
    "vector_search": {"_corpus": "corpora := […]", "metadata": FILTER, "id": FILTER},
    "text_search": {"_corpus": "corpora := […]", "metadata": FILTER, "id": FILTER},
    "hybrid_search": {"_corpus": "corpora := […]", "metadata": FILTER, "id": FILTER},
    "matrix_search": {
        "_corpus": "corpora := […]", "metadata": FILTER, "id": f"{FILTER} or exclude := […]",
        "_distance": "min_relevance := …",
    },
}  # fmt: skip


def advice(tree: syntax.Node) -> tuple[str, ...]:
    """What to write instead, for each condition of a SELECT on the rows of a search; each once."""
    found = (one for node in syntax.parts(tree) if node.get("type") == "SELECT_NODE" for one in _of_query(node))
    return tuple(dict.fromkeys(found))


def _of_query(query: syntax.Node) -> Iterator[str]:
    source, condition = query.get("from_table"), query.get("where_clause")
    searches = [node for node in syntax.parts(source) if node.get("type") == "TABLE_FUNCTION"]
    alone = not any(node.get("type") == "JOIN" for node in syntax.parts(source))
    for node in searches if condition else ():
        name = syntax.function(node["function"]) or ""
        alias = str(node.get("alias") or name).lower()
        for column in _columns(condition, alias, alone):
            if column in SEARCHES.get(name, {}):
                yield (
                    f"write {name}(…, {SEARCHES[name][column]}) to search only what meets the condition on {column}; "
                    f"as it stands, that is applied to the k rows that {name} has found"
                )


def _columns(condition: object, alias: str, alone: bool) -> Iterable[str]:
    """The columns of a condition that may be those of a search."""
    for node in syntax.parts(condition):
        if node.get("class") == "COLUMN_REF":
            *place, column = (str(part).lower() for part in node["column_names"])
            if place[-1:] == [alias] or (not place and (alone or column.startswith("_"))):
                yield column


def beside(plan: pa.RecordBatchReader, told: Sequence[str]) -> pa.RecordBatchReader:
    """The rows of an EXPLAIN (key and value), and a row for each advice."""
    if not told:
        return plan
    rows = pa.record_batch([pa.array(["advice"] * len(told)), pa.array(told)], schema=plan.schema)
    return pa.RecordBatchReader.from_batches(plan.schema, chain(plan, [rows]))
