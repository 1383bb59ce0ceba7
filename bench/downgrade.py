"""Does a composed prompt help, or does the file alone answer better? Paired runs and a one-sided sign test.

python -m bench.downgrade                                          the extractive generator on the demo's safety notes
python -m bench.downgrade --pair module:composed module:isolated --case a.rs --case b.rs [--repetitions 5]

A condition is any callable (case, repetition) -> float, more is better. The extractive generator is no language model
and gives the same every time: what it shows is how quotes spread over corpora, not what a strong model does.
"""

import argparse
import importlib
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import duckdb

from engine.errors import Invalid
from engine.memory.downgrade import COMPOSED, ISOLATED
from engine.memory.paired import Condition, compare
from engine.session import Session
from lakehouse import open_lake
from sql import scripts

FOCUS = "notes"


def callable_of(name: str) -> Condition:
    """The callable `module:function`. Raises Invalid when there is none."""
    module, _, function = name.partition(":")
    if not module or not function or module.startswith("."):
        raise Invalid(f"{name!r} names no callable", "name it as module:function")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise Invalid(f"the module {module!r} cannot be imported: {error}", "run it where it is found") from None
    if not callable(found):
        raise Invalid(f"{module!r} has no callable {function!r}", "name it as module:function")
    return cast(Condition, found)


def pair(names: Sequence[str], cases: Sequence[str]) -> dict[str, Condition]:
    """The two conditions of these names. Raises Invalid for one of them twice, and without a case."""
    if len(set(names)) < 2:
        raise Invalid(f"{names[0]!r} is baseline and challenger at once", "name two")
    if not cases:
        raise Invalid("there is no case", "name one with --case")
    return {name: callable_of(name) for name in names}


def company(session: Session, workers: int) -> list[str]:
    """The demo's corpora; the cases are the titles of its safety notes."""
    with duckdb.connect() as maker:
        maker.execute(f"set variable workers = {workers}; set variable seed = 42")
        for script in scripts("demo"):
            maker.execute(script.text)
        for table in ("workers", "job_orders", "safety_notes"):
            session.load(maker.execute(f"from {table}").to_arrow_reader(), table, mode="replace")
    made = [("resumes", "workers", "worker_id", "resume"), ("orders", "job_orders", "order_id", "description")]
    for corpus in [*made, (FOCUS, "safety_notes", "note_id", "body")]:
        session.run("select * from create_corpus(?, source := ?, id := ?, text := ?)", list(corpus)).read_all()
    rows = session.run("select title from safety_notes order by note_id").rows()
    return sorted({str(row["title"]) for row in rows})


def grounded(session: Session, corpora: list[str] | None, case: str, repetition: int) -> float:
    """Quotes of the focus corpus in the answer to a case: what a reviewer calls a grounded finding."""
    rows = session.run("select citations from ask(?, corpora := ?)", [case, corpora]).rows()
    citations = cast(list[dict[str, object]], rows[0]["citations"])
    return float(sum(one["corpus"] == FOCUS for one in citations))


def extractive(report: Callable[[dict[str, Condition], list[str]], None], workers: int) -> None:
    """The two modes with the extractive generator, in a temporary home."""
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(Path(folder) / "home")
        session = lake.session()
        cases = company(session, workers)
        print(
            f"generator: extractive (quotes, no language model), {len(cases)} cases; "
            "measured: quotes of the focus corpus"
        )
        report({COMPOSED: partial(grounded, session, None), ISOLATED: partial(grounded, session, [FOCUS])}, cases)
        lake.close()


def main() -> None:
    """Run the pair that is named, or the extractive one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, metavar="MODULE:CALLABLE", help="baseline and challenger")
    parser.add_argument("--case", action="append", default=[], help="what a condition is run on")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--workers", type=int, default=100, help="size of the demo")
    given = parser.parse_args()

    def report(conditions: dict[str, Condition], cases: list[str]) -> None:
        for verdict in compare(conditions, next(iter(conditions)), cases, given.repetitions):
            print(verdict)

    try:
        if given.pair:
            report(pair(given.pair, given.case), given.case)
        else:
            extractive(report, given.workers)
    except Invalid as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
