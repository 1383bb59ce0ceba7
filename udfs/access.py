"""Kernels of the area access, and those by which the lake shows its own state."""

from typing import Any

from engine.access.credentials import encode, expiry
from engine.access.profiles import make_grant
from engine.access.validation import check_objects
from engine.errors import Invalid, NotFound
from engine.session import Session
from udfs.kernel import Call, kernel

PROFILE = "STRUCT(profile VARCHAR, status VARCHAR, role VARCHAR)[]"
GRANTED = "STRUCT(profile VARCHAR, object VARCHAR, status VARCHAR)[]"
ENDED = "STRUCT(id VARCHAR, status VARCHAR)[]"


@kernel(
    "_journal_in_memory",
    "",
    "STRUCT(entry BIGINT, ts TIMESTAMPTZ, kind VARCHAR, subject VARCHAR, actor VARCHAR, statement_id VARCHAR, "
    "body VARCHAR)[]",
    "reads",
)
def journal_in_memory(call: Call) -> list[dict[str, Any]]:
    """Entries of the journal that are not on disk yet, or only since a moment."""
    return [{**vars(entry), "ts": int(entry.ts * 1e6)} for entry in call.lake.journal.in_memory()]


@kernel(
    "_running_statements",
    "",
    "STRUCT(ts TIMESTAMPTZ, statement_id VARCHAR, status VARCHAR, kind VARCHAR, sql VARCHAR, rows BIGINT, "
    "bytes BIGINT, milliseconds DOUBLE, outcome VARCHAR, progress VARCHAR, profile VARCHAR, session_id VARCHAR)[]",
    "reads",
)
def running_statements(call: Call) -> list[dict[str, Any]]:
    """The statements that run now, the caller's own left out."""
    return [one.shown(call.lake.clock()) for one in call.lake.statements() if one is not call.statement]


@kernel("_settings", "", "STRUCT(key VARCHAR, value VARCHAR, origin VARCHAR, description VARCHAR)[]", "reads")
def settings(call: Call) -> list[dict[str, str]]:
    """The effective configuration with the origin of each value."""
    return call.lake.loaded.rows()


@kernel(
    "_sessions",
    "",
    "STRUCT(session_id VARCHAR, profile VARCHAR, role VARCHAR, began_at TIMESTAMPTZ, statements BIGINT, "
    "transactions BIGINT)[]",
    "reads",
)
def sessions(call: Call) -> list[dict[str, Any]]:
    """The open sessions."""
    found = [session for session in call.lake.sessions if not session.closed]
    return [session.shown() for session in sorted(found, key=lambda one: (one.began, one.id))]


@kernel("_create_profile", "VARCHAR, VARCHAR, VARCHAR", PROFILE, "administers")
def create_profile(call: Call, profile: str | None, role: str | None, description: str | None) -> list[dict[str, Any]]:
    """Make a profile; one row."""
    status, given = call.lake.profiles.create(profile, role, description, call.session.profile)
    return [{"profile": profile, "status": status, "role": given}]


@kernel("_drop_profile", "VARCHAR", PROFILE, "administers")
def drop_profile(call: Call, profile: str | None) -> list[dict[str, Any]]:
    """Remove a profile; one row."""
    status, role = call.lake.profiles.drop(profile, call.session.profile)
    call.lake.credentials.forget_dropped()
    call.lake.end_sessions(lambda session: session.profile == profile)
    return [{"profile": profile, "status": status, "role": role}]


@kernel("_set_password", "VARCHAR, VARCHAR", "STRUCT(profile VARCHAR, status VARCHAR)[]", "administers")
def set_password(call: Call, profile: str | None, password: str | None) -> list[dict[str, Any]]:
    """Let a profile log in by a password; one row."""
    encoded = None if password is None else encode(password)
    call.lake.profiles.set_password(profile, encoded, call.session.profile)
    return [{"profile": profile, "status": "set" if encoded else "removed"}]


@kernel("_grant_access", "VARCHAR, VARCHAR, VARCHAR, VARCHAR[], VARCHAR", GRANTED, "administers")
def grant_access(
    call: Call, profile: str | None, object: str | None, filter: str | None, columns: list[str] | None,
    masks: str | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Show an object to a profile; one row."""
    wanted = make_grant(object, filter, columns, masks)
    check_objects(call.lake, wanted)
    status = call.lake.profiles.grant(profile, wanted, call.session.profile)
    return [{"profile": profile, "object": wanted.object, "status": status}]


@kernel("_revoke_access", "VARCHAR, VARCHAR", GRANTED, "administers")
def revoke_access(call: Call, profile: str | None, object: str | None) -> list[dict[str, Any]]:
    """Take a grant back; one row."""
    status = call.lake.profiles.revoke(profile, object, call.session.profile)
    return [{"profile": profile, "object": object, "status": status}]


@kernel(
    "_create_token",
    "VARCHAR, VARCHAR",
    "STRUCT(token_id VARCHAR, token VARCHAR, profile VARCHAR, expires TIMESTAMPTZ)[]",
    "administers",
)
def create_token(call: Call, profile: str | None, expires: str | None) -> list[dict[str, Any]]:
    """Make a token; one row, the only one that ever shows it."""
    until = expiry(expires, call.lake.clock())
    token_id, token = call.lake.credentials.create(profile, until, call.session.profile)
    return [{"token_id": token_id, "token": token, "profile": profile, "expires": until}]


@kernel("_revoke_token", "VARCHAR", "STRUCT(token_id VARCHAR, status VARCHAR, profile VARCHAR)[]", "administers")
def revoke_token(call: Call, token_id: str | None) -> list[dict[str, Any]]:
    """Make a token worthless; one row."""
    gone = call.lake.credentials.revoke(token_id, call.session.profile)
    call.lake.end_sessions(lambda session: session.token_id == gone.token_id)
    return [{"token_id": gone.token_id, "status": "revoked", "profile": gone.profile}]


@kernel("_cancel_statement", "VARCHAR", ENDED, "reads")
def cancel_statement(call: Call, statement_id: str | None) -> list[dict[str, Any]]:
    """Stop a running statement; one row."""
    running = {one.statement_id: one for one in call.lake.statements() if mine(call, one.session)}
    found = running.get(statement_id or "")
    if found is None:
        raise NotFound(f"no statement {statement_id!r} runs", "see lake.statements")
    found.cancel()
    return [{"id": statement_id, "status": "cancelled"}]


@kernel("_close_session", "VARCHAR", ENDED, "reads")
def close_session(call: Call, session_id: str | None) -> list[dict[str, Any]]:
    """End a session; one row."""
    known = [one for one in call.lake.sessions if one.id == session_id and not one.closed and mine(call, one)]
    if not known:
        raise NotFound(f"no session {session_id!r} is open", "see lake.sessions")
    if known[0] is call.session:
        raise Invalid("this statement runs in that session", "disconnect instead")
    known[0].close()
    return [{"id": session_id, "status": "closed"}]


def mine(call: Call, session: Session) -> bool:
    """Whether the caller may end what a session does: his own profile's, or everyone's for an admin."""
    return call.session.role == "admin" or session.profile == call.session.profile


KERNELS = [
    journal_in_memory, running_statements, settings, sessions, create_profile, drop_profile, set_password, grant_access,
    revoke_access, create_token, revoke_token, cancel_statement, close_session,
]  # fmt: skip
