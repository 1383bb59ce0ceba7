"""Which outcomes apply, and how far: the exclusions and the decay of `[memory]`. Both off, nothing is touched.

As in the original system an outcome of some age counts e^(−age / days), and each failure of a document halves (or what
`failure_factor` says) what its right outcomes count. A judgement fades towards saying nothing.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from engine.config import Memory as Settings
from engine.memory.playbook import Near, Playbook
from engine.search.fusion import Key

DAY = 86_400.0
UNDECIDED = 0.5  # the score that says nothing in the robust mode: neither right nor wrong
SAYS_NOTHING = 0.0  # that of the classic mode: no boost


class Policy:
    """The `[memory]` settings of a lake, applied to outcomes that were found near to a question."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """`clock`: seconds since the epoch."""
        self._settings, self._clock = settings, clock
        self._corpora, self._ids = frozenset(settings.exclude_corpora), frozenset(settings.exclude_ids)
        self._questions = frozenset(map(_folded, settings.exclude_questions))

    @property
    def fades(self) -> bool:
        """Whether an outcome counts less as it ages."""
        return self._settings.decay_days > 0

    def applies(self, playbook: Playbook) -> bool:
        """Whether an outcome is on none of the lists."""
        if playbook.corpus in self._corpora or playbook.id in self._ids:
            return False
        return not self._questions or _folded(playbook.query) not in self._questions

    def faded(self, near: Iterable[Near], failures: Callable[[Key], int], nothing: float) -> list[Near]:
        """The outcomes with what is left of their scores. `nothing`: the score towards which they fade."""
        if not self._settings.decay_days and self._settings.failure_factor == 1:
            return list(near)
        return [one._replace(playbook=self._faded(one.playbook, failures, nothing)) for one in near]

    def _faded(self, playbook: Playbook, failures: Callable[[Key], int], nothing: float) -> Playbook:
        kept = 1.0
        if self._settings.decay_days:
            age = max(0.0, self._clock() - playbook.recorded_at) / DAY
            kept = math.exp(-age / self._settings.decay_days)
        if playbook.score >= UNDECIDED:
            kept *= self._settings.failure_factor ** failures(playbook.key)
        return replace(playbook, score=nothing + (playbook.score - nothing) * kept)


def _folded(question: str) -> str:
    return " ".join(question.casefold().split())
