"""Entries: what questions found by either list, one row a document, with all that the stages give to it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.search import fusion
from engine.search.lists import Floats, Lists, Marks
from engine.search.numbering import Numbering
from engine.search.vectors.protocol import Mask, Rows


class Entries(NamedTuple):
    """The rows of a question stand together; questions ascend."""

    question: Rows  # by their positions in the batch
    document: Rows  # numbers, see `Numbering`
    order: Rows  # rises with (corpus, id)
    chunk: Rows  # number of the chunk that represents the document: the best by cosine, else by words
    text: Marks  # equal for those of one question that say the same
    late: Mask  # found by nothing but boilerplate
    cosine: Floats  # of the dense list; NaN: not in it
    dense_rank: Rows  # 0: none
    lexical: Rows  # number of the best chunk by words, where there is one
    bm25: Floats  # its score; NaN: not in the list
    text_rank: Rows  # 0: none
    score: Floats  # NaN: none, so that it is in no answer
    distance: Floats  # NaN: not known
    near: Floats  # the cosine with the sharpened question; NaN: scores were not fused
    words: Floats  # the share of the greatest BM25, where scores were fused

    def at(self, rows: Rows | Mask | slice) -> "Entries":
        """Some of the rows."""
        return Entries._make(column[rows] for column in self)


def blank(question: Rows, document: Rows, order: Rows) -> Entries:
    """Entries of some documents, to be filled in: in no list, and without a score."""
    marks = np.zeros((5, len(question)), np.int64)
    facts = np.full((6, len(question)), np.nan)
    chunk, text, dense_rank, lexical, text_rank = marks
    late = np.zeros(len(question), np.bool_)
    lists = (facts[0], dense_rank, lexical, facts[1], text_rank)
    return Entries(question, document, order, chunk, text, late, *lists, *facts[2:])


def joined(parts: Sequence[Entries]) -> Entries:
    """The rows of several, by question."""
    together = Entries._make(map(np.concatenate, zip(*parts, strict=True)))
    return together.at(np.argsort(together.question, kind="stable"))


def listed(numbering: Numbering, dense: Lists, text: Lists, late: Lists, depth: int) -> Entries:
    """What is in the lists of some questions, with its ranks in them; the scores are still to be given.

    `text`, `late`: what was found by words, and by nothing but boilerplate, which comes after everything else.
    """
    lists = (late, text, dense)
    question, document = (np.concatenate([getattr(one, name) for one in lists]) for name in ("question", "document"))
    of = np.arange(len(question))
    if len(of) > max(len(one.question) for one in lists):  # a document may be in both lists
        numbers = question * (numbering.first_documents[-1] + 1) + document
        _, first, of = np.unique(numbers, return_index=True, return_inverse=True)
        question, document = question[first], document[first]
    order = numbering.order(document)
    entries = blank(question, document, order)
    ends = len(late.question), len(late.question) + len(text.question)
    in_late, in_text, in_dense = of[: ends[0]], of[ends[0] : ends[1]], of[ends[1] :]
    for at, one in ((in_late, late), (in_text, text), (in_dense, dense)):
        if len(at):
            entries.chunk[at], entries.text[at] = one.chunk, one.text
    for at, one in ((in_late, late), (in_text, text)):
        if len(at):
            entries.lexical[at], entries.bm25[at] = one.chunk, one.score
    entries.cosine[in_dense] = dense.score
    entries.late[in_late] = True
    entries.dense_rank[in_dense] = fusion.ranks(dense.question, dense.score, order[in_dense], dense.text, depth)
    ranks = fusion.ranks(text.question, text.score, order[in_text], text.text, depth)
    entries.text_rank[in_text] = ranks
    if len(in_late):
        every = np.arange(len(in_late))
        behind = fusion.ranks(late.question, late.score, order[in_late], every, depth)
        before = np.bincount(text.question[ranks > 0], minlength=int(late.question[-1]) + 1)
        entries.text_rank[in_late] = np.where(behind > 0, behind + before[late.question], 0)
    return entries
