"""The page of `bench.learning`: its figures as tables, with how they were measured and what did not work."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.discoveries import Lift
    from bench.learning import Change, Measured

HEAD = """# Learning from outcomes

`bench/learning.py` wrote this page. Every figure comes from the SQL functions: outcomes are recorded with
`playbook_import`, questions are asked with `hybrid_search`, without (`playbook := 'off'`) and with memory (`'robust'`, the
default), on MiniLM and BM25.

## How it is measured

A collection has questions in three parts. For those of *record* the system's own first ten are judged: 1 for a right
document, 0 for another; nothing that was not shown is ever judged. Methods were tried on *tune* only; the tables are of
*report*, which was looked at once. A question is *related* when a recorded one has the same need, *unrelated* when none
shares a right answer with it. *Flipped*: that share of the judgements is turned round. *Shuffled*: each recorded question
gets the judgements of another, so that there is nothing to learn. *Hurt*: questions that lose nDCG@10.

| collection | documents and questions |
|---|---|
| paraphrases | Cranfield without the sentences that are asked; a sentence rephrased by rule twice, once to record |
| staffing | the résumés of the demo; "Need 3 welders in Gary, IL" and five other ways to say so |
| cranfield | its own questions: few share an answer, and those ask for something else |
| sentences | recorded are two other sentences of the same document than the one that is asked |
| reference | functions of numpy, asked for with the words that the pages of other functions have for them |

In the last three a near question seldom needs the same documents: there is little to learn, and harm is what they show.
"""  # noqa: E501

METHOD = """
## The method

The rank of a document without memory is its anchor, with log odds −β ln rank, β = 2.5. Judgements of near questions add
to them: a judgement says ln((1 − ε)/ε) for or against its document, where ε is how often judgements err; those of several
questions are summed; and the sum counts as far as the nearest of these questions is likely to need the same documents,
a(cosine). ε and a() are learned from the outcomes of each corpus by leave-one-out (`engine/memory/fit.py`): at 0, 10, 20
and 50 % flipped judgements of paraphrases it finds 0.03, 0.1, 0.2 and 0.5 (of staffing 0.06, 0.2, 0.25 and 0.5), and at ½
nothing moves any more. Only documents that
the search itself has found move; where nothing is added, scores stay the same to the last bit.

## What did not work

Differences in nDCG@10 on *tune*, related / unrelated, right judgements.

| tried | paraphrases | staffing | reference |
|---|---|---|---|
| sum of good − ¼ bad over questions of cosine ≥ 0.6 (λ ½), as in earlier experiments | +.085 / −.002 * | −.048 / −.426 | −.065 / −.122 |
| each judgement its own likelihood ratio: near questions mislead together | off / .000 | +.063 / −.090 | −.007 / −.011 |
| as it is, but β fitted to the judged ranks (1.3 … 1.75) | +.123 / −.003 | +.070 / −.058 | −.000 / −.009 |
| as it is, β = 2 | +.117 / −.003 | +.071 / −.041 | +.003 / −.009 |
| as it is, β = 2.5 | +.106 / −.003 | +.069 / −.004 | +.002 / −.003 |
| bad judgements weighed at 0.3 | +.081 / .000 | +.054 / −.010 | −.004 / −.001 |
| relatedness below ½ counts for nothing (β = 2.25) | +.108 / −.003 | +.068 / −.016 | +.002 / +.002 |
| the rank of a document under the recorded question counts as well (ρ = 0.3) | +.107 / −.003 | +.068 / −.039 | +.002 / −.001 |
| bringing in documents that the search had not found | no difference | no difference | no difference |
| a gate by the document's own cosine, by overlap of the two rankings, by common rare words | within .003 | within .01 | within .004 |

(These are from the search for the method, where staffing counted the same state as related; * with lossier paraphrases.) Without a belief beforehand in
near questions the fit switched memory off where recorded questions happen to have no paraphrase among themselves: a lake
keeps one truth a question, so repetitions never show in it. Eight imagined pairs instead of four made reference worse.

