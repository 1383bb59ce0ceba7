"""Vectors on disk, and the choice of the best of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Internal
from engine.search import vectors


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_what_is_written_is_read(tmp_path: Path, rows: int) -> None:
    made = np.random.default_rng(7).standard_normal((rows, 24)).astype(np.float32)
    vectors.write(tmp_path / "v.parquet", made)
    assert np.array_equal(vectors.read(tmp_path / "v.parquet", 24), made)


def test_another_dimension_is_an_error(tmp_path: Path) -> None:
    vectors.write(tmp_path / "v.parquet", np.ones((3, 24), np.float32))
    with pytest.raises(Internal, match="does not hold vectors of 25 dimensions"):
        vectors.read(tmp_path / "v.parquet", 25)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, -np.inf]), max_size=30), st.integers(0, 40))
def test_best_is_a_stable_sort_without_minus_infinity(scores: list[float], k: int) -> None:
    array = np.array(scores, np.float32)
    expected = [at for at in sorted(range(len(scores)), key=lambda at: (-scores[at], at)) if scores[at] > -np.inf][:k]
    assert vectors.best(array, k).tolist() == expected
