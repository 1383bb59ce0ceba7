"""Judgements that are not about the questions for which they are recorded teach nothing, and the lake says so."""

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.memory.belonging import IMAGINED, LEAST, USUAL, belonging
from engine.search.vectors.protocol import Vectors
from engine.session import Session
from lakehouse import open_lake

ROLES = (
    "welder", "nurse", "forklift driver", "pastry cook", "accountant", "electrician", "translator", "gardener",
    "software tester", "pharmacist",
)  # fmt: skip
CITIES = (
    "Gary", "Toledo", "Macon", "Reno", "Tulsa", "Boise", "Fresno", "Akron", "Dover", "Salem", "Provo", "Laredo",
)  # fmt: skip
SEARCH = "select id, _score, _explain from hybrid_search(?, corpora := ['people'], k := 10{})"


def ask(session: Session, question: str, more: str = "") -> list[dict[str, object]]:
    return session.run(SEARCH.format(more), [question]).rows()


def needs() -> list[tuple[str, str]]:
    return [pair for at, pair in enumerate(product(ROLES, CITIES)) if at % 3 == 0]


def record(session: Session, turned: int) -> None:
    """Judge what is shown for one question in three; the judgements of each go to that `turned` places further on."""
    rows = []
    asked = [f"we need a {role} in {city}" for role, city in needs()]
    for at, question in enumerate(asked):
        told = asked[(at + turned) % len(asked)]
        right = "{}-{}".format(*needs()[at])
        rows += [
            {"query": told, "corpus": "people", "id": str(row["id"]), "score": float(row["id"] == right)}
            for row in ask(session, question, ", playbook := 'off'")
        ]
    session.load(pa.Table.from_pylist(rows).to_reader(), "judged", mode="replace")
    counted = session.run("select status, count(*) as n from playbook_import('from judged') group by all").rows()
    assert {row["status"] for row in counted} <= {"created", "replaced"}


def told(session: Session) -> list[object]:
    found = session.run("select body->>'astray' as astray from lake.journal where kind = 'playbook_astray'").rows()
    return [row["astray"] for row in found]


def test_judgements_of_other_questions_count_for_nothing(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    session = lake.session()
    texts = ", ".join(
        f"('{role}-{city}', 'Works as a {role}. Lives in {city}.')" for role, city in product(ROLES, CITIES)
    )
    session.run(f"create table people as from (values {texts}) as person(id, text)")
    session.run("select * from create_corpus('people', source := 'people', id := 'id', text := 'text')")
    others = ["who could start as a {} around {}?".format(*pair) for pair in needs()]
    without = [ask(session, question, ", playbook := 'off'") for question in others]

    record(session, turned=17)
    assert [ask(session, question) for question in others] == without
    lake.journal.flush()
    assert told(session) == ["true"]
    own = "we need a {} in {}".format(*needs()[0])
    assert any("playbook" in str(row["_explain"]) for row in ask(session, own)), "what was said of the very question"

    for row in session.run("select query, corpus, id from lake.playbooks").rows():
        session.run("select * from playbook_retract(?, ?, ?)", list(row.values()))
    record(session, turned=0)
    assert [ask(session, question) for question in others] != without
    lake.journal.flush()
    assert told(session) == ["true", "false"]
    lake.close()


def vectors(count: int, chance: np.random.Generator) -> Vectors:
    rows = chance.standard_normal((count, 64))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_what_is_shown_is_nearer_to_its_question() -> None:
    chance = np.random.default_rng(1)
    questions, references = vectors(200, chance), vectors(300, chance)
    shown = questions + 0.1 * chance.standard_normal((200, 64)).astype(np.float32)
    shown /= np.linalg.norm(shown, axis=1, keepdims=True)
    assert belonging(questions, shown, references) > 3
    assert abs(belonging(questions, shown[::-1], references)) < 0.5 < LEAST


@pytest.mark.parametrize("references", [0, 7])
def test_where_nothing_else_is_asked_nothing_is_known(references: int) -> None:
    chance = np.random.default_rng(2)
    questions, documents = vectors(50, chance), vectors(50, chance)
    assert belonging(questions, documents, vectors(references, chance)) == USUAL
    alike = np.repeat(questions[:1], 50, axis=0)
    assert belonging(alike, documents, alike) == USUAL


def test_a_few_judgements_are_believed_to_belong() -> None:
    chance = np.random.default_rng(3)
    questions, references = vectors(IMAGINED, chance), vectors(300, chance)
    assert belonging(questions[:3], vectors(3, chance), references) > LEAST
