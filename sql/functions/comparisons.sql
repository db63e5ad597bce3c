-- What a period may be compared with: as long a span as it has itself.
--
-- A period that is not over is compared up to the same time of the day that has the place of today: this
-- week until Wednesday noon with last week until Wednesday noon. What has no equal is not compared, and why
-- is said here, once for all pages, statements and the API. *_cost and cost_usd are US dollars.


-- The day of the client's first call, or null; one index read in each of the two tables. (Adopted rows may
-- have been made at infinity.)
create or replace function first_usage_date(p_client_id uuid) returns date
    language sql stable
    set search_path = public, pg_temp
as $$
    select least(
        (
            select min(usage_date) from usage_daily_rollup
            where client_id = p_client_id and usage_date > '-infinity' and request_count > 0
        ),
        (
            select min(usage_date) from usage_pending
            where client_id = p_client_id and usage_date > '-infinity' and request_count > 0
        )
    )
$$;

-- One row: how two periods of a client compare at the moment p_now.
--   last_date       the last day of the earlier one that counts, and
--   until_at        the moment until which it does; null where all of it does, as the later period is over
--   whole_date      the last day of the earlier one all of which counts
--   day_count, previous_day_count    how many days count of each, the running ones in part
--   no_comparison   why no change may be told, as the end of a sentence; null where one may
-- No row for a client that is not there (or that the reader may not see).
create or replace function compared_days(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date,
    p_previous_last_date date,
    p_now timestamptz default now()
)
    returns table (
        last_date date, until_at timestamptz, whole_date date, day_count numeric, previous_day_count numeric,
        no_comparison text
    )
    language sql stable
    rows 1
as $$
    -- Materialized, as the first date would be looked up for each branch that asks for it.
    with client as materialized (
        select
            timezone,
            (p_now at time zone timezone)::date as today,
            (p_now at time zone timezone)::time as clock,
            raw_since,
            first_usage_date(id) as data_date
        from clients
        where id = p_client_id
    ),

    spans as (
        select
            *,
            today <= p_last_date as is_running,
            p_previous_last_date - greatest(p_last_date - today, 0) as counted_date,
            -- Of the day that runs.
            extract(epoch from clock)::numeric / 86400 as part
        from client
    ),

    -- Of a day whose calls are gone whole hours are known.
    clocks as (
        select
            *,
            case
                when counted_date < raw_since then date_trunc('hour', clock::interval)
                else clock::interval
            end as counted_clock
        from spans
    )

    select
        counted_date,
        case when is_running then (counted_date + counted_clock) at time zone timezone end,
        case when is_running then counted_date - 1 else counted_date end,
        case when is_running then today - p_first_date + part else p_last_date - p_first_date + 1 end,
        counted_date - p_previous_first_date
        + case when is_running then extract(epoch from counted_clock)::numeric / 86400 else 1 end,
        case
            when data_date is null then 'there are no calls yet'
            when today < p_first_date then 'these days have not come yet'
            when today <= p_previous_last_date then 'the days compared with are not over'
            when counted_date < p_previous_first_date then 'the days compared with are fewer'
            -- Nobody knows from which hour on calls were logged on the first day. In a week it hardly counts.
            when
                data_date > p_previous_first_date
                or data_date = p_previous_first_date and p_previous_last_date - p_previous_first_date < 6
                then 'data begin on ' || to_char(data_date, 'FMDD Mon YYYY')
        end
    from clocks
$$;

-- How what was used on a day of the client until a moment of it is read: the sums of so many hours of it, and
-- the calls from one moment until another. Where clocks change on that day, where its hours are not summed
-- yet (see sum_days_anew()), and for tags and conversations (not p_is_summed), all of it is read from the
-- calls, unless these are gone. No row where there is no such moment. It becomes part of the query that asks
-- it.
create or replace function part_of_day(
    p_client_id uuid, p_timezone text, p_date date, p_until_at timestamptz, p_is_summed boolean
)
    returns table (hours_before integer, from_at timestamptz, end_at timestamptz)
    language sql stable
as $$
    select
        case
            when not has_hours then 0
            when until_at = end_at then 24
            else extract(hour from until_at at time zone p_timezone)::integer
        end,
        case
            when has_hours then date_trunc('hour', until_at at time zone p_timezone) at time zone p_timezone
            else first_at
        end,
        end_at
    from (
        select
            day.first_at, day.end_at, least(p_until_at, day.end_at) as until_at,
            p_is_summed
            and (
                day.end_at - day.first_at = interval '24 hours'
                and not exists (
                    select from usage_days_to_sum as waiting
                    where waiting.client_id = p_client_id and waiting.usage_date = p_date
                )
                or coalesce(p_date < raw_since_of(p_client_id), false)
            ) as has_hours
        from (
            select
                day_begins_at(p_date, p_timezone) as first_at,
                day_begins_at(p_date + 1, p_timezone) as end_at
        ) as day
    ) as part
    where p_until_at is not null
