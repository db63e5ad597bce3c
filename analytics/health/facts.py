"""Checks of what calls tell beside their tokens, and of spans that told of none."""

from collections.abc import Iterator, Mapping

from analytics.database import Rows
from analytics.formatting import counted, share
from analytics.health.checks import Check
from analytics.queries import FIELDS_NOT_UNDERSTOOD, TAG
from analytics.queries import OTHER_TAGS as OTHER
from analytics.queries.filters import YES
from analytics.tracking.metered import Told
from analytics.tracking.spans import PassedOver

NEWEST_CALLS = 10_000
"""So many calls with fields that were not understood are counted."""
FIELDS_NAMED = 5
OPERATIONS_NAMED = 5

OTHER_TAGS = """
    select coalesce(sum(request_count), 0)::bigint
    from usage_tagged_daily
    where
        client_id = %(client_id)s
        and usage_date between %(first_date)s and %(last_date)s
        and tag_set_id = 0
"""
"""Calls of which the tags are not kept apart."""
DAYS_TO_SUM = "select count(*), count(distinct client_id) from usage_days_to_sum"
"""Days of clients that sum_days_anew() has still to see to."""


def fields_not_understood(rows: Rows) -> Check:
    """Whether usage objects had fields that nothing knows; `rows` are those of FIELDS_NOT_UNDERSTOOD."""
    name = "Fields of usage objects"
    fields = list(FIELDS_NOT_UNDERSTOOD.records(rows))
    if not fields:
        return Check(name=name, state="ok", finding="all understood")
    named = "; ".join(
        f"{row['field']} of {row['source']} in {counted(row['request_count'], 'call')} ({row['treatment']})"
        for row in fields[:FIELDS_NAMED]
    )
    return Check(
        name=name,
        state="warn",
        finding=f"{counted(len(fields), 'field')} not understood in the newest calls: {named}"
        f"{'; ...' if len(fields) > FIELDS_NAMED else ''}. The cost of these calls is an estimate",
        remedy="update this package, as a newer version may know the field. Nothing is lost: the metadata of "
        "each of these calls keeps the whole usage object, under usage",
        calls={"has.unread": YES},
    )


def other_tags(rows: Rows, request_count: int) -> Check:
    """Whether a client has too many sets of tags to keep each; `rows` are those of OTHER_TAGS."""
    name = "Tags"
    other_count = rows.records[0][0]
    if not other_count:
        return Check(name=name, state="ok", finding="each set of tags is kept apart")
    return Check(
        name=name,
        state="warn",
        finding=f"{counted(other_count, 'call')}, {share(other_count, request_count)} of all, count under "
        '"other": on one day the client had more than 1,000 new sets of tags',
        remedy="tag what people group by, such as feature or team. A value that each call has anew, such as "
        "an id, belongs into the metadata",
        calls={f"{TAG}any": OTHER},
    )


def days_to_sum(rows: Rows) -> Check:
    """Whether the facts of calls from before an update are all in the sums; `rows` are of DAYS_TO_SUM."""
    name = "Facts of earlier calls"
    day_count, client_count = rows.records[0]
    if not day_count:
        return Check(name=name, state="ok", finding="all in the sums")
    return Check(
        name=name,
        state="warn",
        finding=f"{counted(day_count, 'day')} of {counted(client_count, 'client')} wait: what their calls "
        "tell of cached tokens, audio and operations is not in the sums yet. Tokens, costs and calls are",
        remedy='run "python -m analytics migrate"',
    )


def metered_tokens(told: Mapping[str, Told]) -> Iterator[Check]:
    """Whether coding agents' metrics tell of more than their logs do; none where no metrics came."""
    name = "Metrics of coding agents"
    metered = {agent: tokens for agent, tokens in told.items() if tokens.by_metrics}
    if not metered:
        return
    short = {agent: tokens for agent, tokens in metered.items() if tokens.is_short}
    listed = "; ".join(
        f"{agent}: {tokens.by_metrics:,} tokens by metrics, {tokens.by_logs:,} by its calls"
        for agent, tokens in (short or metered).items()
    )
    if not short:
        yield Check(name=name, state="ok", finding=f"since this server began, {listed}")
        return
    yield Check(
        name=name,
        state="warn",
        finding=f"calls are missing. Since this server began, {listed}",
        remedy="metrics only check the calls, and never count: have the agent send its logs, too "
        "(OTEL_LOGS_EXPORTER=otlp)",
    )


def spans_passed_over(counts: Mapping[PassedOver, int]) -> Iterator[Check]:
    """Spans of which no call came, as this server has counted them; none where it has had none."""
    if not counts:
        return
    name = "Spans and logs that are no calls"
    surprising = {span: number for span, number in counts.items() if not span.is_expected}
    named = [
        f"{number:,} of {span.operation} ({span.reason})"
        for span, number in list((surprising or counts).items())[:OPERATIONS_NAMED]
    ]
    if not surprising:
        yield Check(
            name=name,
            state="ok",
            finding=f"{counted(sum(counts.values()), 'record')} since this server began, as it should be: "
            f"{', '.join(named)}",
        )
        return
    yield Check(
        name=name,
        state="warn",
        finding=f"{counted(sum(surprising.values()), 'record')} since this server began look like calls of "
        f"models and were passed over: {', '.join(named)}{', ...' if len(surprising) > len(named) else ''}",
        remedy="if they are calls, have their instrumentor write the model and the usage "
        "(gen_ai.response.model, gen_ai.usage.input_tokens), or log them with log_usage()",
    )
