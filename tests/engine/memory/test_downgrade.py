"""The downgrade gate: the table of the original, and its knobs."""

from itertools import product
from pathlib import Path

import pytest

from engine.config import load
from engine.errors import Invalid
from engine.memory.downgrade import COMPOSED, ISOLATED, WEAK, decide, is_weak
from lakehouse import open_lake
from tests.conftest import FAST

STRONG, FREE = "x-ai/grok-4.1-fast", "qwen/qwen3-coder:free"


@pytest.mark.parametrize(
    ("model", "weak"),
    [
        ("qwen3.5:latest", True),
        ("qwen3:latest", True),
        ("openai/gpt-oss-120b:free", True),
        ("vendor:free/model", True),
        ("x-ai/grok-4.1-fast", False),
        ("qwen3.5:latest-large", False),
        ("freedom/model", False),
        ("model:freely", False),
        ("Qwen3:latest", False),
    ],
)
def test_which_models_are_weak(model: str, weak: bool) -> None:
    assert is_weak(model) is weak


@pytest.mark.parametrize(("forced", "full", "is_free", "composed"), list(product((False, True), repeat=4)))
def test_the_truth_table(forced: bool, full: bool, is_free: bool, composed: bool) -> None:
    mode, model = COMPOSED if composed else "codereview_null", FREE if is_free else STRONG
    force = "true" if forced else None
    decision = decide(mode, model, force_mode=force, force_full_enrichment=full)
    downgraded = composed and not forced and not full and not is_free
    assert decision.mode == (ISOLATED if downgraded else mode)
    assert decision.downgraded_from == (mode if downgraded else None)
    assert decision.weak is is_free
    assert ("forced" in decision.reason) is (forced or (composed and full))


def test_a_forced_mode_beats_every_other_bypass() -> None:
    decision = decide(COMPOSED, FREE, force_mode="codereview_null", force_full_enrichment=True)
    assert (decision.mode, decision.reason) == ("codereview_null", "the mode is forced")
    assert decide(COMPOSED, STRONG, force_mode="false").mode == ISOLATED
    assert decide(COMPOSED, STRONG, force_mode=" ").mode == ISOLATED


def test_a_list_of_weak_models_replaces_the_default_and_not_the_rule() -> None:
    assert decide(COMPOSED, "mine", weak=["mine"]).mode == COMPOSED
    assert decide(COMPOSED, WEAK[0], weak=["mine"]).mode == ISOLATED
    assert decide(COMPOSED, FREE, weak=[]).mode == COMPOSED


@pytest.mark.parametrize(
    ("mode", "model"), [("", STRONG), (None, STRONG), ("  ", STRONG), (COMPOSED, ""), (COMPOSED, None)]
)
def test_an_empty_mode_or_model_is_refused(mode: str | None, model: str | None) -> None:
    with pytest.raises(Invalid):
        decide(mode, model)


def test_the_knobs_of_the_original_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LH_RELEVANCE_FILTER", "0")
    monkeypatch.setenv("LH_RELEVANCE_THRESHOLD", "0.5")
    monkeypatch.setenv("LH_FORCE_FULL_ENRICHMENT", "1")
    loaded = load(tmp_path)
    assert (loaded.config.relevance.filter, loaded.config.relevance.threshold) == (False, 0.5)
    assert loaded.config.downgrade.force_full_enrichment
    assert loaded.origins["relevance.threshold"] == "environment"
    monkeypatch.setenv("LAKEHOUSE_RELEVANCE__THRESHOLD", "0.6")
    assert load(tmp_path).config.relevance.threshold == 0.6
    assert load(tmp_path, {"relevance.threshold": 0.7}).config.relevance.threshold == 0.7
    monkeypatch.setenv("LH_RELEVANCE_THRESHOLD", "")
    monkeypatch.delenv("LAKEHOUSE_RELEVANCE__THRESHOLD")
    assert load(tmp_path).config.relevance.threshold == 0.3
    monkeypatch.setenv("LH_RELEVANCE_THRESHOLD", "high")
    with pytest.raises(Invalid, match=r"setting relevance\.threshold"):
        load(tmp_path)


def test_the_settings_reach_the_functions(tmp_path: Path) -> None:
    settings = {
        **FAST,
        "downgrade.weak": ["mine"],
        "downgrade.force_full_enrichment": True,
        "relevance.filter": False,
        "relevance.threshold": 0.9,
    }
    lake = open_lake(tmp_path / "home", settings=settings)
    try:
        session = lake.session()
        gate = "select mode, weak from downgrade(?, ?, force_full_enrichment := {})"
        assert session.run(gate.format("null"), [COMPOSED, STRONG]).rows() == [{"mode": COMPOSED, "weak": False}]
        assert session.run(gate.format("false"), [COMPOSED, STRONG]).rows() == [{"mode": ISOLATED, "weak": False}]
        assert session.run(gate.format("false"), [COMPOSED, "mine"]).rows() == [{"mode": COMPOSED, "weak": True}]
        assert session.run("select kept from relevance('alpha', ['beta'])").rows() == [{"kept": True}]
    finally:
        lake.close()
    lake = open_lake(tmp_path / "home", settings=settings | {"relevance.filter": True})
    try:
        kept = "select kept from relevance({'path': 'a/b/c.rs'}, [{'source': 'a/b/d.rs', 'content': ''}]"
        assert lake.session().run(f"{kept})").rows() == [{"kept": False}]
        assert lake.session().run(f"{kept}, threshold := 0.3)").rows() == [{"kept": True}]
    finally:
        lake.close()
