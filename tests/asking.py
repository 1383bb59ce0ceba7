"""Sessions of profiles that a test makes up."""

from engine.lake import Lake
from engine.session import Session


def session_of(lake: Lake, profile: str, role: str = "admin", grants: tuple[str, ...] = ("*",)) -> Session:
    """A session of `profile`, which is made with `role` and sees `grants` as they are."""
    owner = lake.session()
    owner.run("select * from create_profile(?, role := ?)", [profile, role]).rows()
    if role != "admin":
        for granted in grants:
            owner.run("select * from grant_access(?, ?)", [profile, granted]).rows()
    owner.close()
    return lake.session(profile)
