"""Questions run on the small instance of the engine, and answer what they answer on the large one."""

import threading
from pathlib import Path

import pytest

from engine.errors import Invalid, LakehouseError, NotFound
from engine.guard import check
from engine.lake import Lake
from engine.session import Session
from lakehouse import open_lake
from tests.conftest import FAST

QUESTIONS = ("a forklift at night", "who welds pipes?", 'it\'s "quoted"', "nothing of the kind")
FUNCTIONS = ("vector_search", "text_search", "hybrid_search", "matrix_search")


@pytest.fixture
def corpus(session: Session) -> Session:
    session.run(
        "create table docs as select 'd' || i as id, "
        "['forklift', 'night shift', 'welds', 'pipes'][1 + i % 4] || ' ' || i as text, "
        "i as number, if(i % 3 = 0, null, 'x') as letter from range(60) as r(i)"
    )
    session.run("select * from create_corpus('docs', source := 'docs', id := 'id', text := 'text')").read_all()
    session.run("create table questions as select unnest($q) as q", {"q": list(QUESTIONS)})
    return session


def annexed(lake: Lake, sql: str) -> bool:
    with lake.cursor() as cursor:
        return lake.annex.takes(check(cursor, sql, lake.known, 1_000_000))


def test_answers_are_those_of_the_other_instance(corpus: Session, lake: Lake) -> None:
    for function in FUNCTIONS:
        call = f"{function}({{}}, k := 5, filter := 'number < 40')"
        there = f"select q, r.* from questions, lateral {call.format('q')} as r order by q, _rank"
        assert not annexed(lake, there)
        expected = corpus.run(there).rows()
        found = []
        for question in sorted(QUESTIONS):
            here = f"select $q as q, * from {call.format('$q')}"
            assert annexed(lake, here)
            found += corpus.run(here, {"q": question}).rows()
        assert found == expected
        assert found


@pytest.mark.parametrize(
    ("sql", "here"),
    [
        ("select _rank, id from matrix_search('x', corpora := ['a', 'b']) where _score > .5 order by id limit 3", True),
        ("select (select count(*) from text_search('x')), len('y')", True),
        ("select * from playbook_record('q', 'docs', 'd1', 1.0)", True),
        ("select embed('x')", True),
        ("select * from (values ('x')) as t(q), lateral matrix_search(t.q)", False),
        ("select * from matrix_search((select text from docs limit 1))", False),
        ("select count(*) from matrix_search('x') join docs using (id)", False),
        ("select 1", False),
        ("select sum(i) from range(1000000) as r(i)", False),
        ("select * from lake.corpora", False),
    ],
)
def test_which_statements_it_takes(lake: Lake, sql: str, here: bool) -> None:
    assert annexed(lake, sql) is here


def test_errors_keep_their_codes(corpus: Session) -> None:
    with pytest.raises(NotFound, match="elsewhere"):
        corpus.run("select * from vector_search('x', corpora := ['elsewhere'])").read_all()
    with pytest.raises(Invalid, match="k is 0"):
        corpus.run("select * from vector_search('x', k := 0)").read_all()
    with pytest.raises(LakehouseError, match="nonsense"):
        corpus.run("select nonsense from vector_search('x')").read_all()
    assert corpus.run("select count(*) as n from vector_search('forklift', k := 3)").rows() == [{"n": 3}]


def test_what_acts_is_seen_everywhere(corpus: Session) -> None:
    corpus.run("select * from playbook_record('a question', 'docs', 'd1', 1.0)").read_all()
    assert corpus.run("select count(*) as n from lake.playbooks").rows() == [{"n": 1}]
    corpus.run("select * from drop_corpus('docs')").read_all()
    assert corpus.run("select count(*) as n from matrix_search('forklift')").rows() == [{"n": 0}]


def test_many_ask_at_once(corpus: Session, lake: Lake) -> None:
    sql = "select id from hybrid_search($q, k := 3)"
    expected = {question: corpus.run(sql, {"q": question}).rows() for question in QUESTIONS}
    wrong: list[object] = []

    def ask(question: str) -> None:
        session = lake.session()
        for _ in range(10):
            found = session.run(sql, {"q": question}).rows()
            if found != expected[question]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(question,)) for question in QUESTIONS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_ends_with_the_lake_and_is_there_again(tmp_path: Path) -> None:
    for _ in range(2):
        lake = open_lake(tmp_path / "home", settings=FAST)
        assert lake.session().run("select len(embed('x')) > 0 as made").rows() == [{"made": True}]
        lake.close()


def test_a_file_is_as_closed_as_elsewhere(corpus: Session, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(LakehouseError):
        corpus.run(f"select * from matrix_search('x'), '{tmp_path / 'secret.csv'}'").read_all()
    with pytest.raises(LakehouseError):
        corpus.run(f"select * from matrix_search('x'), read_csv('{tmp_path / 'secret.csv'}')").read_all()
