"""What a budget would be, before it is made."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from analytics.budgets.plans import BudgetPlan
from analytics.budgets.status import BudgetStatus
from analytics.database import Database, Query

# As get_budgets() counts: until the end of today, and for all clients together where there is no client.
_PREVIEW = """
    with held as (
        select
            zone.name as time_zone, span.first_date, span.end_date, span.starts_at, span.resets_at,
            least(
                day_begins_at((%(now)s::timestamptz at time zone zone.name)::date + 1, zone.name),
                span.resets_at
            ) as until_at
        from (
            select coalesce(
                %(time_zone)s, (select timezone from clients where id = %(client_id)s)
            ) as name
        ) as zone
        cross join lateral budget_period(
            %(period)s, %(start_day)s, zone.name, %(now)s::timestamptz
        ) as span
    )

    select
        held.time_zone, held.first_date, held.end_date, held.starts_at, held.resets_at, used.value,
        coalesce(used.cost_usd, 0) as cost_usd,
        coalesce(used.total_tokens, 0) as total_tokens,
        coalesce(used.request_count, 0) as request_count,
        coalesce(used.unpriced_count, 0) as unpriced_count
    from held
    left join lateral (
        select
            part.value,
            sum(part.cost_usd) as cost_usd,
            sum(part.total_tokens)::bigint as total_tokens,
            sum(part.request_count)::bigint as request_count,
            sum(part.unpriced_count)::bigint as unpriced_count
        from clients_by_zone(%(client_id)s::uuid) as whose
        cross join lateral usage_between(
            whose.client_ids, %(filters)s::jsonb, held.starts_at, held.until_at, %(split_by)s
        ) as part
        group by part.value
    ) as used on true
"""
_COLUMNS = (
    *("time_zone", "first_date", "end_date", "starts_at", "resets_at", "value"),
    *("cost_usd", "total_tokens", "request_count", "unpriced_count"),
)


def preview_budget(
    database: Database, client_id: UUID | None, name: str, plan: BudgetPlan, now: datetime
) -> list[BudgetStatus]:
    """What load_budgets() would say of a budget of this plan, the most spent value first. Keeps nothing.

    One row where it is not split; else one per value that was used, and none where nothing was.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    parameters = {**plan.columns, "client_id": client_id, "now": now}
    [rows] = database.read(Query(statement=_PREVIEW, parameters=parameters), client_id=client_id)
    would_be: dict[str, Any] = {
        "budget_id": uuid4(),
        "version_id": uuid4(),
        "name": name,
        "client_id": client_id,
    }
    found = []
    for record in rows.records:
        columns: dict[str, Any] = dict(zip(_COLUMNS, record, strict=True))
        value = columns.pop("value")
        if plan.split_by is not None and not columns["request_count"]:
            continue
        is_limited = plan.split_by is None or value is not None
        found.append(
            BudgetStatus(
                **would_be,
                **columns,
                asked_at=now,
                valid_from=now,
                changed_by="",
                limit_amount=plan.limit_amount if is_limited else None,
                unit=plan.unit,
                period=plan.period,
                start_day=plan.start_day,
                filters=plan.filters,
                split_by=plan.split_by,
                thresholds=plan.thresholds,
                repeats=plan.repeats,
                subject="" if plan.split_by is None else value,
                spent=columns["cost_usd"] if plan.unit == "usd" else Decimal(columns["total_tokens"]),
            )
        )
    return sorted(found, key=lambda status: (status.limit_amount is None, -status.spent))
