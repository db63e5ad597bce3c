"""How long the application waits for a log_*(), beside what its peers take.

Calls are timed one by one, beside a manual generation of Langfuse and a span of OpenTelemetry with the
GenAI attributes, both with the batching and the exporter that their users get. Both are told what ours is
told: client, conversation, phone, model and tokens, the cached ones included; neither looks up a price. A
bare span, of model and tokens alone, is the least that anybody would record. Calls come in bursts of 10,
with pauses of 10 milliseconds. Some 700 a second are more than most applications make, and few enough that
what ships in the background works between and during them, as it does in an application. Flat out a block
would be over before anything is shipped. The ways take turns, block by block; each ends its block by
sending what is left, which is not timed. Theirs goes to a process that keeps the bodies and answers 200,
ours to PostgreSQL on the same machine, triggers on. At the end all calls must have arrived: nobody is timed
while dropping.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

import psycopg

from analytics.database import Database
from bench.collector import collecting
from bench.tracked import CALLS_PER_BLOCK, Call, make_calls, require_all, tracking_to
from bench.ways import Way, our_ways, their_ways

BLOCKS = 5
BURST_CALLS = 10
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class CallTime:
    """What one way to log adds to a call, in microseconds: the medians of its blocks' percentiles."""

    name: str
    p50: float
    p99: float


def measure_calls(
    database: Database, connection: psycopg.Connection, directory: Path, blocks: int = BLOCKS
) -> list[CallTime]:
    """Times single calls; the tracker's go through a spool in the directory into a migrated database."""
    calls = make_calls("timed")
    with tracking_to(database, directory), collecting() as collector_url, ExitStack() as stack:
        ways = our_ways(connection, stack) + their_ways(collector_url, stack)
        percentiles: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
        for block in range(blocks + 1):  # the first one only warms up
            for way in ways:
                found = _time_block(way, list(islice(calls, CALLS_PER_BLOCK)))
                if block:
                    percentiles[way.name].append(found)
        for way in ways:
            require_all(way.name, way.arrived(), of=(blocks + 1) * CALLS_PER_BLOCK)
    return [
        CallTime(name=name, p50=median(p50 for p50, _ in found), p99=median(p99 for _, p99 in found))
        for name, found in percentiles.items()
    ]


def _time_block(way: Way, calls: Sequence[Call]) -> tuple[float, float]:
    """The 50th and the 99th percentile."""
    microseconds = []
    for number, call in enumerate(calls):
        if number % BURST_CALLS == 0:
            time.sleep(PAUSE_SECONDS)
        start = time.perf_counter_ns()
        way.log(call)
        microseconds.append((time.perf_counter_ns() - start) / 1000)
    way.send_rest()
    percentiles = quantiles(microseconds, n=100)
    return percentiles[49], percentiles[98]
