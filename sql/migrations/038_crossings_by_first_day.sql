-- A crossing is told apart by the first day of its period, written as midnight of UTC, as the moment in which
-- that day begins is another one where the client's time zone is changed.

with moments as (
    select
        event.id,
        event.occurred_at,
        ((event.period_at at time zone coalesce(version.time_zone, clients.timezone))::date)::timestamp
            at time zone 'UTC' as period_at
    from alert_events as event
    inner join budget_versions as version on event.budget_version_id = version.id
    left join clients on version.client_id = clients.id
    where
        event.kind in ('actual', 'forecast')
        and event.period_at <> date_trunc('day', event.period_at, 'UTC')
)

update alert_events as event
set period_at = moments.period_at
from moments
where
    event.id = moments.id
    -- One that was told twice stays twice.
    and not exists (
        select
        from alert_events as other
        left join moments as moved on other.id = moved.id
        where
            other.id <> event.id
            and (other.client_id, other.kind, other.budget_version_id, other.subject, other.threshold)
            is not distinct from
            (event.client_id, event.kind, event.budget_version_id, event.subject, event.threshold)
            and coalesce(moved.period_at, other.period_at) = moments.period_at
            and (moved.id is null or (other.occurred_at, other.id) < (event.occurred_at, event.id))
    );
