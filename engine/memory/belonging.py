"""Whether judgements belong to the questions for which they are recorded.

Only what was shown is judged wrong, and what is shown for a question suits it better than it suits other questions: in
all collections that were measured by one to four standard deviations in the mean (docs/learning.md). Where rows got to
the wrong questions, by a faulty import or by somebody who means harm, by about none: near questions tell nothing then.
"""

import numpy as np

from engine.memory.density import LEAST_COSINE
from engine.search.vectors.protocol import Vectors

LEAST = 0.6  # standard deviations: of judgements that belong, as the mean has it (shuffled ones have 0.0 to 0.4)
USUAL, IMAGINED = 2.0, 10  # of so many judgements this is believed beforehand
LOOKED_AT = 256  # judgements, and twice as many other questions
STRANGERS = 8  # so many questions about something else must be known
SMALLEST = 100  # documents of a corpus, below which much of it is shown for any question
DECIMALS = 6  # of a cosine: the last bits depend on what else is compared


def belonging(questions: Vectors, documents: Vectors, references: Vectors) -> float:
    """How much nearer documents are to the questions for which they were judged than to others, in standard deviations.

    `questions`, `documents`: of each judgement, float32 [judgements, dimension] of unit length. `references`: other
    recorded questions, float32 [references, dimension]; those of which a question is no neighbour are strangers to it.
    A judgement whose question has too few strangers says nothing.
    """
    strange = (questions @ references.T).round(DECIMALS) < LEAST_COSINE
    cosines = (documents @ references.T).astype(np.float64).round(DECIMALS)
    own = np.vecdot(documents, questions).astype(np.float64).round(DECIMALS)
    strangers = strange.sum(axis=1)
    mean = (cosines * strange).sum(axis=1) / np.maximum(strangers, 1)
    spread = np.sqrt((((cosines - mean[:, None]) ** 2) * strange).sum(axis=1) / np.maximum(strangers, 1))
    telling = (strangers >= STRANGERS) & (spread > 0)
    nearer = (own - mean)[telling] / spread[telling]
    return float((nearer.sum() + USUAL * IMAGINED) / (len(nearer) + IMAGINED))
