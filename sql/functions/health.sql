-- What Data health asks: whether the sums are those of the calls, and which calls tell little.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- One row per day, source and model whose sums differ from the calls themselves; none, unless somebody
-- changed the sums by hand. Reads all calls of the period. Days before raw_since have none to compare with.
create or replace function check_usage_sums(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        usage_date date, source text, model text, summed_tokens bigint, logged_tokens bigint,
        summed_cost numeric, logged_cost numeric, summed_count bigint, logged_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with logged as (
        select
            (log.created_at at time zone period.timezone)::date as usage_date,
            log.source,
            log.model,
            sum(log.total_tokens)::bigint as total_tokens,
            sum(log.cost_usd) as cost_usd,
            (count(*) + coalesce(sum(log.bucket_request_count - 1), 0))::bigint as request_count
        from moments_of_days(p_client_id, p_first_date, p_last_date) as period
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= period.first_at
            and log.created_at < period.end_at
        where
            (log.created_at at time zone period.timezone)::date
            >= coalesce(raw_since_of(p_client_id), '-infinity')
        group by (log.created_at at time zone period.timezone)::date, log.source, log.model
    ),

    summed as (
        select usage_date, source, model, total_tokens, cost_usd, request_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date between greatest(p_first_date, raw_since_of(p_client_id)) and p_last_date
    )

    select
        coalesce(summed.usage_date, logged.usage_date) as usage_date,
        coalesce(summed.source, logged.source) as source,
        coalesce(summed.model, logged.model) as model,
        coalesce(summed.total_tokens, 0),
        coalesce(logged.total_tokens, 0),
        coalesce(summed.cost_usd, 0),
        coalesce(logged.cost_usd, 0),
        coalesce(summed.request_count, 0),
        coalesce(logged.request_count, 0)
    from summed
    full join logged
        on logged.usage_date = summed.usage_date
        and logged.source = summed.source
        -- Nothing in place of null, as a full join needs equality; no model has this name.
        and coalesce(logged.model, E'\x01') = coalesce(summed.model, E'\x01')
    where
        (summed.total_tokens, summed.cost_usd, summed.request_count)
        is distinct from (logged.total_tokens, logged.cost_usd, logged.request_count)
    order by usage_date, source, model
$$;

-- One row per source with use in the period: the last call, and calls that tell little.
create or replace function get_usage_gaps(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        source text, last_call_at timestamptz, request_count bigint, unpriced_count bigint,
        zero_token_count bigint, without_conversation_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with gaps as (
        select
            source,
            max(usage_date) as last_date,
            sum(request_count)::bigint as request_count,
            sum(unpriced_count)::bigint as unpriced_count,
            sum(zero_token_count)::bigint as zero_token_count,
            sum(without_conversation_count)::bigint as without_conversation_count
        from usage_facts_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by source
    )

    select
        gaps.source,
        last_call.created_at as last_call_at,
        gaps.request_count,
        gaps.unpriced_count,
        gaps.zero_token_count,
        gaps.without_conversation_count
    from gaps
    cross join lateral moments_of_days(p_client_id, gaps.last_date, gaps.last_date) as day
    -- Of the one day that has it.
    left join lateral (
        select log.created_at
        from usage_logs as log
        where
            log.client_id = p_client_id
            and log.source = gaps.source
            and log.created_at >= day.first_at
            and log.created_at < day.end_at
        order by log.created_at desc
        limit 1
    ) as last_call on true
    order by gaps.request_count desc, gaps.source
$$;

-- One row per field of usage objects that was not understood, or could not be: what was done about it, and
-- the number of calls that have it, of the newest p_limit such calls of the period.
create or replace function get_fields_not_understood(
    p_client_id uuid, p_first_date date, p_last_date date, p_limit integer default 10000
)
    returns table (field text, source text, treatment text, request_count bigint)
    language sql stable
    set search_path = public, pg_temp
as $$
    with calls as (
        select log.source, log.metadata -> 'usage_not_understood' as fields
        from moments_of_days(p_client_id, p_first_date, p_last_date) as period
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= period.first_at
            and log.created_at < period.end_at
        where log.metadata ? 'usage_not_understood'
        order by log.created_at desc
        limit p_limit
    )

    select
        shown_name(pair.key, null) as field,
        calls.source,
        shown_name(min(pair.value), null) as treatment,
        count(*) as request_count
    from calls
    cross join lateral jsonb_each_text(
        case jsonb_typeof(calls.fields) when 'object' then calls.fields else '{}' end
    ) as pair (key, value)
    group by pair.key, calls.source
    order by request_count desc, field, calls.source
$$;

-- One row per source with calls in the last p_days days before p_now: its last call, how many there were, and
-- its longest pause; that is an hour where there was no hour without calls. Hours with calls are known by
-- their sums, and only at both ends of the longest pauses are calls looked at. Of calls that are gone the
-- hour is known.
create or replace function get_rhythm(p_client_id uuid, p_now timestamptz, p_days integer)
    returns table (
        source text, last_call_at timestamptz, request_count bigint, longest_pause interval
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with hours as materialized (
        select
            used.source, used.request_count,
            (used.usage_date + used.hour * interval '1 hour') at time zone client.timezone as begins_at
        from clients as client
        cross join lateral usage_rows(
            p_client_id, '[]', (p_now at time zone client.timezone)::date - p_days,
            (p_now at time zone client.timezone)::date, array['usage_date', 'hour', 'source'], '{}'
        ) as used
        where client.id = p_client_id
    ),

    gaps as (
        select
            source, begins_at, request_count,
            lag(begins_at) over (partition by source order by begins_at) as before_at,
            row_number() over (partition by source order by begins_at desc) as place
        from hours
        where begins_at > p_now - make_interval(days => p_days) and begins_at <= p_now
    ),

    sources as (
        select
            source,
            sum(request_count)::bigint as request_count,
            max(begins_at - before_at) as widest
        from gaps
        group by source
    ),

    -- Pauses that may be the longest: none but those whose hours are as far apart, but for one.
    pauses as (
        select
            gaps.source,
            max(
                coalesce(first_call.created_at, gaps.begins_at)
                - coalesce(last_call.created_at, gaps.before_at)
            ) as pause
        from gaps
        inner join sources on sources.source = gaps.source
        cross join lateral (
            select max(log.created_at) as created_at
            from usage_logs as log
            where
                log.client_id = p_client_id and log.source = gaps.source
                and log.created_at >= gaps.before_at
                and log.created_at < gaps.before_at + interval '1 hour'
        ) as last_call
        cross join lateral (
            select min(log.created_at) as created_at
            from usage_logs as log
            where
                log.client_id = p_client_id and log.source = gaps.source
                and log.created_at >= gaps.begins_at
                and log.created_at < gaps.begins_at + interval '1 hour'
        ) as first_call
        where
            gaps.begins_at - gaps.before_at
            >= greatest(sources.widest - interval '1 hour', interval '2 hours')
        group by gaps.source
    )

    select
        sources.source,
        last_call.created_at as last_call_at,
        sources.request_count,
        greatest(pauses.pause, interval '1 hour') as longest_pause
    from sources
    inner join gaps on gaps.source = sources.source and gaps.place = 1
    left join pauses on pauses.source = sources.source
    cross join lateral (
        select
            coalesce(
                max(log.created_at),
                (
                    select gaps.begins_at from clients
                    where id = p_client_id and raw_since_at > gaps.begins_at
                )
            ) as created_at
        from usage_logs as log
        where
            log.client_id = p_client_id and log.source = gaps.source
            and log.created_at >= gaps.begins_at and log.created_at < gaps.begins_at + interval '1 hour'
            and log.created_at <= p_now
    ) as last_call
    where last_call.created_at is not null
    order by last_call_at desc, source
$$;
