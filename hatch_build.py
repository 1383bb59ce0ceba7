"""Build hook: in the wheel the rooms live under `lakehouse/`; in an editable install nothing is moved.

A wheel that put `engine`, `sql` and `web` straight into site-packages would overwrite other packages of those names, so
the hook copies the rooms to a staging folder, rewrites their `from room…` lines and force-includes that folder.
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOMS = ("engine", "udfs", "sql", "flight", "web", "cli")
CROSS_ROOM = re.compile(rf"^(\s*)from ({'|'.join(ROOMS)})(?=[. ])", re.MULTILINE)


class RoomsUnderOneName(BuildHookInterface[Any]):
    """Stage the rooms and the face as one package named `lakehouse`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the package for a standard wheel; leave an editable one alone."""
        if version == "editable":
            return
        root = Path(self.root)
        self.staging = Path(tempfile.mkdtemp(prefix="lakehouse-wheel-"))
        package = self.staging / "lakehouse"
        package.mkdir()
        for room in ROOMS:
            shutil.copytree(
                root / room, package / room, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules")
            )
        shutil.copy(root / "lakehouse.py", package / "__init__.py")
        (package / "__main__.py").write_text("from lakehouse import main\n\nmain()\n", encoding="utf-8")
        for module in package.rglob("*.py"):
            source = module.read_text(encoding="utf-8")
            module.write_text(CROSS_ROOM.sub(r"\1from lakehouse.\2", source), encoding="utf-8")
        build_data["force_include"][str(package)] = "lakehouse"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the staging folder."""
        staging = getattr(self, "staging", None)
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
