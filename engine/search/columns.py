"""Columns: the rows of the answers to some questions, as every search function gives them, and what explains them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from engine.search import fusion
from engine.search.collapse import Collapse
from engine.search.entries import Entries
from engine.search.fusion import Key, Ranked, Top
from engine.search.metadata import Metadata
from engine.search.numbering import Numbering
from engine.search.relevance.stage import Stage
from engine.search.request import Request
from engine.search.retrieval import Scope

NAMES = (
    "_rank", "_score", "_corpus", "id", "content", "metadata", "_distance", "_generation", "_explain"
)  # fmt: skip
DECIMALS = 6  # of the numbers in `_explain`


class Explained(Protocol):
    """What can be told."""

    def explained(self) -> dict[str, object]:
        """It as a part of `_explain`."""


class Remembered(Protocol):
    """What memory did to an answer."""

    def explained(self, *, asked: bool) -> dict[str, object]:
        """It as a part of `_explain`, with or without what was asked when the outcome was recorded."""


class Moved(Protocol):
    """A ranking that memory has changed."""

    @property
    def moves(self) -> Mapping[Key, Remembered]:
        """What it did to some documents."""

    @property
    def verdicts(self) -> Mapping[Key, Explained]:
        """What the judge said of some."""


@dataclass(frozen=True)
class Columns:
    """Answers to some questions: the rows of the first, those of the second …"""

    lengths: list[int]  # rows of each question
    values: tuple[list[Any], ...]  # one list for each of NAMES

    def tuples(self) -> list[tuple[Any, ...]]:
        """All rows, the values of each in the order of NAMES."""
        return list(zip(*self.values, strict=True))

    def rows(self) -> list[dict[str, object]]:
        """All rows."""
        return [dict(zip(NAMES, values, strict=True)) for values in self.tuples()]


def best(
    numbering: Numbering, entries: Entries, k: int, per_corpus: int | None, collapse: Collapse | None = None
) -> Top:
    """The best entries of each question: those that have a score, first those that say something new."""
    scored = np.flatnonzero(~np.isnan(entries.score))
    some = entries if len(scored) == len(entries.score) else entries.at(scored)
    corpus = numbering.corpus(some.document) if per_corpus is not None else some.document
    group = None if collapse is None else collapse.groups(some.document)
    ranked = Ranked(some.question, some.score, some.order, corpus, some.text, some.late)
    chosen = fusion.top(ranked, k, per_corpus, group)
    return chosen._replace(rows=scored[chosen.rows], leader=scored[chosen.leader])


def answers(
    scope: Scope,
    entries: Entries,
    questions: int,
    request: Request,
    metadata: Metadata,
    moved: Mapping[int, Moved],
    collapse: Collapse | None = None,
    focused: Stage | None = None,
) -> Columns:
    """The answers to so many questions. `moved`: the rankings, by question, that memory has changed."""
    numbering = scope.numbering
    if request.min_relevance is not None:
        distance = np.where(np.isnan(entries.distance), 1.0, entries.distance)
        entries = entries.at(1 - distance >= request.min_relevance)
    if focused is not None:
        entries = focused.kept(entries)
    top = best(numbering, entries, request.k, request.per_corpus_k, collapse)
    chosen = entries.at(top.rows)
    keys = numbering.keys(chosen.document)
    every = np.ones(len(keys), np.bool_)
    distances = chosen.distance.tolist()
    return Columns(
        np.bincount(chosen.question, minlength=questions).tolist(),
        (
            fusion.counted(chosen.question, every).tolist(),
            chosen.score.tolist(),
            [key.corpus for key in keys],
            [key.id for key in keys],
            numbering.contents(chosen.chunk),
            metadata.of(chosen.document),
            [one if one == one else None for one in distances],  # NaN is not known
            numbering.generations(chosen.document),
            list(_explained(scope, chosen, keys, _told(numbering, entries, top, focused), moved)),
        ),
    )


def _folded(numbering: Numbering, entries: Entries, top: Top) -> Iterator[str]:
    """What `_explain` says of documents that stand behind others: with the same text, or in the same group."""
    behind = np.flatnonzero(top.leader != top.rows)
    names = numbering.keys(entries.document[top.leader[behind]]) if len(behind) else []
    bests = dict(zip(behind.tolist(), names, strict=True))
    late = entries.late[top.rows].tolist()
    for at, (copies, others) in enumerate(zip(top.copies.tolist(), top.others.tolist(), strict=True)):
        told = [f'"collapsed": {others}'] if others else []
        if late[at]:
            told.append('"boilerplate": true')
        elif at in bests:
            told.append(f'"duplicate_of": {_json(bests[at]._asdict())}')
        elif copies:
            told.append(f'"duplicates": {copies}')
        yield ", ".join(told)


def _told(numbering: Numbering, entries: Entries, top: Top, focused: Stage | None) -> Iterator[str]:
    """What the last stages say of each row: the relevance filter, and what stands behind others."""
    folded = _folded(numbering, entries, top)
    if focused is None:
        return folded
    made = focused.explained(entries.document[top.rows], entries.chunk[top.rows])
    parts = zip((f'"relevance": {_json(one)}' for one in made), folded, strict=True)
    return (", ".join(filter(None, both)) for both in parts)


def _explained(
    scope: Scope, chosen: Entries, keys: list[Key], last: Iterator[str], moved: Mapping[int, Moved]
) -> Iterator[str]:
    """What each stage gave to each row, as JSON."""
    skipped = f'"skipped": {_json(scope.skipped)}' if scope.skipped else ""
    names = ("question", "dense_rank", "cosine", "text_rank", "bm25", "near", "words")
    facts = zip(*(getattr(chosen, name).tolist() for name in names), strict=True)
    for key, told, (question, dense_rank, cosine, text_rank, bm25, near, words) in zip(keys, last, facts, strict=True):
        parts = []
        if dense_rank:
            parts.append(f'"dense": {{"rank": {dense_rank}, "cosine": {round(cosine, DECIMALS)!r}}}')
        if text_rank:
            parts.append(f'"text": {{"rank": {text_rank}, "bm25": {round(bm25, DECIMALS)!r}}}')
        if near == near:
            share = round(words, DECIMALS)
            parts.append(f'"hybrid": {{"cosine": {round(near, DECIMALS)!r}, "words": {share!r}}}')
        if question in moved:
            parts += _remembered(moved[question], key, whole=key.corpus not in scope.shown)
        parts += [one for one in (skipped, told) if one]
        yield f"{{{', '.join(parts)}}}"


def _remembered(ranking: Moved, key: Key, *, whole: bool) -> Iterator[str]:
    """What memory did. What was asked is told to who sees the whole corpus, as in lake.playbooks."""
    if key in ranking.moves:
        yield f'"playbook": {_json(ranking.moves[key].explained(asked=whole))}'
    if ranking.verdicts:
        told = [
            {"corpus": judged.corpus, "id": judged.id, **verdict.explained()}
            for judged, verdict in ranking.verdicts.items()
        ]
        yield f'"judge": {_json(told)}'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