Later, on the fusion of today (paraphrases +.106 / −.003, staffing +.100 / −.006, reference +.002 / −.014 on *tune*):

| tried | paraphrases | staffing | reference |
|---|---|---|---|
| questions compared after whitening by the recorded ones | +.099 / .000 | +.093 / −.021 | +.002 / −.020 |
| relatedness as far as the neighbours agree with each other | +.106 / −.003 | +.040 / −.011 | +.002 / −.013 |
| how far to believe, for and against, by leave-one-out nDCG, losses counted four times | +.106 / −.003 | +.100 / −.006 | .000 / −.001 |
| the same with one judgement of ten flipped (as it is: +.065, +.070, −.002) | +.040 / .000 | +.046 / −.011 | .000 / −.002 |
| all outcomes weighed at 0.8 | +.096 / −.003 | +.087 / −.003 | +.002 / −.013 |
| rare words in common as a second measure of likeness, its weight fitted | | +.100 / −.006 (weight 0) | +.002 / −.013 |
| β = 3.5 | +.084 / −.003 | +.080 / −.005 | +.002 / −.010 |

Whitening tells related questions from others better (area under the curve .70 → .77 on reference, .71 → .88 on
cranfield), and the answers gain nothing by it: what harms are questions that differ from a recorded one in the one word
that matters (*and* for *or*, one city for another), which the search itself does not tell apart either.
"""  # noqa: E501


def page(results: Sequence["Measured"], lifts: Sequence["Lift"]) -> str:
    """The page, Markdown."""
    return "\n".join([HEAD, *_results(results), *_discoveries(lifts), METHOD])


def _discoveries(lifts: Sequence["Lift"]) -> Iterable[str]:
    yield (
        "\n## The experiment of the original system\n\n"
        '`python -m bench.discoveries`: every request "Need N role in city" is asked cold; where the best of the ten\n'
        "that are shown is not the first, that is a discovery and is recorded, nothing else is. Then the same is\n"
        "asked again (verbatim), in other words (paraphrase), and about something else. The original reported 6 of 8\n"
        "and 6 of 8.\n"
    )
    yield _row(
        [
            "mode",
            "requests",
            "discoveries",
            "verbatim first",
            "paraphrase first",
            "first answer better / worse",
            "others",
        ]
    )
    yield _row(["---"] * 7)
    for one in lifts:
        yield _row(
            [
                f"`{one.mode}`",
                str(one.questions),
                str(one.discoveries),
                f"{one.share:.0%}",
                f"{one.paraphrase_share:.0%}",
                f"{one.better} / {one.worse}",
                f"{one.elsewhere} changed",
            ]
        )


def _results(results: Sequence["Measured"]) -> Iterable[str]:
    yield "## Results: related questions, nDCG@10 / MRR@10\n"
    names = list(results[0].related)
    head = ["collection", "questions", "without memory", *names]
    yield _row(head)
    yield _row(["---"] * len(head))
    for one in results:
        first = next(iter(one.related.values()))
        before = f"{first.ndcg:.3f} / {first.mrr:.3f}"
        yield _row([one.collection.name, str(first.questions), before, *(_gain(one.related[name]) for name in names)])
    yield "\n## Results: unrelated questions, nDCG@10 and how many are hurt\n"
    yield _row(head)
    yield _row(["---"] * len(head))
    for one in results:
        first = next(iter(one.unrelated.values()))
        cells = [f"{one.unrelated[name].ndcg_gain:+.4f}, {one.unrelated[name].hurt}" for name in names]
        yield _row([one.collection.name, str(first.questions), f"{first.ndcg:.3f}", *cells])
    undone = all(one.undone for one in results)
    yield (
        "\nSwitched off, and with every outcome retracted, all answers and scores are "
        + ("the same to the last bit as in a lake without outcomes." if undone else "NOT what they were.")
    )


def _gain(change: "Change") -> str:
    return f"{change.ndcg_gain:+.3f} / {change.mrr_gain:+.3f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