$$;

-- What was used on a day of the client until a moment of it, in parts by source and model in no order;
-- nothing where there is no such moment. It is little, see part_of_day().
create or replace function usage_of_part(
    p_client_id uuid, p_date date, p_until_at timestamptz, p_filters jsonb default '[]'
)
    returns table (
        source text, model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint,
        cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    -- Planning takes longer than the little that there is to read.
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
declare
    filter usage_filter;
    v_hours_before integer;
    v_from_at timestamptz;
    v_end_at timestamptz;
begin
    filter := usage_filter_of(p_client_id, p_filters, p_date, p_date);
    select part.hours_before, part.from_at, part.end_at
    into v_hours_before, v_from_at, v_end_at
    from clients
    cross join lateral part_of_day(
        p_client_id, clients.timezone, p_date, p_until_at,
        filter.tag_set_ids is null and filter.conversation_ids is null and not asks_for_facts(filter)
    ) as part
    where clients.id = p_client_id;
    if not found then
        return;
    end if;

    return query
    select
        source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_hour_rollup
    where
        client_id = p_client_id
        and usage_date = p_date
        and hour < v_hours_before
        and sum_passes(filter, source, model, operation, outcome)
        and day_passes(filter, usage_date)
        and hour_passes(filter, hour)
    union all
    select
        source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
    from usage_pending
    where
        client_id = p_client_id
        and usage_date = p_date
        and hour < v_hours_before
        and sum_passes(filter, source, model, operation, outcome)
        and day_passes(filter, usage_date)
        and hour_passes(filter, hour)
    union all
    select
        log.source,
        log.model,
        sum(log.prompt_tokens)::bigint,
        sum(log.completion_tokens)::bigint,
        sum(log.total_tokens)::bigint,
        sum(log.cost_usd),
        (count(*) + coalesce(sum(log.bucket_request_count - 1), 0))::bigint,
        (
            count(*) filter (where log.cost_basis = 'unpriced')
            + coalesce(sum(log.bucket_request_count - 1) filter (where log.cost_basis = 'unpriced'), 0)
        )::bigint
    from wanted_calls(p_client_id, filter, v_from_at, v_end_at) as log
    -- Now belongs to the period that it is compared with, too.
    where log.created_at <= p_until_at
    group by log.source, log.model;
end
$$;

-- One row per source and model with use in either of two periods, the most tokens in the first one first. The
-- columns of the second one are called previous_*, and count what compared_days() says.
create or replace function get_usage_comparison(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date,
    p_previous_last_date date,
    p_now timestamptz default now(), p_filters jsonb default '[]'
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric, previous_request_count bigint, previous_unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
#variable_conflict use_column
declare
    v_previous_last date;
    v_whole_date date;
    v_until_at timestamptz;
begin
    select last_date, whole_date, until_at
    into v_previous_last, v_whole_date, v_until_at
    from compared_days(
        p_client_id, p_first_date, p_last_date, p_previous_first_date, p_previous_last_date, p_now
    );

    return query
    -- The two may lie far apart.
    with usage as (
        select
            source, model, true as is_current, false as is_previous,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from filtered_usage(p_client_id, p_filters, p_first_date, p_last_date)
        union all
        select
            source, model, false, true,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from filtered_usage(p_client_id, p_filters, p_previous_first_date, v_whole_date)
        union all
        select
            source, model, false, true,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_part(p_client_id, v_previous_last, v_until_at, p_filters)
    )

    select
        source,
        model,
        coalesce(sum(total_tokens) filter (where is_current), 0)::bigint as total_tokens,
        coalesce(sum(prompt_tokens) filter (where is_current), 0)::bigint as prompt_tokens,
        coalesce(sum(completion_tokens) filter (where is_current), 0)::bigint as completion_tokens,
        coalesce(sum(cost_usd) filter (where is_current), 0) as total_cost,
        coalesce(sum(request_count) filter (where is_current), 0)::bigint as request_count,
        coalesce(sum(unpriced_count) filter (where is_current), 0)::bigint as unpriced_count,
        coalesce(sum(total_tokens) filter (where is_previous), 0)::bigint as previous_total_tokens,
        coalesce(sum(cost_usd) filter (where is_previous), 0) as previous_total_cost,
        coalesce(sum(request_count) filter (where is_previous), 0)::bigint as previous_request_count,
        coalesce(sum(unpriced_count) filter (where is_previous), 0)::bigint as previous_unpriced_count
    from usage
    group by source, model
    having sum(request_count) filter (where is_current) <> 0
        or sum(request_count) filter (where is_previous) <> 0
    order by total_tokens desc, total_cost desc, source, model;
end
$$;
