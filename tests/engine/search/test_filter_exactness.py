"""A filter is applied before the top k: the answer equals brute force for any data, corpora and predicates."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.lake import Lake
from engine.models.hashed import HashEmbedder
from engine.search.nearest import DECIMALS
from engine.search.text import terms
from lakehouse import open_lake

WORDS = ["forklift", "welder", "nurse", "night", "crane", "card", "cold", "truck", "order", "safety"]
DIMENSION = 32

rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.lists(st.sampled_from(WORDS), min_size=0, max_size=6).map(" ".join),
            "state": st.sampled_from(["IL", "WI", "TX", None]),
            "rank": st.integers(-3, 3) | st.none(),
        }
    ),
    min_size=1,
    max_size=40,
)
predicates = st.recursive(
    st.sampled_from(
        [
            "state = 'IL'",
            "state in ('WI', 'TX')",
            "rank > 0",
            "rank is null",
            "id like '%3%'",
            "lower(state) = 'tx'",
            "true",
        ]
    ),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
        | inner.map(lambda p: f"not ({p})")
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake for all examples."""
    home: Path = tmp_path_factory.mktemp("exactness")
    opened = open_lake(home, settings={"models.embedder": f"hash:{DIMENSION}", "journal.statements": False})
    yield opened
    opened.close()


def make(lake: Lake, corpora: list[list[dict[str, object]]], deltas: bool) -> dict[str, pa.Table]:
    """Corpora of random rows; with `deltas` the last third comes in a refresh and some rows are deleted and changed."""
    session, tables = lake.session(), {}
    for number, content in enumerate(corpora):
        name = f"c{number}"
        table = pa.table(
            {
                "id": [f"d{position:03d}" for position in range(len(content))],
                "text": [row["text"] for row in content],
                "state": pa.array([row["state"] for row in content], pa.string()),
                "rank": pa.array([row["rank"] for row in content], pa.int64()),
            }
        )
        first = table.slice(0, max(1, len(table) * 9 // 10)) if deltas else table
        session.load(first.to_reader(), name, mode="replace")
        session.run(f"select * from create_corpus('{name}', source := '{name}', id := 'id', text := 'text')")
        if deltas:
            final = table.slice(1) if len(table) > 12 else table
            session.load(final.to_reader(), name, mode="replace")
            session.run(f"select * from refresh_corpus('{name}')")
            table = final
        tables[name] = table
    return tables


def drop(lake: Lake) -> None:
    """Start the next example from nothing."""
    for name in lake.corpora.names():
        lake.corpora.drop(name, "test")


def brute_force(
    lake: Lake, tables: dict[str, pa.Table], question: str, predicate: str
) -> dict[tuple[str, str], tuple[float, str]]:
    """Cosine (float64) and text of every row that matches."""
    embedder = HashEmbedder(DIMENSION)
    asked = embedder.embed([question])[0].astype(np.float64)
    scored = {}
    for name in tables:
        for row in lake.session().run(f"select id, text from {name} where {predicate}").rows():
            text = str(row["text"])
            if text.strip():
                cosine = float(embedder.embed([text])[0].astype(np.float64) @ asked)
                scored[(name, str(row["id"]))] = (cosine, text)
    return scored


def assert_is_top(found: list[tuple[str, str]], scored: dict[tuple[str, str], tuple[float, str]], k: int) -> None:
    """`found` is the top k: first one document of each text, then the others, both by cosine, then corpus and id.

    Different texts whose cosines are equal but for the last bits of float32 may stand either way.
    """
    assert len(found) == min(k, len(scored))
    of_text: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(scored):
        of_text.setdefault(scored[key][1], []).append(key)
    first = min(k, len(of_text))
    copies = [key for keys in of_text.values() for key in keys[1:]]
    for part, pool in (found[:first], [keys[0] for keys in of_text.values()]), (found[first:], copies):
        greatest = sorted((scored[key][0] for key in pool), reverse=True)[: len(part)]
        assert [scored[key][0] for key in part] == pytest.approx(greatest, abs=2 * 10**-DECIMALS)
        for text in {scored[key][1] for key in part}:
            same = [key for key in part if scored[key][1] == text]
            assert same == [key for key in of_text[text] if key in pool][: len(same)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corpora=st.lists(rows, min_size=1, max_size=3),
    predicate=predicates,
    question=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    k=st.integers(1, 12),
    deltas=st.booleans(),
)
def test_vector_search_under_a_filter_equals_brute_force(
    lake: Lake, corpora: list[list[dict[str, object]]], predicate: str, question: str, k: int, deltas: bool
) -> None:
    tables = make(lake, corpora, deltas)
    try:
        scored = brute_force(lake, tables, question, predicate)
        found = lake.session().run(
            "select _corpus, id from vector_search(?, k := ?, filter := ?)", [question, k, predicate]
        )
        assert_is_top([(str(row["_corpus"]), str(row["id"])) for row in found.rows()], scored, k)
    finally:
        drop(lake)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corpora=st.lists(rows, min_size=1, max_size=2),
    predicate=predicates,
    question=st.sampled_from(WORDS),
    deltas=st.booleans(),
)
def test_text_and_matrix_search_find_all_that_match_and_nothing_else(
    lake: Lake, corpora: list[list[dict[str, object]]], predicate: str, question: str, deltas: bool
) -> None:
    tables = make(lake, corpora, deltas)
    try:
        everything = brute_force(lake, tables, question, predicate)
        having = {key for key, (_, text) in everything.items() if terms(question)[0] in terms(text)}
        for function, expected in (("text_search", having), ("matrix_search", set(everything))):
            extra = ", per_corpus_k := null" if function == "matrix_search" else ""
            sql = f"select _corpus, id, _rank from {function}(?, k := 200, filter := ?{extra})"
            found = lake.session().run(sql, [question, predicate]).rows()
            assert {(row["_corpus"], row["id"]) for row in found} == expected
            assert [row["_rank"] for row in found] == list(range(1, len(found) + 1))
    finally:
        drop(lake)
