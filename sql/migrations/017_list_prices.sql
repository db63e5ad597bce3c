-- What the dashboard needs to say what usage with a price of one's own would cost by the public list. Needs 015.
--
-- Days are those of the client. Units: total_cost is US dollars. Runs with the rights of who calls it, so that a
-- reader sees its one client. Safe to run again, and safe to paste into Supabase's SQL editor.


-- One row per day, source and model with use in the last p_days days, of the models that model_prices may have a
-- price for: what no row of it names is priced by the public list anyway. cached_tokens (of the prompt) and
-- duration_seconds (of audio) are null where the day is not kept (see 015): they are not known then.
create or replace function get_daily_usage_by_model(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint, prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, total_cost numeric, cached_tokens bigint,
        duration_seconds numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as (
        select first_date, last_date from usage_window(p_client_id, p_days, p_now)
    ),

    listed as materialized (
        select distinct source, model from model_prices where client_id is null or client_id = p_client_id
    ),

    usage as materialized (
        select daily.*
        from period
        inner join usage_daily as daily
            on daily.client_id = p_client_id and daily.usage_date between period.first_date and period.last_date
        where exists (
            select
            from listed
            where
                listed.source = lower(btrim(daily.source))
                -- Names of dated snapshots begin with that of their model; whisper sells one model, named or not.
                and (
                    listed.model = '*'
                    or starts_with(lower(btrim(daily.model)), listed.model)
                    or daily.model is null and listed.source = 'whisper'
                )
        )
    ),

    kept_days as materialized (
        select kept.usage_date
        from period
        inner join usage_hourly_days as kept
            on kept.client_id = p_client_id and kept.usage_date between period.first_date and period.last_date
        where not exists (
            select from usage_pending as pending
            where pending.client_id = p_client_id and pending.usage_date = kept.usage_date
        )
    ),

    parts as materialized (
        select
            hourly.usage_date, hourly.source, hourly.model,
            sum(hourly.cached_tokens)::bigint as cached_tokens,
            sum(hourly.duration_seconds) as duration_seconds
        from kept_days
        inner join usage_hourly_rollup as hourly
            on hourly.client_id = p_client_id and hourly.usage_date = kept_days.usage_date
        where exists (
            select
            from listed
            where
                listed.source = lower(btrim(hourly.source))
                and (
                    listed.model = '*'
                    or starts_with(lower(btrim(hourly.model)), listed.model)
                    or hourly.model is null and listed.source = 'whisper'
                )
        )
        group by hourly.usage_date, hourly.source, hourly.model
    )

    select
        usage.usage_date, usage.source, usage.model, usage.request_count, usage.unpriced_count,
        usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cost_usd as total_cost,
        parts.cached_tokens, parts.duration_seconds
    from usage
    left join parts
        on parts.usage_date = usage.usage_date
        and parts.source = usage.source
        and parts.model is not distinct from usage.model
    where usage.request_count <> 0
    order by usage.usage_date, usage.source, usage.model
$$;
