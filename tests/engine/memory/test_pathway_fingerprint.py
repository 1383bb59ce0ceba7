"""Fingerprints against the frozen file, and against the formula itself."""

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.memory.pathways.fingerprint import BUCKETS, bucket, cosine, file_prefix, pathway_id, vector
from engine.memory.pathways.review import findings
from tests.engine.memory.pathway_golden import GOLDEN, golden

KEPT = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["ids", "vectors", "traces", "reviews"])
def test_nothing_that_was_frozen_has_changed(part: str) -> None:
    made = json.loads(json.dumps(golden()[part]))
    assert made == KEPT[part], "recorded pathways would not be found again; see pathway_golden.py"
    assert len(KEPT["vectors"]) >= 10


def test_the_id_is_the_digest_of_the_formula() -> None:
    expected = hashlib.sha256(b"code_review|crates/queryd|overflow").hexdigest()
    assert pathway_id("code_review", "crates/queryd/src/db.rs", "overflow") == expected
    assert expected == "e1abe8407d75e6387d5b6c271b36216ca881e221e873cf25d410c2d7ef497d82"


def test_a_token_falls_into_the_low_five_bits_of_its_first_byte() -> None:
    for token in ("a", "flag:offbyone", "größe"):
        assert bucket(token) == int(hashlib.sha256(token.encode()).hexdigest()[:2], 16) & 31
    made = vector(["A ", "a", "b"])
    assert made[bucket("a")] == pytest.approx(2 / math.sqrt(5))
    assert made[bucket("b")] == pytest.approx(1 / math.sqrt(5))


@given(st.lists(st.text(max_size=12), max_size=30), st.randoms())
def test_vectors_are_of_unit_length_whatever_the_order(tokens: list[str], chance: object) -> None:
    made = vector(tokens)
    shuffled = list(tokens)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert np.array_equal(made, vector(shuffled))
    assert made.dtype == np.float32
    assert made.shape == (BUCKETS,)
    has_words = any(token.strip() for token in tokens)
    assert float(np.linalg.norm(made)) == pytest.approx(1.0 if has_words else 0.0, abs=1e-6)
    assert cosine(made, made) == (1.0 if has_words else 0.0)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("crates/queryd/src/db.rs", "crates/queryd"),
        ("/crates/queryd", "crates/queryd"),
        ("./a/./b/c", "a/b"),
        ("a\\b\\c", "a/b"),
        ("main.rs", "main.rs"),
        ("", ""),
    ],
)
def test_the_prefix_is_two_segments(path: str, prefix: str) -> None:
    assert file_prefix(path) == prefix
    assert file_prefix(prefix) == prefix


@pytest.mark.parametrize(
    ("review", "key"),
    [
        ("**Flag: UnitMismatch** `checked_sub` `base_rows` `checked_add`", "base_rows-checked_add-checked_sub"),
        ("**Flag: UnitMismatch** `DeltaStats` `apply_delta` `DeltaError`", "DeltaError-DeltaStats-apply_delta"),
        ("**Flag: UnitMismatch** `fn` `id` `OffByOne` `row_count`", "row_count"),
        ("**Flag: UnitMismatch** `long_name(x.abc, y::zed, abcd, abcde)`", "abcde-long_name-y::zed"),
    ],
)
def test_pattern_keys_of_the_original(review: str, key: str) -> None:
    assert [one.pattern_key for one in findings(review)] == [f"UnitMismatch:{key}"]
