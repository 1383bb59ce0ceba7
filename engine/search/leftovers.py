"""What a crash leaves on the disk: folders of generations and of corpora that no row of the control plane names."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from engine.search import generation
from engine.search.generation import Manifest


def sweep(folder: Path, kept: set[str]) -> int:
    """Remove everything of a corpus but the folders that are `kept`; returns how many things that were."""
    removed = 0
    for child in list(folder.iterdir()) if folder.is_dir() else ():
        if child.name not in kept:
            removed += 1
            if child.is_dir():
                shutil.rmtree(child, ignore_errors=True)
            else:
                child.unlink(missing_ok=True)
    return removed


def remove(root: Path, kept: Mapping[str, list[Manifest]]) -> int:
    """Remove what no manifest needs below `root`; `kept`: the manifests by the folder of their corpus."""
    removed = 0
    for folder in list(root.iterdir()) if root.is_dir() else ():
        if folder.name in kept:
            removed += sweep(folder, generation.folders(kept[folder.name]))
        else:
            removed += max(1, sweep(folder, set()))
            folder.rmdir()
    return removed
