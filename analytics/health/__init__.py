"""Whether the numbers can be trusted: checks as data, for the page and `python -m analytics doctor` alike.

client_checks(database, client_id, days, now)  # one client's calls
installation_checks(database, days, now)  # the database, this machine, the price list
sums_check(database, client_id, first, last)  # reads every call: for when somebody asks
"""

from analytics.health.calls import client_checks, sums_check
from analytics.health.checks import Check, State, worst
from analytics.health.installation import installation_checks
from analytics.health.shards import shard_checks

__all__ = ["Check", "State", "client_checks", "installation_checks", "shard_checks", "sums_check", "worst"]
