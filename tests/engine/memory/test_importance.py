"""Which words of a question tell what is needed: those that right documents have, and others lack."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.importance import EQUAL, LEAST, Importance, importance
from engine.memory.words import Vocabulary, words
from engine.session import Session

CITIES = ["gary", "toledo", "joliet", "reno", "akron", "tulsa", "macon", "fresno"]
ROLES = ["welder", "nurse", "driver", "cook"]
Judged = list[tuple[int, int, float]]
JUDGED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 1)), max_size=12)
TEXTS = st.lists(st.lists(st.sampled_from(CITIES + ROLES), max_size=5).map(" ".join), min_size=4, max_size=4)


def told(judged: list[tuple[str, str, float]]) -> Importance:
    """What the words tell, of judgements (question, document, score)."""
    said, held = list(dict.fromkeys(one[0] for one in judged)), list(dict.fromkeys(one[1] for one in judged))
    asked = np.array([said.index(question) for question, _, _ in judged], np.int64)
    answering = np.array([held.index(document) for _, document, _ in judged], np.int64)
    scores = np.array([score for _, _, score in judged])
    return importance([words(one) for one in said], [words(one) for one in held], asked, answering, scores)


def of(found: Importance, word: str) -> float:
    return float(found.of(words(word))[0])


def requests() -> list[tuple[str, str, float]]:
    """For a role in a city one is right who has both; wrong is the same role elsewhere, and another role there."""
    judged = []
    for at, city in enumerate(CITIES):
        for number, role in enumerate(ROLES):
            elsewhere, other = CITIES[at - 1], ROLES[number - 1]
            question = f"please find someone, a {role}, client {city}"
            judged += [
                (question, f"I am a {role} and live near {city}, please", 1.0),
                (question, f"{role}, {elsewhere}, please", 0.0),
                (question, f"{other} of {city}, please", 0.0),
            ]
    return judged


def test_what_right_documents_have_and_others_lack_tells_most() -> None:
    found = told(requests())
    for word in CITIES + ROLES:
        assert of(found, word) > 0.4
    for word in ("someone", "client", "please"):  # no document has it, or every one
        assert of(found, word) < 0.15


def test_a_word_of_which_nothing_is_known_tells_as_much_as_words_do_together() -> None:
    found = told(requests())
    assert of(found, "please") < of(found, "electrician") < of(found, "gary")


def test_few_documents_do_not_tell_words_apart() -> None:
    one = told([("a welder for gary", "a welder", 1.0)])
    assert abs(of(one, "welder") - of(one, "gary")) < 0.1


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_where_all_is_right_or_wrong_nothing_is_lost(score: float) -> None:
    found = told([(question, document, score) for question, document, _ in requests()])
    assert (found.shares >= LEAST).all()
    assert of(found, "gary") >= of(found, "client")


def test_without_judgements_all_words_tell_the_same() -> None:
    nothing = importance([], [], np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    assert nothing is EQUAL
    assert nothing.of(words("welder gary")).tolist() == [1.0, 1.0]
    assert nothing.of(words("")).tolist() == []


@given(TEXTS, TEXTS, JUDGED)
def test_what_words_tell_is_bounded(questions: list[str], documents: list[str], judged: Judged) -> None:
    found = told([(questions[asked], documents[answered], score) for asked, answered, score in judged])
    assert ((found.shares > 0) & (found.shares <= 1)).all()
    assert 0 < found.others <= 1


def test_a_word_weighs_as_much_as_it_tells_and_the_more_the_rarer_it_is() -> None:
    found = told(requests())
    vocabulary = Vocabulary(words(question) for question in dict.fromkeys(one[0] for one in requests()))
    asked = words("gary")
    assert found.weighing(vocabulary)(asked) == pytest.approx(found.of(asked) * vocabulary.weights(asked))


def test_a_word_idles_as_far_as_it_tells_less_than_words_usually_do() -> None:
    found = told(requests())
    vocabulary = Vocabulary(words(question) for question in dict.fromkeys(one[0] for one in requests()))
    for word, idles in (("gary", False), ("welder", False), ("client", True), ("please", True), ("electrician", False)):
        telling, idle = found.apart(vocabulary, words(word))
        assert telling.common == telling.all == found.weighing(vocabulary)(words(word))
        assert bool(idle.common[0] > 0) is idles
        assert (idle.common <= idle.all).all()
    assert not EQUAL.apart(vocabulary, words("please client gary"))[1].common.any()


def test_a_lake_learns_which_words_of_its_questions_tell(session: Session) -> None:
    rows = ", ".join(f"('{city} {role}', 'A {role}, at home in {city}.')" for city in CITIES for role in ROLES)
    session.run(f"create table people as from (values {rows}) as t(id, text)")
    session.run("select * from create_corpus('people', source := 'people', id := 'id', text := 'text')")
    for city in CITIES[:6]:
        for role, other in zip(ROLES, ROLES[1:] + ROLES[:1], strict=True):
            question = f"Could our client have some {role} at the {city} site soon?"
            session.run("select * from playbook_record(?, 'people', ?, 1.0)", [question, f"{city} {role}"])
            session.run("select * from playbook_record(?, 'people', ?, 0.0)", [question, f"{city} {other}"])
    session.run("select id from hybrid_search('a nurse for our site in Gary')")
    (held,) = session._lake.playbooks._evidence.values()
    assert held._learned
    tells = held._learned.importance
    telling, idle = ([of(tells, word) for word in some] for some in ([*CITIES[:6], *ROLES], ["client", "site", "soon"]))
    assert min(telling) > 1.5 * max(idle)
