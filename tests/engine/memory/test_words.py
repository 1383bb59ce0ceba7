"""What tells near questions apart: the words in which they differ, and which of them a document has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory import evidence
from engine.memory.words import (
    COMPARED,
    NONE,
    Overlap,
    Vocabulary,
    Weights,
    Words,
    common,
    difference,
    overlap,
    shares,
    words,
)
from engine.session import Session

WORDS = ["welder", "nurse", "gary", "toledo", "shift", "night", "need", "person"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


def counted(*questions: str) -> Vocabulary:
    vocabulary = Vocabulary()
    for question in questions:
        vocabulary.add(words(question))
    return vocabulary


def better(one: str, other: str, document: str, vocabulary: Vocabulary) -> float:
    """How much more of `one` than of `other` the document has."""
    at = np.array([0, 1], np.int64)
    both = overlap([words(one), words(other)], [words(document)], at, np.zeros(2, np.int64), vocabulary.weights)
    first, second = (Overlap(both.common[row], both.asked[row]) for row in (slice(0, 1), slice(1, 2)))
    return float(difference(first, second)[0])


def test_words_are_stems_without_stop_words_each_once() -> None:
    assert words("The welders are welding: a Welder!").tolist() == words("welder welding weld").tolist()
    assert len(words("welder welder welder")) == 1
    assert words("the of and").size == 0 == NONE.size


def test_what_every_question_says_weighs_little() -> None:
    vocabulary = counted("need a welder", "need a nurse", "need a driver")
    weights = dict(zip(words("need welder").tolist(), vocabulary.weights(words("need welder")).tolist(), strict=True))
    assert weights[int(words("welder")[0])] > 3 * weights[int(words("need")[0])]


@given(st.lists(TEXT, max_size=5), TEXT)
def test_a_question_that_is_forgotten_leaves_no_trace(kept: list[str], gone: str) -> None:
    before, after = counted(*kept), counted(*kept, gone)
    after.remove(words(gone))
    asked = words("welder nurse gary toledo")
    assert before.weights(asked).tolist() == after.weights(asked).tolist()


def test_the_word_in_which_questions_differ_is_what_counts() -> None:
    vocabulary = counted("need a welder in gary", "need a nurse in toledo")
    gary, toledo = "need a welder in gary", "need a welder in toledo"
    assert better(gary, toledo, "a welder from gary", vocabulary) > 0.2
    assert better(gary, toledo, "a welder from toledo", vocabulary) < -0.2
    assert better(gary, toledo, "a welder from joliet", vocabulary) == 0
    assert better("need a welder in gary please", gary, "a welder from gary", vocabulary) == 0


@given(TEXT, TEXT, TEXT)
def test_the_difference_is_bounded_and_turns_round(one: str, other: str, document: str) -> None:
    vocabulary = counted("need a welder in gary", "night shift")
    there = better(one, other, document, vocabulary)
    assert -2 <= there <= 2
    assert there == pytest.approx(-better(other, one, document, vocabulary))
    assert better(one, one, document, vocabulary) == 0


def shared(one: str, other: str, vocabulary: Vocabulary) -> float:
    at = np.zeros(1, np.int64)
    return float(common([words(one), words(other)], at, at + 1, vocabulary.weights)[0])


@given(TEXT, TEXT)
def test_what_two_questions_have_in_common_is_a_share_and_the_same_for_both(one: str, other: str) -> None:
    vocabulary = counted("need a welder in gary", "night shift")
    there = shared(one, other, vocabulary)
    assert 0 <= there <= 1
    assert there == pytest.approx(shared(other, one, vocabulary), abs=1e-5)
    assert (there == 0) is set(one.split()).isdisjoint(other.split())
    assert shared(one, one, vocabulary) == (1 if one else 0)


def test_of_the_words_in_common_some_can_be_counted_apart() -> None:
    vocabulary = counted("need a welder in gary", "need a nurse in gary", "night shift")
    said, at = [words("need a welder"), words("need a nurse")], np.zeros(1, np.int64)

    def both(question: Words) -> list[Weights]:
        weights = vocabulary.weights(question)
        return [Weights(weights, weights), Weights(weights, np.zeros(len(question))), Weights(weights, weights / 2)]

    whole, nothing, half = (float(share[0]) for share in shares(said, at, at + 1, both))
    assert whole == common(said, at, at + 1, vocabulary.weights) > nothing == 0
    assert half == pytest.approx(whole / 2, abs=1e-6)


def test_a_rare_word_in_common_says_more_than_one_that_all_say() -> None:
    vocabulary = counted(*(f"need a person in city{n}" for n in range(20)))
    assert shared("need a welder", "some welder please", vocabulary) > shared(
        "need a welder", "need a nurse", vocabulary
    )


def test_few_questions_do_not_tell_which_words_are_rare() -> None:
    shares = np.array([0.0, 0.25, 1.0])
    assert counted().believed(shares).tolist() == [0.25, 0.25, 0.25]
    few, many = counted("a welder"), counted(*(f"welder {n}" for n in range(800)))
    assert few.believed(shares).tolist() == pytest.approx([0.25 - 0.25 / 9, 0.25, 0.25 + 0.75 / 9])
    assert many.believed(shares).tolist() == pytest.approx(shares.tolist(), abs=0.01)


def test_of_very_long_questions_a_part_is_compared_and_it_is_the_same_for_both() -> None:
    vocabulary = counted("need a welder")
    text = " ".join(f"word{n}" for n in range(10 * COMPARED))
    assert shared(text, " ".join(reversed(text.split())), vocabulary) == 1
    half = " ".join(text.split()[: 5 * COMPARED])
    assert 0.2 < shared(text, half, vocabulary) < 0.8
    assert shared(text, " ".join(f"other{n}" for n in range(10 * COMPARED)), vocabulary) == 0


ASKED = "a certified welder who can start on the night shift of our plant in"
CITIES = ["Gary", "Toledo", "Joliet", "Reno", "Akron", "Tulsa", "Macon", "Fresno"]
KNOWN = 6  # cities for which outcomes are recorded


@pytest.fixture
def welders(session: Session) -> Session:
    """Two welders a city; for most cities it is known that the second is right and that one of elsewhere is wrong."""
    cities = ", ".join(f"('{city}')" for city in CITIES)
    session.run(f"""
        create table welders as select
            lower(city) || n as id,
            'Certified welder, night shift, plant work. Lives in ' || city || if(n = 2, ', own tools.', '.') as text
        from (values {cities}) as home(city), range(1, 3) as r(n)
    """)
    session.run("select * from create_corpus('welders', source := 'welders', id := 'id', text := 'text')")
    for city, other in zip(CITIES[:KNOWN], CITIES[2:], strict=True):
        record(session, city, f"{city.lower()}2", 1.0)
        record(session, city, f"{other.lower()}1", 0.0)
    return session


def record(session: Session, city: str, id: str, score: float) -> None:
    session.run("select * from playbook_record(?, 'welders', ?, ?)", [f"{ASKED} {city}", id, score])


def found(session: Session, question: str, mode: str = "robust") -> list[object]:
    rows = session.run(f"select id from hybrid_search(?, playbook := '{mode}')", [question]).rows()
    return [row["id"] for row in rows]


def test_what_is_right_or_wrong_for_one_city_is_not_for_another(welders: Session) -> None:
    for city in CITIES[KNOWN:]:
        for asked in (f"{ASKED} {city}", f"{city}: {ASKED}"):
            first = found(welders, asked, "off")[:2]
            assert set(first) == {f"{city.lower()}1", f"{city.lower()}2"}
            assert found(welders, asked)[:2] == first


def test_what_is_right_for_a_city_comes_first_for_it_in_other_words(welders: Session) -> None:
    for city in CITIES[:KNOWN]:
        for asked in (f"{ASKED} {city}", f"{ASKED} {city}, soon", f"soon: {ASKED} {city}"):
            assert found(welders, asked)[0] == f"{city.lower()}2"


def test_a_question_that_comes_as_a_vector_is_compared_by_meaning_alone(welders: Session) -> None:
    rows = welders.run("select id from hybrid_search(embed(?), playbook := 'robust')", [f"{ASKED} Gary"]).rows()
    assert rows[0]["id"] == "gary2"


def test_what_a_fit_does_not_look_at_does_not_change_it(welders: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "JUDGEMENTS", 4)
    found(welders, f"{ASKED} Gary")
    (held,) = welders._lake.playbooks._evidence.values()
    live = welders._lake.corpora.live("welders")

    def seen() -> list[float]:
        chosen = held._chosen()
        assert len(chosen) < 2 * KNOWN
        sample, telling = held._sample(chosen, live)
        return [*sample.words.common, *sample.words.asked, *telling.shares]

    before = seen()
    record(welders, "on the night shift", str(welders.run("select max(id) as id from welders").rows()[0]["id"]), 1.0)
    assert seen() == before
