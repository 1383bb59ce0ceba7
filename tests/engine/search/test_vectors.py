"""Vectors on disk, what is refused, exact comparison, and the choice of the best."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Internal, Invalid
from engine.search.vectors import exact, stored


def unit(rows: int, dimension: int, seed: int = 7) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    made = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_what_is_written_is_read(tmp_path: Path, rows: int) -> None:
    made = unit(rows, 24)
    stored.write(tmp_path, made)
    found = stored.read(tmp_path, 24)
    assert np.array_equal(found, made)
    assert not found.flags.owndata  # mapped


def test_vectors_of_a_home_made_before_are_read(tmp_path: Path) -> None:
    made = unit(10, 24)
    pq.write_table(pa.table({"vector": [row.tobytes() for row in made]}), tmp_path / "vectors.parquet")
    assert np.array_equal(stored.read(tmp_path, 24), made)


def test_another_dimension_is_an_error(tmp_path: Path) -> None:
    stored.write(tmp_path, unit(3, 24))
    with pytest.raises(Internal, match="does not hold vectors of 25 dimensions"):
        stored.read(tmp_path, 25)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.nan, "holds NaN or infinity"),
        (np.inf, "holds NaN or infinity"),
        (-np.inf, "holds NaN or infinity"),
        (0.0, "is zero"),
    ],
)
def test_a_batch_with_one_bad_vector_is_refused_whole(tmp_path: Path, value: float, told: str) -> None:
    made = unit(100, 24)
    made[70] = 0 if value == 0 else made[70]
    made[70, 3] = value
    with pytest.raises(Invalid, match=f"vector 70 {told} \\(1 such vectors\\)"):
        stored.write(tmp_path, made)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_of_another_dimension_is_refused() -> None:
    with pytest.raises(Invalid, match="vectors of 25 dimensions are needed, not 3 × 24"):
        stored.refuse_unusable(unit(3, 24), 25)


@given(st.lists(st.integers(0, 1999), max_size=700))
def test_a_cosine_has_the_same_bits_whatever_is_compared_with_it(rows: list[int]) -> None:
    vectors, question = unit(2000, 40), unit(1, 40, 8)[0]
    every = exact.cosines(vectors, question)
    assert np.array_equal(exact.cosines(vectors, question, np.array(rows, np.int64)), every[rows])
    assert np.allclose(every, vectors.astype(np.float64) @ question.astype(np.float64), atol=1e-6)


@given(st.lists(st.sampled_from([0.125, 0.25, 0.5]), max_size=600), st.integers(0, 40))
def test_what_reaches_the_best_is_found_with_all_ties(scores: list[float], k: int) -> None:
    array = np.array(scores, np.float32)
    least = sorted(scores, reverse=True)[: min(k, len(scores))][-1:]
    expected = [at for at, score in enumerate(scores) if least and score >= least[0]]
    assert exact.reaching(array, k).tolist() == expected
