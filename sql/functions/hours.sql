-- Usage by hours and operations without reading every call again: the tables of migration 015.
--
-- A day is read from there while nothing has changed in it since it was kept, and from the calls themselves
-- otherwise: numbers are exact at every commit, and keeping days is only for speed. The day that runs is
-- never kept.


-- A number of the metadata, or null where it is none: other writers may mean something else by the name.
create or replace function number_in(p_metadata jsonb, p_name text) returns numeric
    language sql immutable parallel safe
    return case when jsonb_typeof(p_metadata -> p_name) = 'number' then (p_metadata ->> p_name)::numeric end;

-- The calls of a day, summed as usage_hourly_rollup keeps them. They are looked for with two hours to
-- spare: where clocks are set back at midnight, a day begins twice. One day at a time, or the planner reads
-- all calls there are.
create or replace function summed_hours(p_client_id uuid, p_timezone text, p_day date)
    returns setof usage_hourly_rollup
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        p_client_id,
        p_day,
        extract(hour from log.created_at at time zone p_timezone)::smallint as hour,
        log.source,
        log.model,
        log.metadata ->> 'operation' as operation,
        count(*),
        count(*) filter (where log.cost_basis = 'unpriced'),
        -- Audio is sold by its length: it tells that instead.
        count(*) filter (
            where log.total_tokens = 0 and coalesce(number_in(log.metadata, 'duration_seconds'), 0) = 0
        ),
        count(*) filter (where log.conversation_id is null and log.phone is null),
        sum(log.prompt_tokens)::bigint,
        sum(log.completion_tokens)::bigint,
        sum(log.total_tokens)::bigint,
        coalesce(sum(number_in(log.metadata, 'cached_tokens')), 0)::bigint,
        coalesce(sum(number_in(log.metadata, 'reasoning_tokens')), 0)::bigint,
        coalesce(sum(number_in(log.metadata, 'duration_seconds')), 0),
        sum(log.cost_usd),
        max(log.created_at)
    from usage_logs as log
    where
        log.client_id = p_client_id
        and log.created_at >= p_day::timestamp at time zone p_timezone - interval '2 hours'
        and log.created_at < (p_day + 1)::timestamp at time zone p_timezone + interval '2 hours'
        and (log.created_at at time zone p_timezone)::date = p_day
    group by
        extract(hour from log.created_at at time zone p_timezone)::smallint, log.source, log.model,
        log.metadata ->> 'operation'
$$;

-- The sums per hour of all days of the period, exact in the reader's snapshot.
create or replace function usage_hourly_between(p_client_id uuid, p_first_date date, p_last_date date)
    returns setof usage_hourly_rollup
    language sql stable
    rows 5000
    set search_path = public, pg_temp
as $$
    with pending_days as materialized (
        select distinct usage_date
        from usage_pending
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    ),

    kept_days as materialized (
        select usage_date
        from usage_hourly_days
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and usage_date not in (select usage_date from pending_days)
    ),

    other_days as materialized (
        select usage_date
        from usage_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and usage_date not in (select usage_date from kept_days)
        union
        select usage_date from pending_days
    )

    select kept.*
    from kept_days
    inner join usage_hourly_rollup as kept
        on kept.client_id = p_client_id and kept.usage_date = kept_days.usage_date
    union all
    select summed.*
    from other_days
    inner join clients as client on client.id = p_client_id
    cross join lateral summed_hours(p_client_id, client.timezone, other_days.usage_date) as summed
$$;

-- What only the calls know, in one pass, by what `kind` says:
--   'parts'      per source, model and operation, the tokens in their parts and the seconds of audio. Parts
--                are tokens of the prompt (cached_tokens) and of the completion (reasoning_tokens), counted
--                in them.
--   'hour'       per weekday (1 is Monday) and hour of the client's clock with use
--   'operation'  per operation (chat, embeddings, transcription, ...) as metadata names it; null where it
--                does not
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
        case when grouping(source) = 0 then 'parts' when grouping(hour) = 0 then 'hour' else 'operation' end
            as kind,
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

-- Keeps up to p_most_days of the client's days that are over and not kept yet, the newest first; how many.
-- 0 when there are none, while somebody folds or keeps days, and in a transaction that is not READ
-- COMMITTED. Few at a time: nobody can fold meanwhile.
create or replace function keep_hourly_usage(
    p_client_id uuid, p_first_date date, p_last_date date, p_most_days integer default 7
) returns integer
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    zone text;
    missing date[];
begin
    -- Whoever folds waits for this transaction: what is written while it runs stays pending until its days
    -- are known here, and then makes them incomplete. Each statement below sees all that was written before
    -- it.
    if
        current_setting('transaction_isolation') <> 'read committed'
        or not pg_try_advisory_xact_lock(rollup_lock())
    then
        return 0;
    end if;
    select timezone into zone from clients where id = p_client_id;

    select array_agg(usage_date) into missing
    from (
        select distinct daily.usage_date
        from usage_daily_rollup as daily
        where
            daily.client_id = p_client_id
            and daily.usage_date between p_first_date and p_last_date
            and daily.usage_date < (now() at time zone zone)::date
            and not exists (
                select from usage_hourly_days as kept
                where kept.client_id = p_client_id and kept.usage_date = daily.usage_date
            )
            and not exists (
                select from usage_pending as pending
                where pending.client_id = p_client_id and pending.usage_date = daily.usage_date
            )
        order by daily.usage_date desc
        limit p_most_days
    ) as days;

    if missing is null then
        return 0;
    end if;

    delete from usage_hourly_rollup where client_id = p_client_id and usage_date = any(missing);
    insert into usage_hourly_rollup (
        client_id, usage_date, hour, source, model, operation, request_count, unpriced_count,
        zero_token_count, without_conversation_count, prompt_tokens, completion_tokens, total_tokens,
        cached_tokens, reasoning_tokens, duration_seconds, cost_usd, last_call_at
    )
    select
        summed.client_id, summed.usage_date, summed.hour, summed.source, summed.model, summed.operation,
        summed.request_count, summed.unpriced_count, summed.zero_token_count,
        summed.without_conversation_count, summed.prompt_tokens, summed.completion_tokens,
        summed.total_tokens, summed.cached_tokens, summed.reasoning_tokens, summed.duration_seconds,
        summed.cost_usd, summed.last_call_at
    from unnest(missing) as day (usage_date)
    cross join lateral summed_hours(p_client_id, zone, day.usage_date) as summed;
    insert into usage_hourly_days (client_id, usage_date)
    select p_client_id, day.usage_date
    from unnest(missing) as day (usage_date);
    return cardinality(missing);
end
$$;

-- Whatever is written or removed goes through usage_pending into usage_daily_rollup (see sums.sql), a
-- change of metadata alone included, and a day with something pending is not read from here. So a day is as
-- it was kept until its rows there are touched.
create or replace function forget_hourly_days() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    if tg_op = 'TRUNCATE' then
        truncate usage_hourly_rollup, usage_hourly_days;
        return null;
    end if;
    delete from usage_hourly_days as kept
    using changed
    where kept.client_id = changed.client_id and kept.usage_date = changed.usage_date;
    return null;
end
$$;

-- Nothing of a client outlives it: the rows of its days are deleted with those of sums.sql.
create or replace function forget_hours_of_clients() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(rollup_lock());
    delete from usage_hourly_days where client_id in (select id from removed);
    delete from usage_hourly_rollup where client_id in (select id from removed);
    return null;
end
$$;
