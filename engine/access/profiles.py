"""Profiles: who asks, his role, and his grants. All of them in memory: every statement of every door needs them."""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from engine.access import masks
from engine.access.objects import Pattern, read
from engine.access.roles import ROLES, Role
from engine.errors import Conflict, Invalid, NotFound, nearest

if TYPE_CHECKING:
    from engine.lake import Lake

ADMIN = "admin"
NAME = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,62}")


@dataclass(frozen=True)
class Grant:
    """What a profile sees of the objects that `object` names."""

    object: str
    filter: str | None = None
    columns: tuple[str, ...] | None = None
    masks: tuple[tuple[str, str], ...] = ()

    @property
    def pattern(self) -> Pattern:
        """The object, parsed."""
        return read(self.object)

    @property
    def is_plain(self) -> bool:
        """Whether everything of the object is seen as it is: only then it may be changed."""
        return self.filter is None and self.columns is None and not self.masks

    def hides(self, column: str) -> bool:
        """Whether a column is not seen at all."""
        return self.columns is not None and column.lower() not in {name.lower() for name in self.columns}

    def mask(self, column: str) -> str | None:
        """The mask of a column."""
        return next((mask for name, mask in self.masks if name.lower() == column.lower()), None)


@dataclass(frozen=True)
class Profile:
    """One profile with its grants, the most specific first."""

    name: str
    role: Role
    description: str | None = None
    password: str | None = field(default=None, repr=False)
    grants: tuple[Grant, ...] = ()

    @property
    def sees_everything(self) -> bool:
        """Whether nothing is hidden from it: grants are for the roles below admin."""
        return self.role == "admin"

    def on_table(self, bucket: str, schema: str, table: str) -> Grant | None:
        """The most specific grant on a table or view; None when it is hidden."""
        return next((one for one in self.grants if one.pattern.is_table(bucket, schema, table)), None)

    def on_corpus(self, corpus: str) -> Grant | None:
        """The most specific grant on a corpus; None when it is hidden."""
        return next((one for one in self.grants if one.pattern.is_corpus(corpus)), None)

    def changes(self, bucket: str, schema: str, table: str) -> bool:
        """Whether a table, which need not exist, lies where everything is seen as it is: there it may be written."""
        grant = self.on_table(bucket, schema, table)
        return self.sees_everything or (grant is not None and grant.is_plain)

    def sees(self, bucket: str, schema: str, table: str) -> bool:
        """Whether a table or view is seen, be it in part."""
        return self.sees_everything or self.on_table(bucket, schema, table) is not None

    def sees_corpus(self, corpus: str) -> bool:
        """Whether a corpus is seen, be it in part."""
        return self.sees_everything or self.on_corpus(corpus) is not None

    def changes_corpus(self, corpus: str) -> bool:
        """Whether a corpus, which need not exist, may be made, refreshed and dropped."""
        grant = self.on_corpus(corpus)
        return self.sees_everything or (grant is not None and grant.is_plain)

    def whole(self, bucket: str) -> bool:
        """Whether everything in the bucket is seen as it is, whatever will be created in it."""
        inside = [one for one in self.grants if one.pattern.touches(bucket)]
        return (
            bool(inside) and all(one.is_plain for one in inside) and any(one.pattern.is_whole(bucket) for one in inside)
        )


OWNER = Profile(ADMIN, "admin", "the owner of the home")


