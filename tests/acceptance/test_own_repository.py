"""What a newcomer asks of this repository, asked of corpora of its own code and pages."""

import json
from pathlib import Path

import pytest

from lakehouse import open_lake

ROOT = Path(__file__).parents[2]
FLOOR = 0.8  # of the questions have an answer among the first five files
FIRST = 5
LINES = (ROOT / "tests" / "acceptance" / "own_repository.txt").read_text(encoding="utf-8").splitlines()
QUESTIONS = [line.split("\t") for line in LINES if line and not line.startswith("#")]
CODE, PAGES = ["*", "!tests/**"], ["*.md"]  # without the tests: the questions stand in one of their files


def test_the_questions_are_enough_and_their_answers_are_there() -> None:
    assert len(QUESTIONS) >= 30
    for _, answers in QUESTIONS:
        for path in answers.split():
            assert (ROOT / path).is_file(), path


@pytest.mark.timeout(900)  # the embedder on processors that others use, too
def test_what_a_newcomer_asks_is_found(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "home", allowed=[ROOT])
    session = lake.session()
    for corpus, include in (("symbols", CODE), ("documents", PAGES)):
        source = f"select * from repo_{corpus}('{ROOT}', include := {include})"
        session.run(f"select * from create_corpus('{corpus}', source := $${source}$$, id := 'id', text := 'text')")
    missed = []
    for question, answers in QUESTIONS:
        rows = session.run("select id, metadata from matrix_search(?, collapse := 'path')", [question]).rows()[:FIRST]
        if not {json.loads(str(row["metadata"]))["path"] for row in rows} & set(answers.split()):
            missed.append((question, [row["id"] for row in rows]))
    lake.close()
    hit = 1 - len(missed) / len(QUESTIONS)
    print(f"hit@{FIRST} {hit:.3f} of {len(QUESTIONS)} questions; missed:", *missed, sep="\n")
    assert hit >= FLOOR
