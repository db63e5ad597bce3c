-- Alerts: what happened, as it is read.


-- The events of a client, open and not acknowledged ones first, then the newest; of all clients together and
-- of the installation where p_client_id is null, which only an owner sees. evidence has a title, lines and a
-- link.
create or replace function get_alerts(p_client_id uuid, p_limit integer default 100)
    returns table (
        event_id uuid, kind text, budget_id uuid, subject text, period_at timestamptz, threshold numeric,
        occurred_at timestamptz, occurrence integer, evidence jsonb, resolved_at timestamptz,
        acknowledged_at timestamptz, acknowledged_by text
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        event.id, event.kind, version.budget_id, event.subject, event.period_at, event.threshold,
        event.occurred_at, event.occurrence, event.evidence, event.resolved_at, event.acknowledged_at,
        event.acknowledged_by
    from alert_events as event
    left join budget_versions as version on version.id = event.budget_version_id
    where event.client_id is not distinct from p_client_id
    order by
        event.resolved_at is not null or event.acknowledged_at is not null,
        event.occurred_at desc,
        event.threshold desc,
        event.id
    limit p_limit
$$;
