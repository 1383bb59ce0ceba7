"""When a corpus is brought up to date: by hand, after a change of its source, or at times of a cron expression."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from engine.errors import Invalid, nearest

MANUAL, ON_APPEND = "manual", "on_append"
FIELDS = 5
CRON = "or a cron expression of five fields in UTC, such as '0 3 * * *'"


def check(refresh: str) -> None:
    """Raise Invalid unless it is manual, on_append or a cron expression with a time to come."""
    if refresh in (MANUAL, ON_APPEND):
        return
    if len(refresh.split()) != FIELDS:
        hint = nearest(refresh, (MANUAL, ON_APPEND))
        raise Invalid(f"unknown refresh policy {refresh!r}", f"{hint.rstrip('?')}, {CRON}")
    try:
        next(CronSim(refresh, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise Invalid(f"the cron expression {refresh!r} is wrong: {error}", f"for example {CRON[3:]}") from None
    except StopIteration:
        raise Invalid(f"the cron expression {refresh!r} names no time that comes", "choose another one") from None


def following(refresh: str, after: float) -> float | None:
    """The first time of a cron expression after a moment, in seconds since the epoch; None for other policies."""
    if refresh in (MANUAL, ON_APPEND):
        return None
    return next(CronSim(refresh, datetime.fromtimestamp(after, UTC))).timestamp()
