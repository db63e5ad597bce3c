-- Usage by source and model. *_cost and cost_usd are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- One row per source and model with use on these days: what the next two functions answer, in no order.
create or replace function model_usage_between(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source,
        model,
        sum(total_tokens)::bigint as total_tokens,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(cost_usd) as total_cost,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count,
        -- Null where some of the cost is unknown: tokens over a part of their cost would mislead.
        case when sum(unpriced_count) = 0 then sum(cost_usd) * 1000 / nullif(sum(total_tokens), 0) end
            as cost_per_1k_tokens,
        sum(total_tokens) / nullif(sum(request_count), 0) as tokens_per_request
    from usage_daily
    where client_id = p_client_id and usage_date between p_first_date and p_last_date
    group by source, model
$$;

-- One row per source and model with use in the period, the most tokens first.
create or replace function get_usage_by_model(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count,
        unpriced_count,
        cost_per_1k_tokens, tokens_per_request
    from usage_window(p_client_id, p_days, p_now) as period
    cross join lateral model_usage_between(p_client_id, period.first_date, period.last_date)
    order by total_tokens desc, total_cost desc, source, model
$$;

-- One row per source and model with use in a calendar month (default: the current one), the most tokens
-- first.
create or replace function get_monthly_summary(
    p_client_id uuid, p_year integer default null, p_month integer default null,
    p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, cost_per_1k_tokens numeric,
        tokens_per_request numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with period as (
        select
            make_date(
                coalesce(p_year, extract(year from last_date)::integer),
                coalesce(p_month, extract(month from last_date)::integer),
                1
            ) as first_date
        from usage_window(p_client_id, 1, p_now)
    )

    select
        source, model, total_tokens, prompt_tokens, completion_tokens, total_cost, request_count,
        unpriced_count,
        cost_per_1k_tokens, tokens_per_request
    from period
    cross join lateral model_usage_between(
        p_client_id, period.first_date, (period.first_date + interval '1 month')::date - 1
    )
    order by total_tokens desc, total_cost desc, source, model
$$;

-- One row per day, source and model with use, of the models that model_prices may have a price for: what no
-- row of it names is priced by the public list anyway. cached_tokens (of the prompt) and duration_seconds
-- (of audio) are null where the day is not kept (see hours.sql): they are not known then.
create or replace function get_daily_usage_by_model(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint,
        prompt_tokens bigint,
        completion_tokens bigint, total_tokens bigint, total_cost numeric, cached_tokens bigint,
        duration_seconds numeric
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with listed as materialized (
        select distinct source, model from model_prices where client_id is null or client_id = p_client_id
    ),

    usage as materialized (
        select *
        from usage_daily as daily
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and exists (
                select
                from listed
                where
                    listed.source = lower(btrim(daily.source))
                    -- Names of dated snapshots begin with that of their model; whisper sells one, named or
                    -- not.
                    and (
                        listed.model = '*'
                        or starts_with(lower(btrim(daily.model)), listed.model)
                        or daily.model is null and listed.source = 'whisper'
                    )
            )
    ),

    kept_days as materialized (
        select usage_date
        from usage_hourly_days as kept
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and not exists (
                select from usage_pending as pending
                where pending.client_id = p_client_id and pending.usage_date = kept.usage_date
            )
    ),

    parts as materialized (
        select
            usage_date, source, model,
            sum(cached_tokens)::bigint as cached_tokens,
            sum(duration_seconds) as duration_seconds
        from usage_hourly_rollup
        where
            client_id = p_client_id
            and usage_date = any (array(select usage_date from kept_days))
            and source = any (array(select distinct source from usage))
            and (cached_tokens <> 0 or duration_seconds <> 0)
        group by usage_date, source, model
    )

    select
        usage.usage_date, usage.source, usage.model, usage.request_count, usage.unpriced_count,
        usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cost_usd as total_cost,
        case when kept_days.usage_date is not null then coalesce(parts.cached_tokens, 0) end
            as cached_tokens,
        case when kept_days.usage_date is not null then coalesce(parts.duration_seconds, 0) end
            as duration_seconds
    from usage
    left join kept_days on kept_days.usage_date = usage.usage_date
    left join parts
        on parts.usage_date = usage.usage_date
        and parts.source = usage.source
        and parts.model is not distinct from usage.model
    where usage.request_count <> 0
    order by usage.usage_date, usage.source, usage.model
$$;
