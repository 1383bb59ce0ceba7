"""Makes `pathway_golden.json`: ids, vectors and pattern keys as they were frozen.

The original's bytes are not known, so this file is the contract: vectors that are recorded are compared with new ones
for ever. Remake it only on purpose, with a migration: `python -m tests.engine.memory.pathway_golden`.
"""

import json
from pathlib import Path
from typing import Any

from engine.memory.pathways.fingerprint import BUCKETS, pathway_id, vector
from engine.memory.pathways.review import findings
from engine.memory.pathways.trace import read

GOLDEN = Path(__file__).with_name("pathway_golden.json")

IDS = [
    ["code_review", "crates/queryd/src/db.rs", "overflow"],
    ["code_review", "crates/queryd", "overflow"],
    ["code_review", "./crates//queryd/src/other.rs", "overflow"],
    ["code_review", "crates\\queryd\\src\\db.rs", "overflow"],
    ["Code_Review", "crates/queryd/src/db.rs", "overflow"],
    ["code_review", "main.rs", ""],
    ["", "", ""],
    ["pr_audit", "größe/π/日本.ts", "señal"],
    ["a|b", "c", "d"],
]
TOKENS = [
    [],
    ["", "  "],
    ["code_review"],
    ["  Code_Review\n"],
    ["a", "b"],
    ["b", "a"],
    ["a", "a", "b"],
    ["flag:UnitMismatch"],
    ["flag:UnitMismatch", "bug:UnitMismatch:UnitMismatch:base_rows-checked_add-checked_sub"],
    ["task:code_review", "prefix:crates/queryd", "file:crates/queryd/src/db.rs", "signal:overflow"],
    ["größe", "GRÖSSE", "日本語", "🚚"],
    ["İstanbul", "ſ", "ß"],
    [f"token {n}" for n in range(200)],
]
TRACES: list[dict[str, Any]] = [
    {},
    {"task_class": "code_review", "file_path": "crates/queryd/src/db.rs", "signal_class": "overflow"},
    {
        "task_class": "code_review",
        "file_prefix": "crates/queryd",
        "semantic_flags": [{"kind": "OffByOne"}, "DeadCode"],
        "bug_fingerprints": [{"flag": "OffByOne", "pattern_key": "OffByOne:row_count", "occurrences": 3}],
    },
]
REVIEWS = [
    "**Flag: UnitMismatch** `base_rows` goes through `checked_add` and `checked_sub`. Confidence: 85%",
    "- NullableConfusion: `apply_delta` drops `DeltaError` and `DeltaStats`",
    "**Flag: offbyone** in `for i in 0..=rows.len()`; `self.row_count` is `usize`",
    "**Flag: StaleReference** `catalogd::Registry::get(name).unwrap()` after `drop_table`",
    "**Flag: DeadCode** nothing is quoted",
    "**Flag: DeadCode** `ab` `fn` `DeadCode` `x1`",
    "OffByOne and DeadCode in `row_count`\nOffByOne again in `row_count`\nConfidence: 40%",
    "**Flag: TypeConfusion** `a_one` `b_two` `c_three` `d_four`\nOffByOne is only mentioned",
    "**Flag: Nonsense** `row_count`",
    "no flag at all",
]


def sparse(tokens: list[str]) -> dict[str, float]:
    """A vector as its buckets that are not zero."""
    made = vector(tokens)
    assert made.shape == (BUCKETS,)
    return {str(at): round(float(made[at]), 7) for at in range(BUCKETS) if made[at]}


def golden() -> dict[str, Any]:
    """All that is frozen."""
    return {
        "ids": [{"of": of, "id": pathway_id(of[0], of[1], of[2])} for of in IDS],
        "vectors": [{"tokens": tokens, "vector": sparse(tokens)} for tokens in TOKENS],
        "traces": [
            {"trace": trace, "id": read(trace).pathway_id, "vector": sparse(read(trace).tokens())} for trace in TRACES
        ],
        "reviews": [{"review": review, "findings": [vars(one) for one in findings(review)]} for review in REVIEWS],
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
