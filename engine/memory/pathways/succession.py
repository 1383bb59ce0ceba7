"""Where traces of a file come among the pathways that are known: a pathway has one successor, whatever tells of it.

What a file tells of its own traces stands. A trace that follows a pathway of the lake takes its place, as one that
`pathway_revise` makes; where another has that place, it is left out, and with it what follows it. What is retired, with
nothing live after it, takes no place: it is history.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.errors import Conflict
from engine.memory.pathways.entry import Entry
from engine.memory.pathways.store import Unit


class Succession:
    """Puts the new traces of one file in their places, each predecessor before what follows it."""

    def __init__(self, unit: Unit, told: Mapping[str, Entry]) -> None:
        """`told`: all traces of the file by their uids, which `unit` has loaded."""
        self._unit, self._told = unit, told
        self._new = {uid: entry for uid, entry in told.items() if unit.find(uid) is None}
        self._placed: dict[str, Entry] = {}
        self._left_out: set[str] = set()
        parents = {one.predecessor_uid for one in self._new.values() if one.predecessor_uid} - set(self._new)
        unit.load(parents)
        followers = [one for one in unit.followers({*parents, *self._new}) if one.is_live or one.superseded_by]
        self._followers = {str(one.predecessor_uid): one for one in reversed(followers)}
        self._heirs = self._known_heirs(parents)
        self._lasting = self._with_what_is_live()

    def _known_heirs(self, parents: set[str]) -> dict[str, str]:
        """Who has the place of which pathway: as the lake knows it, or else as the file says."""
        heirs = {uid: one.uid for uid, one in self._followers.items()}
        known = [one for uid in parents if (one := self._unit.find(uid))]
        heirs.update({one.uid: one.superseded_by for one in known if one.superseded_by})
        for one in known:
            named = self._new.get(self._told[one.uid].superseded_by or "") if one.uid in self._told else None
            if named is not None and named.predecessor_uid == one.uid:
                heirs.setdefault(one.uid, named.uid)
        return heirs

    def _with_what_is_live(self) -> set[str]:
        """The new traces that are live, or that something live follows."""
        lasting: set[str] = set()
        for uid, entry in self._new.items():
            at = uid if entry.is_live or uid in self._followers else ""
            while at in self._new and at not in lasting:
                lasting.add(at)
                at = self._new[at].predecessor_uid or ""
        return lasting

    def new(self) -> Iterator[Entry]:
        """The traces that are new, each predecessor first."""
        seen: set[str] = set()
        for uid in self._new:
            line, at = [], uid
            while at in self._new and at not in seen:
                seen.add(at)
                line.append(self._new[at])
                at = self._new[at].predecessor_uid or ""
            yield from reversed(line)

    def placed(self, entry: Entry) -> Entry:
        """A new trace as it is to be put; the pathway whose place it takes is superseded. Raises Conflict."""
        try:
            self._claim(entry)
        except Conflict:
            self._left_out.add(entry.uid)
            raise
        uid, parent_uid = entry.uid, entry.predecessor_uid or ""
        parent = None if parent_uid in self._new else self._unit.find(parent_uid)
        if parent is not None and self._heirs.get(parent_uid) == uid != parent.superseded_by:
            self._unit.put(_superseded(parent, entry), "superseded", by=uid)
        elder = parent or self._placed.get(parent_uid)
        if elder is not None:
            entry = replace(entry, recorded_by=elder.recorded_by)  # a revision stays with its recorder
        follower = self._followers.get(uid)
        self._placed[uid] = entry if follower is None else _superseded(entry, follower)
        return self._placed[uid]

    def _claim(self, entry: Entry) -> None:
        """Reserve the place after its predecessor, if it wants it."""
        uid, parent_uid = entry.uid, entry.predecessor_uid or ""
        if parent_uid in self._left_out:
            raise Conflict(f"its predecessor {parent_uid[:80]!r} is left out")
        heir = self._heirs.get(parent_uid)
        if heir != uid and uid not in self._lasting:
            return
        if heir not in (None, uid):
            raise Conflict(f"its predecessor {parent_uid[:80]!r} has another successor, {str(heir)[:80]!r}")
        if parent_uid not in self._new and self._unit.find(parent_uid) is not None:
            if self._followers and self._follows_itself(entry):
                raise Conflict("its predecessors run in a circle")
            self._heirs[parent_uid] = uid

    def _follows_itself(self, entry: Entry) -> bool:
        at, seen = entry.predecessor_uid or "", {""}
        while at != entry.uid and at not in seen:
            seen.add(at)
            if at not in self._new:
                self._unit.load([at])
            found = self._new.get(at) or self._unit.find(at)
            at = (found.predecessor_uid if found else None) or ""
        return at == entry.uid


def _superseded(entry: Entry, by: Entry) -> Entry:
    at_ns = by.created_at_ns if entry.superseded_at_ns is None else entry.superseded_at_ns
    return replace(entry, superseded_by=by.uid, superseded_at_ns=at_ns)
