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
    set search_path = public, pg_temp
as $$
    with client as (
        select
            timezone,
            (p_now at time zone timezone)::date as today,
            (p_now at time zone timezone)::time as clock,
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
    )

    select
        counted_date,
        case when is_running then (counted_date + clock) at time zone timezone end,
        case when is_running then counted_date - 1 else counted_date end,
        case when is_running then today - p_first_date + part else p_last_date - p_first_date + 1 end,
        counted_date - p_previous_first_date + case when is_running then part else 1 end,
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
    from spans
$$;

-- What was used on a day of the client until a moment of it, by source and model in no order; nothing where
-- there is no such moment. It is little: the sums of the hours before it, and the calls of the last hour. A
-- day on which clocks change is read from the calls, and one of which the hours are not summed yet (see
-- sum_days_anew()).
create or replace function usage_of_part(p_client_id uuid, p_date date, p_until_at timestamptz)
    returns table (
        source text, model text, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint,
        cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select
            first_at, end_at, timezone,
            least(p_until_at, end_at) as until_at,
            end_at - first_at = interval '24 hours'
            and not exists (
                select from usage_days_to_sum as waiting
                where waiting.client_id = p_client_id and waiting.usage_date = p_date
            ) as has_hours
        from moments_of_days(p_client_id, p_date, p_date)
        where p_until_at is not null
    ),

    -- As columns: under row-level security only plain comparisons of them may look into an index.
    day as materialized (
        select
            has_hours, end_at,
            case when until_at = end_at then 24 else extract(hour from until_at at time zone timezone) end
                as hour,
            case
                when has_hours then date_trunc('hour', until_at at time zone timezone) at time zone timezone
                else first_at
            end as from_at
        from known
    )

    select
        hourly.source, hourly.model, hourly.prompt_tokens, hourly.completion_tokens, hourly.total_tokens,
        hourly.cost_usd, hourly.request_count, hourly.unpriced_count
    from day
    inner join usage_hourly as hourly
        on hourly.client_id = p_client_id
        and hourly.usage_date = p_date
        and hourly.hour < day.hour
    where day.has_hours
    union all
    select
        log.source,
        log.model,
        sum(log.prompt_tokens)::bigint,
        sum(log.completion_tokens)::bigint,
        sum(log.total_tokens)::bigint,
        sum(log.cost_usd),
        count(*),
        count(*) filter (where log.cost_basis = 'unpriced')
    from day
    inner join usage_logs as log
        on log.client_id = p_client_id
        and log.created_at >= day.from_at
        and log.created_at < day.end_at
        -- Now belongs to the period that it is compared with, too.
        and log.created_at <= p_until_at
    group by log.source, log.model
$$;

-- One row per source and model with use in either of two periods, the most tokens in the first one first. The
-- columns of the second one are called previous_*, and count what compared_days() says.
create or replace function get_usage_comparison(
    p_client_id uuid, p_first_date date, p_last_date date, p_previous_first_date date,
    p_previous_last_date date,
    p_now timestamptz default now()
)
    returns table (
        source text, model text, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric, previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with previous as materialized (
        select last_date, whole_date, until_at
        from compared_days(
            p_client_id, p_first_date, p_last_date, p_previous_first_date, p_previous_last_date, p_now
        )
    ),

    usage as (
        select
            source, model,
            usage_date between p_first_date and p_last_date as is_current,
            usage_date between p_previous_first_date and (select whole_date from previous) as is_previous,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_daily
        where
            client_id = p_client_id
            and usage_date between least(p_first_date, p_previous_first_date)
                and greatest(p_last_date, p_previous_last_date)
            -- The two may lie far apart.
            and (
                usage_date between p_first_date and p_last_date
                or usage_date between p_previous_first_date and (select whole_date from previous)
            )
        union all
        select
            source, model, false, true,
            prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_part(
            p_client_id, (select last_date from previous), (select until_at from previous)
        )
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
    order by total_tokens desc, total_cost desc, source, model
$$;
