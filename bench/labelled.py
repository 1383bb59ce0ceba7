"""All labelled collections on which learning is measured."""

from collections.abc import Callable
from pathlib import Path

from bench.claims import claims, popular
from bench.collection import Collection
from bench.cranfield import cranfield, of_sentences, reworded
from bench.reference import reference
from bench.staffing import staffing


def collections(cranfield_folder: Path, workers: int = 1200) -> list[Collection]:
    """All of them; those of Cranfield only where it is."""
    made: list[Callable[[], list[Collection]]] = [lambda: [staffing(workers)], lambda: [reference()]]
    if cranfield_folder.is_dir():
        made += [lambda: [cranfield(cranfield_folder)], lambda: of_sentences(cranfield_folder)]
        made += [lambda: [claims(cranfield_folder)], lambda: [popular(cranfield_folder)]]
        made += [lambda: [reworded(cranfield_folder)]]
    return [one for make in made for one in make()]
