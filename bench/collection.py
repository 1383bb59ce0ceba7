"""Labelled collections with related questions, made by rule: the same on every machine.

Each has documents, questions, graded relevance, and three parts: outcomes are recorded for the first, methods are tried
on the second, figures are reported on the third. A question is *related* when a recorded question has the same need,
*unrelated* when none shares a right answer with it: it must not be harmed. What lies between is neither.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

PARTS = ("record", "tune", "report")
Graded = dict[str, int]


@dataclass(frozen=True)
class Question:
    """A question, its part, and its right answers with their grades. `need`: questions of one need mean the same."""

    text: str
    part: str
    relevance: Graded
    need: str = ""


@dataclass(frozen=True)
class Collection:
    """Documents (id, text) and questions. Collections over the same documents share `corpus`."""

    name: str
    corpus: str
    documents: list[tuple[str, str]]
    questions: list[Question] = field(repr=False)

    def part(self, name: str) -> list[Question]:
        """The questions of one part."""
        return [question for question in self.questions if question.part == name]

    def related(self, question: Question) -> bool | None:
        """Whether a recorded question has the same need, or, where needs are not known, shares a right answer.

        None: it shares an answer with a recorded question of another need.
        """
        recorded = self._recorded
        shares = not recorded.answers.isdisjoint(question.relevance)
        if question.need:
            return True if question.need in recorded.needs else None if shares else False
        return shares

    @cached_property
    def _recorded(self) -> "Recorded":
        questions = self.part("record")
        answers = frozenset(id for question in questions for id in question.relevance)
        return Recorded(answers, frozenset(question.need for question in questions))


@dataclass(frozen=True)
class Recorded:
    """What the recorded questions are about."""

    answers: frozenset[str]
    needs: frozenset[str]


def draw(*what: object) -> float:
    """A repeatable number in [0, 1) for a name."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:6], "big") / 2**48


def part_of(of: object) -> str:
    """Half of the questions are recorded, a quarter each is for trying and for reporting."""
    where = draw("part", of)
    return PARTS[0 if where < 0.5 else 1 if where < 0.75 else 2]
