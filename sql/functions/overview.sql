-- What the Overview reads: sums by day and source, week, period; and by day, week or month of any period.
--
-- Days are those of the client. *_cost are US dollars. All run with the rights of who calls them, so that a
-- reader sees its one client.


-- One row per day and source, days without use included, oldest first. OpenAI and Groq always have rows.
create or replace function get_daily_usage(
    p_client_id uuid, p_days integer, p_now timestamptz, p_filters jsonb
)
    returns table (
        date date, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
declare
    v_first date;
    v_last date;
begin
    select first_date, last_date into v_first, v_last from usage_window(p_client_id, p_days, p_now);

    return query
    with usage as materialized (
        select
            usage_date, source,
            sum(total_tokens) as total_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from filtered_usage(p_client_id, p_filters, v_first, v_last)
        group by usage_date, source
        having sum(request_count) <> 0
    ),

    sources as (
        select 'openai' as source
        union
        select 'groq'
        union
        select source from usage
    ),

    days as (
        select day::date as usage_date
        from generate_series(v_first::timestamp, v_last::timestamp, interval '1 day') as day
    )

    select
        days.usage_date as date,
        sources.source,
        coalesce(usage.total_tokens, 0)::bigint as total_tokens,
        coalesce(usage.cost_usd, 0) as total_cost,
        coalesce(usage.request_count, 0)::bigint as request_count,
        coalesce(usage.unpriced_count, 0)::bigint as unpriced_count
    from days
    cross join sources
    left join usage on usage.usage_date = days.usage_date and usage.source = sources.source
    order by days.usage_date, sources.source;
end
$$;

-- The same of all calls: the guide's function. Whoever gives fewer arguments means this one, here and below.
create or replace function get_daily_usage(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now()
)
    returns table (
        date date, source text, total_tokens bigint, total_cost numeric, request_count bigint,
        unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select * from get_daily_usage(p_client_id, p_days, p_now, '[]')
$$;

-- One row per week from Monday to Sunday, weeks without use included, oldest first; the current week is the
-- last. week_number is the ISO week. openai + groq + other = total, for tokens, cost and counts; a cost of
-- which no call has a price (as many unpriced as requests) is not known.
create or replace function get_weekly_evolution(
    p_client_id uuid, p_weeks integer, p_now timestamptz, p_filters jsonb
)
    returns table (
        week_start date, week_number integer, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        total_cost numeric, other_tokens bigint, openai_cost numeric, groq_cost numeric, other_cost numeric,
        request_count bigint, unpriced_count bigint, openai_request_count bigint, groq_request_count bigint,
        other_request_count bigint, openai_unpriced_count bigint, groq_unpriced_count bigint,
        other_unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
declare
    v_first_monday date;
    v_last date;
begin
    select date_trunc('week', last_date::timestamp)::date - 7 * (p_weeks - 1), last_date
    into v_first_monday, v_last
    from usage_window(p_client_id, days_of_weeks(p_weeks), p_now);

    return query
    with weeks as (
        select monday::date as week_start
        from generate_series(v_first_monday::timestamp, v_last::timestamp, interval '7 days') as monday
    ),

    usage as (
        select
            date_trunc('week', usage_date::timestamp)::date as week_start,
            usage_provider(source) as provider,
            total_tokens, cost_usd, request_count, unpriced_count
        from filtered_usage(p_client_id, p_filters, v_first_monday, v_last)
    )

    select
        weeks.week_start,
        extract(week from weeks.week_start)::integer as week_number,
        coalesce(sum(usage.total_tokens), 0)::bigint as total_tokens,
        coalesce(sum(usage.total_tokens) filter (where provider = 'openai'), 0)::bigint as openai_tokens,
        coalesce(sum(usage.total_tokens) filter (where provider = 'groq'), 0)::bigint as groq_tokens,
        coalesce(sum(usage.cost_usd), 0) as total_cost,
        coalesce(sum(usage.total_tokens) filter (where provider = 'other'), 0)::bigint as other_tokens,
        coalesce(sum(usage.cost_usd) filter (where provider = 'openai'), 0) as openai_cost,
        coalesce(sum(usage.cost_usd) filter (where provider = 'groq'), 0) as groq_cost,
        coalesce(sum(usage.cost_usd) filter (where provider = 'other'), 0) as other_cost,
        coalesce(sum(usage.request_count), 0)::bigint as request_count,
        coalesce(sum(usage.unpriced_count), 0)::bigint as unpriced_count,
        coalesce(sum(usage.request_count) filter (where provider = 'openai'), 0)::bigint
            as openai_request_count,
        coalesce(sum(usage.request_count) filter (where provider = 'groq'), 0)::bigint
            as groq_request_count,
        coalesce(sum(usage.request_count) filter (where provider = 'other'), 0)::bigint
            as other_request_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'openai'), 0)::bigint
            as openai_unpriced_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'groq'), 0)::bigint
            as groq_unpriced_count,
        coalesce(sum(usage.unpriced_count) filter (where provider = 'other'), 0)::bigint
            as other_unpriced_count
    from weeks
    left join usage on usage.week_start = weeks.week_start
    group by weeks.week_start
    order by weeks.week_start;
end
$$;

