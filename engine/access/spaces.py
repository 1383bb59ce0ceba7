"""The namespaces of all restricted profiles, made when first needed and anew when grants change."""

import threading
from typing import TYPE_CHECKING

from engine.access.namespace import Namespace
from engine.access.profiles import Profile
from engine.errors import Unauthenticated

if TYPE_CHECKING:
    from engine.lake import Lake


class Spaces:
    """One namespace a profile. Those of former grants are removed when no statement runs in them."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake."""
        self._lake = lake
        self._lock = threading.Lock()
        self._known: dict[str, Namespace] = {}
        self._former: list[Namespace] = []
        self._made = 0

    def profile(self, name: str) -> Profile:
        """The profile as it is now. Raises Unauthenticated when it was dropped."""
        found = self._lake.profiles.find(name)
        if found is None:
            raise Unauthenticated(f"the profile {name!r} does not exist any more", "log in as another one")
        return found

    def of(self, name: str) -> Namespace | None:
        """The up-to-date namespace of a profile, None for an admin. Raises Unauthenticated when it was dropped."""
        profile = self.profile(name)
        if profile.sees_everything:
            return None
        with self._lock:
            found = self._known.get(name)
            if found is None or found.profile != profile:
                if found is not None:
                    self._former.append(found)
                self._made += 1
                self._known[name] = found = Namespace(self._lake, profile, self._made)
                self._sweep()
        found.refresh()
        return found

    def forget(self) -> None:
        """Forget all of them: the engine that held them has ended."""
        with self._lock:
            self._known.clear()
            self._former.clear()

    def _sweep(self) -> None:
        used = {one.path for one in self._lake.cursors.taken()}
        gone = [one for one in self._former if not any(one.catalog in path for path in used)]
        for one in gone:
            one.close()
        self._former = [one for one in self._former if one not in gone]
