"""The harness that decides from data: golden p, and what may not count."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import Invalid
from engine.memory.paired import compare, sign_test


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(5, 0, 1 / 32), (4, 1, 6 / 32), (0, 5, 1.0), (0, 0, 1.0), (10, 0, 1 / 1024), (8, 2, 56 / 1024), (9, 1, 11 / 1024)],
)
def test_the_sign_test(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p, abs=1e-15)


def test_five_of_five_is_the_evidence_of_the_original() -> None:
    grounded = {"composed": [3.0, 4.0, 2.0, 3.0, 4.0], "isolation": [5.0, 5.0, 5.0, 4.0, 6.0]}
    conditions = {name: lambda case, at, name=name: grounded[name][at] for name in grounded}
    (verdict,) = compare(conditions, "composed", ["file"], repetitions=5)
    assert (verdict.wins, verdict.losses, verdict.ties) == (5, 0, 0)
    assert verdict.mean_difference == pytest.approx(1.8)
    assert verdict.p == pytest.approx(0.03125)
    assert verdict.better
    assert "p = 0.031" in str(verdict)


def test_repetitions_that_never_differ_are_one_observation() -> None:
    conditions = {"a": lambda case, at: 1.0, "b": lambda case, at: 2.0}
    (verdict,) = compare(conditions, "a", ["one", "two"], repetitions=50)
    assert (verdict.wins, verdict.p, verdict.repeats) == (2, 0.25, False)
    assert not verdict.better
    assert "counts once" in str(verdict)


def test_ties_are_left_out_and_told() -> None:
    conditions = {"a": lambda case, at: float(at), "b": lambda case, at: float(max(at, 1))}
    (verdict,) = compare(conditions, "a", ["one"], repetitions=4)
    assert (verdict.wins, verdict.losses, verdict.ties, verdict.p) == (1, 0, 3, 0.5)


def test_no_difference_is_seldom_found_significant() -> None:
    chance = random.Random(7)
    conditions = {name: lambda case, at: chance.random() for name in ("a", "b")}
    found = [compare(conditions, "a", ["one"], repetitions=20)[0].better for _ in range(400)]
    assert sum(found) / len(found) <= 0.05


def test_each_condition_is_held_against_the_baseline() -> None:
    conditions = {name: lambda case, at, worth=worth: worth for name, worth in (("a", 1.0), ("b", 2.0), ("c", 0.0))}
    verdicts = compare(conditions, "a", [str(at) for at in range(6)])
    assert [(one.challenger, one.wins, one.losses, one.better) for one in verdicts] == [
        ("b", 6, 0, True),
        ("c", 0, 6, False),
    ]


@pytest.mark.parametrize(("baseline", "cases", "repetitions"), [("z", ["x"], 5), ("a", [], 5), ("a", ["x"], 0)])
def test_what_cannot_be_compared(baseline: str, cases: list[str], repetitions: int) -> None:
    with pytest.raises(Invalid):
        compare({"a": lambda case, at: 1.0, "b": lambda case, at: 1.0}, baseline, cases, repetitions)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_what_is_no_score_is_refused_and_no_tie(score: float) -> None:
    with pytest.raises(Invalid, match=f"b gave {score} for the case 'x'"):
        compare({"a": lambda case, at: 1.0, "b": lambda case, at: score}, "a", ["x"])


BENCH = Path(__file__).parents[3] / "bench"


def test_no_script_hides_a_module_of_python() -> None:
    scripts = sorted(BENCH.glob("*.py"))
    assert scripts
    assert not {script.stem for script in scripts} & sys.stdlib_module_names
    assert [script.name for script in scripts if "python bench/" in script.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pair", "nowhere:a", "nowhere:b", "--case", "x"], "[INVALID] the module 'nowhere' cannot be imported"),
        (["--pair", "math:a", "math:b", "--case", "x"], "[INVALID] 'math' has no callable 'a'"),
        (["--pair", "math", "math:b", "--case", "x"], "[INVALID] 'math' names no callable"),
        (["--pair", "math:sin", "math:sin", "--case", "x"], "[INVALID] 'math:sin' is baseline and challenger at once"),
        (["--pair", "math:sin", "math:cos"], "[INVALID] there is no case; name one with --case"),
        (["--help"], "python -m bench.downgrade --pair"),
    ],
)
def test_the_harness_says_what_is_wrong(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "bench.downgrade", *arguments]
    ran = subprocess.run(command, cwd=BENCH.parent, capture_output=True, text=True, timeout=120, check=False)
    assert said in " ".join((ran.stdout + ran.stderr).split())
    assert "Traceback" not in ran.stderr
