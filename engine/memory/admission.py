"""What may be recorded as an outcome, and with which vector."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.access.profiles import Profile
from engine.errors import Invalid, NotFound
from engine.memory.playbook import Playbook, playbook_id
from engine.memory.questions import Vector
from engine.models.cache import QuestionCache
from engine.search import filters
from engine.search.filters import Mask
from engine.search.fusion import Key
from engine.search.generation import Generation

if TYPE_CHECKING:
    from engine.lake import Lake

Given = tuple[object, object, object, object, object, object]  # query, corpus, id, score, role, note


class Admission:
    """Looks at outcomes that one profile wants to record; what it knows of a corpus it looks up once."""

    def __init__(self, lake: "Lake", reach: Profile) -> None:
        """`reach`: whose outcomes they are; what it does not see it cannot judge."""
        self._lake = lake
        self._reach = reach
        self._seen: dict[str, tuple[Generation, list[Mask]]] = {}
        self._models: dict[str, QuestionCache] = {}

    def admit(self, given: Given, *, allow_missing: bool = False) -> Playbook:
        """The outcome as it is kept. `allow_missing`: also of a document that is not there (yet), by who would see it.

        Raises Invalid for a missing value or a score outside [0, 1], NotFound for an unknown corpus or id.
        """
        query, corpus, id = (_text(value) for value in given[:3])
        if query is None or not query.strip() or not corpus or not id:
            raise Invalid("an outcome needs a query, a corpus and an id", "playbook_record(query, corpus, id, score)")
        if len(query.encode("utf-8", "surrogatepass")) > self._lake.config.search.question_bytes:
            raise Invalid("the query is longer than a question may be", "see search.question_bytes in lake.settings")
        score = _score(given[3])
        live, masks = self._corpus(corpus)
        position, document = live.places.get(id, (-1, -1))
        seen = position >= 0 and bool(masks[position][document])
        if not seen and not (allow_missing and self._reach.changes_corpus(corpus)):
            raise NotFound(f"corpus {corpus!r} has no document {id[:80]!r}", "take the id from a search result")
        model = self._model(corpus).embedder.sha256
        made = playbook_id(query, corpus, id)
        return Playbook(made, query, corpus, id, score, _text(given[4]), _text(given[5]), model, self._lake.clock())

    def sees(self, answer: Key) -> bool:
        """Whether the profile may change what is recorded of a document; of a gone one it may who sees the corpus."""
        if self._reach.changes_corpus(answer.corpus):
            return True
        if not self._reach.sees_corpus(answer.corpus) or not self._lake.corpora.exists(answer.corpus):
            return False
        live, masks = self._corpus(answer.corpus)
        position, document = live.places.get(answer.id, (-1, -1))
        return position >= 0 and bool(masks[position][document])

    def _corpus(self, corpus: str) -> tuple[Generation, list[Mask]]:
        found = self._seen.get(corpus)
        if found is None:
            live = self._lake.corpora.chosen([corpus], self._reach)[0]
            grant = None if self._reach.sees_everything else self._reach.on_corpus(corpus)
            found = self._seen[corpus] = (live, filters.seen(self._lake.cursor, live, grant))
        return found

    def _model(self, corpus: str) -> QuestionCache:
        if corpus not in self._models:
            self._models[corpus] = self._lake.models.questions(self._lake.corpora.definition(corpus).embedder)
        return self._models[corpus]

    def vectors(self, playbooks: Sequence[Playbook], cancelled: Callable[[], bool] | None = None) -> dict[str, Vector]:
        """The vectors of the questions of admitted outcomes of one model; each question is embedded once."""
        texts = list(dict.fromkeys(one.query for one in playbooks))
        known = self._model(playbooks[0].corpus)
        return dict(zip(texts, known.embed_questions(texts, cancelled=cancelled), strict=True))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _score(value: object) -> float:
    try:
        score = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        score = math.nan
    if not 0 <= score <= 1:
        given = "NULL" if value is None else str(value)[:80]
        raise Invalid(f"the score {given} is not within 0 and 1", "1 = it was right, 0 = it was wrong")
    return score
