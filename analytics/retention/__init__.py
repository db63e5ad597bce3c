"""Calls are kept for a while, their sums for ever. sql/functions/retention.sql says what holds then.

rules       for how long calls are kept, and where they are written before they go
spans       what of whom went, and what is to go now
rows        calls of the database as rows of an archive
dropping    a run: freezes, archives, deletes in bites
restoring   calls of an archive in the database again
nightly     a run each night, in the background of a server
"""

from analytics.retention.dropping import RunResult, run_retention
from analytics.retention.nightly import EveryNight
from analytics.retention.restoring import restore_calls
from analytics.retention.rules import Rule, clear_rule, days_of_text, list_rules, set_rule
from analytics.retention.spans import Due, LastRun, Span, due_now, last_run, list_spans

__all__ = [
    "Due",
    "EveryNight",
    "LastRun",
    "Rule",
    "RunResult",
    "Span",
    "clear_rule",
    "days_of_text",
    "due_now",
    "last_run",
    "list_rules",
    "list_spans",
    "restore_calls",
    "run_retention",
    "set_rule",
]
