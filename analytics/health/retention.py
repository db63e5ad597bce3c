"""Whether calls go as the rules of retention say, and what the last run freed."""

from datetime import datetime, timedelta

from analytics.database import Database
from analytics.formatting import counted
from analytics.health.checks import Check, ago
from analytics.retention import due_now, last_run

_LATE = timedelta(days=3)


def retention_check(database: Database, now: datetime) -> Check:
    """Says when the last run was; warns where calls are due for days and nothing drops them."""
    name = "Retention"
    state = last_run(database)
    if not state.has_rules or state.rules_set_at is None:
        return Check(name=name, state="ok", finding="no rule: all calls are kept")
    finding = "no run had anything to drop yet"
    if state.begun_at is not None:
        size = (state.deleted_bytes or 0) / 1_000_000
        finding = (
            f"the last run, {ago(state.begun_at, now)}, dropped {counted(state.deleted_count or 0, 'call')}, "
            f"{size:,.1f} MB of rows"
        )
    if state.error is not None:
        return Check(
            name=name,
            state="fail",
            finding=f"{finding}; it ended with: {state.error}",
            remedy='see it, then run "python -m analytics retention run", which goes on',
        )
    late = [each for each in due_now(database, now) if each.end_date - each.first_date > _LATE]
    if late and now - max(state.rules_set_at, state.begun_at or state.rules_set_at) > _LATE:
        return Check(
            name=name,
            state="warn",
            finding=f"{finding}; calls of {counted(len(late), 'client')} should have gone days ago",
            remedy="a server drops them at night; elsewhere let cron run python -m analytics retention run",
        )
    return Check(name=name, state="ok", finding=finding)
