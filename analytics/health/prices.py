"""Checks of what calls cost: where it is an estimate and why, and where the provider says something else."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from analytics.database import Database, Query, Rows
from analytics.days import Days
from analytics.formatting import NO_MODEL, counted, share, usd
from analytics.health.checks import Check
from analytics.health.facts import NEWEST_CALLS
from analytics.pricing.at_list_prices import OwnPriced
from analytics.pricing.book import Stated
from analytics.queries.filters import MAX_VALUES, YES, spelled

_ESTIMATED = """
    select source, model, sum(estimated_count)::bigint as estimated_count
    from usage_facts_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s and estimated_count > 0
    group by source, model
    order by estimated_count desc, source, model
"""
# To read all calls would take as long as the period is.
_WHY = """
    select why, count(*)
    from (
        select cost_basis, metadata #>> '{price,estimated}' as why
        from usage_logs
        where client_id = %(client_id)s
        order by created_at desc
        limit %(newest)s
    ) as calls
    where cost_basis = 'estimated' and why is not null
    group by why
    order by count(*) desc, why
    limit 2
"""


def price_checks(
    database: Database, client_id: UUID, days: Days, stated: Sequence[Stated], request_count: int
) -> list[Check]:
    """Whether costs of these days are estimates, and whether providers state others."""
    parameters = {"client_id": client_id, "first": days.first, "last": days.last, "newest": NEWEST_CALLS}
    estimated, reasons = database.read(
        *(Query(statement=text, parameters=parameters) for text in (_ESTIMATED, _WHY)), client_id=client_id
    )
    return [_estimated(estimated, reasons, request_count), _stated(stated)]


def _estimated(estimated: Rows, reasons: Rows, request_count: int) -> Check:
    name = "Calls with an estimated cost"
    total = sum(count for *_, count in estimated.records)
    if not total:
        return Check(name=name, state="ok", finding="none")
    models = ", ".join(f"{source} {model or NO_MODEL}" for source, model, _ in estimated.records[:3])
    finding = (
        f"{counted(total, 'call')}, {share(total, request_count)} of all: {models}"
        f"{', ...' if len(estimated.records) > 3 else ''}"
    )
    calls = {"basis": "estimated"}
    if not reasons.records:
        return Check(name=name, state="ok", finding=f"{finding}. Their tokens are estimates", calls=calls)
    why = "; ".join(f"{reason} ({counted(count, 'call')})" for reason, count in reasons.records)
    return Check(
        name=name,
        state="warn",
        finding=f"{finding}. Of the newest: {why}",
        remedy='a price of your own for what is missing, on the page "Prices" or by "python -m analytics '
        'prices set", makes new calls exact; "python -m analytics reprice" corrects earlier ones',
        calls=calls,
    )


def _stated(stated: Sequence[Stated]) -> Check:
    name = "Costs that providers state"
    if not stated:
        return Check(name=name, state="ok", finding="no provider or gateway says what these calls cost")
    differing = [each for each in stated if each.differs]
    if not differing:
        calls = counted(sum(each.request_count for each in stated), "call")
        return Check(
            name=name,
            state="ok",
            finding=f"they agree with those booked, in {calls}",
            calls={"has.stated-cost": YES},
        )
    said = sum((each.stated_usd for each in differing), Decimal(0))
    booked = sum((each.booked_usd for each in differing), Decimal(0))
    models = ", ".join(f"{each.source} {each.model or NO_MODEL}" for each in differing[:3])
    return Check(
        name=name,
        state="warn",
        finding=f"{models}{', ...' if len(differing) > 3 else ''}: {usd(said)} by the provider, "
        f"{usd(booked)} booked",
        remedy='see the page "Prices"; a discount, a tier or a fee that no list knows is a usual reason: a '
        "price of your own makes the two agree",
        calls={"has.stated-cost": YES, **(of_models(differing) or {})},
    )


def of_models(lines: Sequence[Stated] | Sequence[OwnPriced]) -> dict[str, str] | None:
    """The filters that leave the calls of these models; None where they are none, or too many to name."""
    if not 0 < len(lines) <= MAX_VALUES:
        return None
    return {
        "provider": ",".join(sorted({spelled(line.source) for line in lines})),
        "model": ",".join(sorted({spelled(line.model or "") for line in lines})),
    }
