"""The default embedder, opened once for the tests of this folder."""

from pathlib import Path

import pytest

from engine.models.minilm import MiniLM, open_minilm


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def minilm(model_cache: Path) -> MiniLM:
    return open_minilm(model_cache, threads=2)
