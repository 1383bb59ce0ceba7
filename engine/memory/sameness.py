"""From where on two questions mean the same, also where no two recorded ones ever did.

The curve of a fit goes through what was recorded. Where each need was recorded once, all pairs of recorded questions
are of different needs, and of one that comes again in other words it says what it says of those. So beside it stands a
claim: from some likeness on, questions mean the same. It is believed beforehand, and given up as far as recorded
questions contradict it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.memory.witnesses import Witnesses, differing, loudness

Floats = NDArray[np.float64]

FROM = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)  # likenesses: cosines less what is usual
NEVER = math.inf
SURE, WIDTH = 0.99, 0.02  # how likely those mean the same, and how softly that begins
UNDECIDED = 0.5  # where nothing is claimed: about what is less near the curve of the fit knows more
BELIEVED, IMAGINED = (0.65, 0.7, 0.75), 10  # so many pairs at each of them that meant the same
EXPLAINED = 0.25  # of what the difference of two questions explains: where they mean the same, there is none
LEAST_ERROR = 0.03  # so often at least judgements err, also of questions that mean the same


def claimed(likeness: Floats, since: float) -> Floats:
    """How likely questions mean the same that are so much alike, as far as that is claimed: 0 … 1."""
    sure: Floats = SURE / (1 + np.exp(np.clip((since - likeness) / WIDTH, -60, 60)))
    return sure


def same_from(witnesses: Witnesses, error: float, share: float) -> float:
    """The likeness from which on questions are taken to mean the same.

    A judgement errs with probability `error`; `share` of the documents are right. Imagined pairs speak as loudly as
    recorded ones can.
    """
    error = max(error, LEAST_ERROR)
    likeness, agreeing = witnesses.likeness, witnesses.agreement(error, share)
    weight = IMAGINED * loudness(differing(error, share), share)
    ratios, imagined = np.exp(np.clip(agreeing, -50, 50)), np.array(BELIEVED)

    def posterior(since: float) -> float:
        means_same, believed = (np.maximum(claimed(alike, since), UNDECIDED) for alike in (likeness, imagined))
        witnessed = np.log(means_same * ratios + 1 - means_same).sum()
        return float(witnessed + weight * np.log(believed).sum())

    return max((*FROM, NEVER), key=posterior)
