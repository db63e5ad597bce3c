"""Alerts: what is worth telling, who is told, and that they were.

A rule sees that something is so; an event is kept once for it, by a unique key and with its evidence, in one
transaction with a row of the outbox for each channel; the outbox is delivered until it is, or given up.
"""

from analytics.alerts.channels import Channel, read_channels, test_channel
from analytics.alerts.every_minute import EveryMinute
from analytics.alerts.keep import acknowledge, mute, unmute
from analytics.alerts.looking import check
from analytics.alerts.outbox import deliver

__all__ = [
    "Channel",
    "EveryMinute",
    "acknowledge",
    "check",
    "deliver",
    "mute",
    "read_channels",
    "test_channel",
    "unmute",
]