-- The same of all calls: the guide's function.
create or replace function get_weekly_evolution(
    p_client_id uuid, p_weeks integer default 12, p_now timestamptz default now()
)
    returns table (
        week_start date, week_number integer, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        total_cost numeric, other_tokens bigint, openai_cost numeric, groq_cost numeric, other_cost numeric,
        request_count bigint, unpriced_count bigint, openai_request_count bigint, groq_request_count bigint,
        other_request_count bigint, openai_unpriced_count bigint, groq_unpriced_count bigint,
        other_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select * from get_weekly_evolution(p_client_id, p_weeks, p_now, '[]')
$$;

-- One row each for total, openai, groq and other, in this order, also without use: the period of p_days
-- days up to p_last_date (today where it is null) and, for comparison, as many days just before it or those
-- that are given, as compared_days() counts them. openai + groq + other = total in every column.
create or replace function get_usage_summary(
    p_client_id uuid, p_days integer, p_now timestamptz, p_last_date date, p_filters jsonb,
    p_previous_first_date date, p_previous_last_date date
)
    returns table (
        provider text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric,
        request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric,
        previous_request_count bigint, previous_unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
declare
    v_first date;
    v_previous_first date;
    v_last date;
    v_previous_last date;
    v_whole_date date;
    v_until_at timestamptz;
begin
    select coalesce(p_last_date, last_date) - (p_days - 1), coalesce(p_last_date, last_date)
    into v_first, v_last
    from usage_window(p_client_id, p_days, p_now);
    v_previous_first := coalesce(p_previous_first_date, v_first - p_days);
    select last_date, whole_date, until_at
    into v_previous_last, v_whole_date, v_until_at
    from compared_days(
        p_client_id, v_first, v_last, v_previous_first, coalesce(p_previous_last_date, v_first - 1), p_now
    );

    return query
    with usage as (
        select
            usage_provider(source) as provider,
            usage_date >= v_first as is_current,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from filtered_usage(p_client_id, p_filters, v_previous_first, v_last)
        where usage_date <= v_whole_date or usage_date >= v_first
        union all
        select
            usage_provider(source), false,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_part(p_client_id, v_previous_last, v_until_at, p_filters)
    ),

    providers as (
        select name, place
        from (values ('total', 1), ('openai', 2), ('groq', 3), ('other', 4)) as listed (name, place)
        -- There are no rows for a client that is not there.
        where v_first is not null
    )

    select
        providers.name as provider,
        coalesce(sum(usage.total_tokens) filter (where is_current), 0)::bigint as total_tokens,
        coalesce(sum(usage.prompt_tokens) filter (where is_current), 0)::bigint as prompt_tokens,
        coalesce(sum(usage.completion_tokens) filter (where is_current), 0)::bigint as completion_tokens,
        coalesce(sum(usage.cost_usd) filter (where is_current), 0) as total_cost,
        coalesce(sum(usage.request_count) filter (where is_current), 0)::bigint as request_count,
        coalesce(sum(usage.unpriced_count) filter (where is_current), 0)::bigint as unpriced_count,
        coalesce(sum(usage.total_tokens) filter (where not is_current), 0)::bigint as previous_total_tokens,
        coalesce(sum(usage.cost_usd) filter (where not is_current), 0) as previous_total_cost,
        coalesce(sum(usage.request_count) filter (where not is_current), 0)::bigint as previous_request_count,
        coalesce(sum(usage.unpriced_count) filter (where not is_current), 0)::bigint
            as previous_unpriced_count
    from providers
    left join usage on providers.name in ('total', usage.provider)
    group by providers.name, providers.place
    order by providers.place;
end
$$;

-- The same of all calls.
create or replace function get_usage_summary(
    p_client_id uuid, p_days integer default 30, p_now timestamptz default now(),
    p_last_date date default null
)
    returns table (
        provider text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric,
        request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric,
        previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select * from get_usage_summary(p_client_id, p_days, p_now, p_last_date, '[]', null, null)
$$;

-- One row per day, week (from Monday) or month and source, those without use included, the oldest first. The
-- first and the last one count only the days asked for; first_date and last_date say which.
create or replace function get_usage_over_time(
    p_client_id uuid, p_first_date date, p_last_date date, p_grain text default 'day',
    p_filters jsonb default '[]'
)
    returns table (
        bucket_date date, first_date date, last_date date, source text, total_tokens bigint,
        total_cost numeric,
        request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
begin
    if p_grain is null or p_grain not in ('day', 'week', 'month') then
        raise exception 'grain must be day, week or month, not %', coalesce(p_grain, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    with usage as materialized (
        select
            date_trunc(p_grain, usage_date::timestamp)::date as bucket_date, source,
            sum(total_tokens) as total_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from filtered_usage(p_client_id, p_filters, p_first_date, p_last_date)
        group by bucket_date, source
        having sum(request_count) <> 0
    ),

    buckets as (
        select start::date as bucket_date, (start + ('1 ' || p_grain)::interval)::date - 1 as last_date
        from generate_series(
            date_trunc(p_grain, p_first_date::timestamp), p_last_date::timestamp, ('1 ' || p_grain)::interval
        ) as start
    ),

    sources as (
        select distinct source from usage
    )

    select
        buckets.bucket_date,
        greatest(buckets.bucket_date, p_first_date),
        least(buckets.last_date, p_last_date),
        sources.source,
        coalesce(usage.total_tokens, 0)::bigint,
        coalesce(usage.cost_usd, 0),
        coalesce(usage.request_count, 0)::bigint,
        coalesce(usage.unpriced_count, 0)::bigint
    from buckets
    cross join sources
    left join usage on usage.bucket_date = buckets.bucket_date and usage.source = sources.source
    order by buckets.bucket_date, sources.source;
end
$$;
