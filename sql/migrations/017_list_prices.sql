-- What the dashboard needs to say what usage would cost by other prices. Needs 015.
--
--   1  The public list   usage with a price of one's own, by day
--   2  Another model     usage by what it was for, as not every model does everything
--
-- Days are those of the client. Units: total_cost is US dollars. Runs with the rights of who calls it, so that a
-- reader sees its one client. Safe to run again, and safe to paste into Supabase's SQL editor.


-- 1  The public list -------------------------------------------------------------------------------

create index if not exists usage_hourly_rollup_parts_idx on usage_hourly_rollup (client_id, usage_date)
    where cached_tokens <> 0 or duration_seconds <> 0;

-- One row per day, source and model with use, of the models that model_prices may have a price for: what no row of
-- it names is priced by the public list anyway. cached_tokens (of the prompt) and duration_seconds (of audio) are
-- null where the day is not kept (see 015): they are not known then.
create or replace function get_daily_usage_by_model(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint, prompt_tokens bigint,
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
                    -- Names of dated snapshots begin with that of their model; whisper sells one, named or not.
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
        case when kept_days.usage_date is not null then coalesce(parts.cached_tokens, 0) end as cached_tokens,
        case when kept_days.usage_date is not null then coalesce(parts.duration_seconds, 0) end as duration_seconds
    from usage
    left join kept_days on kept_days.usage_date = usage.usage_date
    left join parts
        on parts.usage_date = usage.usage_date
        and parts.source = usage.source
        and parts.model is not distinct from usage.model
    where usage.request_count <> 0
    order by usage.usage_date, usage.source, usage.model
$$;


-- 2  Another model ---------------------------------------------------------------------------------

-- As in 015, but for the parts, which are told apart by operation, too:
--   'parts'      per source, model and operation, the tokens in their parts and the seconds of audio. Parts are
--                tokens of the prompt (cached_tokens) and of the completion (reasoning_tokens), counted in them.
--   'hour'       per weekday (1 is Monday) and hour of the client's clock with use
--   'operation'  per operation (chat, embeddings, transcription, ...) as metadata names it; null where it does not
create or replace function get_call_sums(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        kind text, source text, model text, weekday integer, hour integer, operation text,
        request_count bigint, unpriced_count bigint, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cached_tokens bigint, reasoning_tokens bigint, duration_seconds numeric,
        total_cost numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with hours as (
        select *, extract(isodow from usage_date)::integer as weekday
        from usage_hourly_between(p_client_id, p_first_date, p_last_date)
    )

    select
        case when grouping(source) = 0 then 'parts' when grouping(hour) = 0 then 'hour' else 'operation' end as kind,
        source,
        model,
        weekday,
        hour::integer,
        operation,
        sum(request_count)::bigint as request_count,
        sum(unpriced_count)::bigint as unpriced_count,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cached_tokens)::bigint as cached_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens,
        sum(duration_seconds) as duration_seconds,
        sum(cost_usd) as total_cost
    from hours
    group by grouping sets ((source, model, operation), (weekday, hour), (operation))
    order by kind, weekday, hour, request_count desc, source, model, operation
$$;