class Profiles:
    """All profiles of a lake. `version` grows with every change."""

    def __init__(self, lake: "Lake") -> None:
        """Made by the lake, when its control plane is open."""
        self._lake = lake
        self._lock = threading.Lock()
        self.version = 0
        self._known = self._load()

    def _load(self) -> Mapping[str, Profile]:
        with self._lake.control() as cursor:
            rows = cursor.execute("select profile, role, description, password from control.profile").fetchall()
            granted = cursor.execute(
                "select profile, object, filter, columns, masks from control.access_grant"
            ).fetchall()
        grants: dict[str, list[Grant]] = {}
        for profile, *rest in granted:
            grants.setdefault(profile, []).append(_grant(*rest))
        known = {ADMIN: OWNER}
        for name, role, description, password in rows:
            mine = sorted(grants.get(name, []), key=lambda one: one.pattern.rank)
            known[name] = Profile(name, role, description, password, tuple(mine))
        return known

    def get(self, name: str) -> Profile:
        """The profile of that name. Raises NotFound naming the nearest."""
        found = self._known.get(name)
        if found is None:
            raise NotFound(f"profile {name!r} does not exist", nearest(name, self._known))
        return found

    def find(self, name: str) -> Profile | None:
        """The profile of that name, or None."""
        return self._known.get(name)

    def any_password(self) -> bool:
        """Whether a profile can log in by a password."""
        return any(one.password for one in self._known.values())

    def create(self, name: str | None, role: str | None, description: str | None, actor: str) -> tuple[str, Role]:
        """Make a profile, or change the role or description of one; (created | changed | exists, its role)."""
        checked = _check_name(name)
        if role not in ROLES:
            raise Invalid(f"unknown role {role!r}", nearest(str(role), get_args(Role)))
        with self._lock:
            before = self._known.get(checked)
            if before is not None and (before.role, before.description) == (role, description):
                return "exists", before.role
            with self._lake.control() as cursor:
                cursor.execute(
                    "insert into control.profile (profile, role, description) values (?, ?, ?) "
                    "on conflict do update set role = excluded.role, description = excluded.description",
                    [checked, role, description],
                )
                status = "created" if before is None else "changed"
                self._record(cursor, checked, {"action": status, "role": role}, actor)
            self._changed()
        return status, self._known[checked].role

    def drop(self, name: str | None, actor: str) -> tuple[str, Role]:
        """Remove a profile with its grants and tokens; its sessions end. Raises NotFound."""
        checked = _check_name(name)
        with self._lock:
            found = self.get(checked)
            with self._lake.control() as cursor:
                for table in ("access_grant", "token", "profile"):
                    cursor.execute(f"delete from control.{table} where profile = ?", [checked])
                self._record(cursor, checked, {"action": "dropped"}, actor)
            self._changed()
        return "dropped", found.role

    def set_password(self, name: str | None, encoded: str | None, actor: str) -> None:
        """Let a profile log in by a password (encoded, see `credentials`), or no longer (None)."""
        checked = _check_name(name)
        with self._lock:
            self.get(checked)
            with self._lake.control() as cursor:
                cursor.execute("update control.profile set password = ? where profile = ?", [encoded, checked])
                action = "password removed" if encoded is None else "password set"
                self._record(cursor, checked, {"action": action}, actor)
            self._changed()

    def grant(self, name: str | None, grant: Grant, actor: str) -> str:
        """Grant access; a grant on the same object is replaced; granted | changed | exists."""
        with self._lock:
            profile = self.get(name or "")
            if profile.sees_everything:
                raise Invalid(f"profile {name!r} has the role admin and sees everything", "grant to another role")
            before = next((one for one in profile.grants if one.object == grant.object), None)
            if before == grant:
                return "exists"
            columns = list(grant.columns) if grant.columns is not None else None
            encoded = json.dumps(dict(grant.masks)) if grant.masks else None
            status = "granted" if before is None else "changed"
            with self._lake.control() as cursor:
                cursor.execute(
                    "insert or replace into control.access_grant (profile, object, filter, columns, masks) "
                    "values (?, ?, ?, ?, ?)",
                    [profile.name, grant.object, grant.filter, columns, encoded],
                )
                told = {"object": grant.object, "filter": grant.filter, "columns": columns, "masks": encoded}
                self._record(cursor, profile.name, {"action": status, **told}, actor)
            self._changed()
        return status

    def revoke(self, name: str | None, object: str | None, actor: str) -> str:
        """Take a grant back; revoked. Raises NotFound naming the nearest grant."""
        with self._lock:
            profile = self.get(name or "")
            if object not in [one.object for one in profile.grants]:
                known = nearest(str(object), [one.object for one in profile.grants])
                raise NotFound(f"profile {name!r} has no grant on {object!r}", known)
            with self._lake.control() as cursor:
                cursor.execute(
                    "delete from control.access_grant where profile = ? and object = ?", [profile.name, object]
                )
                self._record(cursor, profile.name, {"action": "revoked", "object": object}, actor)
            self._changed()
        return "revoked"

    def _record(self, cursor: Any, name: str, body: dict[str, Any], actor: str) -> None:
        self._lake.journal.record_within(cursor, "access", name, body, actor)

    def _changed(self) -> None:
        self._known = self._load()
        self.version += 1


def _grant(object: str, filter: str | None, columns: list[str] | None, encoded: str | None) -> Grant:
    named = tuple(sorted(json.loads(encoded).items())) if encoded else ()
    return Grant(object, filter, tuple(columns) if columns is not None else None, named)


def make_grant(object: str | None, filter: str | None, columns: list[str] | None, encoded: str | None) -> Grant:
    """A grant as `grant_access` takes it. Raises Invalid for what cannot be meant.

    `encoded`: the masks as JSON, an object of column -> mask.
    """
    if not object or not object.strip():
        raise Invalid("a grant needs an object", "a bucket, bucket.schema, bucket.schema.table, a table or a corpus")
    read(object)
    if columns is not None and not columns:
        raise Invalid("the list of columns is empty", "leave it out to grant all columns")
    found = json.loads(encoded) if encoded else {}
    if not isinstance(found, dict):
        raise Invalid("masks must name columns", "for example masks := {'email': 'hash'}")
    for column, mask in found.items():
        if not isinstance(mask, str):
            raise Invalid(f"the mask of {column!r} is no text", masks.KNOWN)
        masks.parse(mask)
    both = [name for name in columns or () if name is None]
    if both:
        raise Invalid("a column of the grant is NULL", "name the columns")
    return _grant(object.strip(), filter, columns, encoded if found else None)


def _check_name(name: str | None) -> str:
    if not name or not NAME.fullmatch(name):
        raise Invalid(
            f"the profile name {name!r} cannot be used",
            "take 1 to 63 of a-z, 0-9 and _ . @ -",
        )
    if name == ADMIN:
        raise Conflict("the profile admin is built in", "make another profile with the role admin")
    return name
