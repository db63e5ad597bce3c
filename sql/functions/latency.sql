-- How long calls took, until their answer and until its first token; how they ended by hour; what attempts
-- cost that others replaced; and what came from a cache. *_ms are milliseconds, *_usd US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- The percentiles of a histogram of latency_bucket(), in milliseconds, each within 2 percent; one row, of
-- nulls where it is empty.
create or replace function percentiles_of(p_buckets integer[], p_counts bigint[])
    returns table (p50_ms numeric, p95_ms numeric, p99_ms numeric)
    language sql immutable parallel safe
    rows 1
as $$
    select
        latency_of_bucket(min(bucket) filter (where so_far >= 0.50 * all_of_it)),
        latency_of_bucket(min(bucket) filter (where so_far >= 0.95 * all_of_it)),
        latency_of_bucket(min(bucket) filter (where so_far >= 0.99 * all_of_it))
    from (
        select
            bucket,
            sum(number) over (order by bucket rows unbounded preceding) as so_far,
            sum(number) over () as all_of_it
        from unnest(p_buckets, p_counts) as held (bucket, number)
    ) as counted
$$;

-- How many calls are in each bucket of latency_bucket(), by source and model: of the time to the answer and
-- of that to its first token, of calls that tell it and did not fail. Filters by provider, model and
-- weekday are answered by sums, all others by the calls themselves.
create or replace function latency_histograms(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb
)
    returns table (source text, model text, is_first_token boolean, bucket integer, number bigint)
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    filter constant usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    first_at timestamptz;
    end_at timestamptz;
begin
    if
        num_nonnulls(
            filter.operations, filter.outcomes, filter.tag_set_ids, filter.conversation_ids, filter.hours
        ) = 0
        and not asks_for_facts(filter)
    then
        return query
        select source, model, is_first_token, bucket::integer, sum(request_count)::bigint
        from usage_latency_daily
        where
            client_id = p_client_id and usage_date between p_first_date and p_last_date
            and sum_passes(filter, source, model, null, null)
            and day_passes(filter, usage_date)
        group by source, model, is_first_token, bucket;
        return;
    end if;

    select moment.first_at, moment.end_at into first_at, end_at
    from moments_of_days(p_client_id, p_first_date, p_last_date) as moment;
    return query
    select log.source, log.model, told.is_first_token, latency_bucket(told.ms)::integer, count(*)
    from wanted_calls(p_client_id, filter, first_at, end_at) as log
    cross join lateral (
        values (false, log.latency_ms), (true, log.time_to_first_token_ms)
    ) as told (is_first_token, ms)
    where told.ms is not null and log.outcome is distinct from 'error'
    group by log.source, log.model, told.is_first_token, latency_bucket(told.ms);
end
$$;

-- The number of calls in the period that tell how long they took, and the 50th, 95th and 99th percentile,
-- each within 2 percent (see latency_bucket()); and the same of the time to the first token. One row per
-- source and model, one per source (of 'provider', the model is null), and one of all.
create or replace function get_answer_times(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        kind text, source text, model text, request_count bigint, p50_ms numeric, p95_ms numeric,
        p99_ms numeric, first_token_count bigint, first_token_p50_ms numeric, first_token_p95_ms numeric,
        first_token_p99_ms numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with buckets as (
        select
            case grouping(source, model) when 0 then 'model' when 1 then 'provider' else 'all' end as kind,
            source, model, is_first_token, bucket, sum(number)::bigint as number
        from latency_histograms(p_client_id, p_first_date, p_last_date, p_filters)
        group by grouping sets (
            (source, model, is_first_token, bucket), (source, is_first_token, bucket),
            (is_first_token, bucket)
        )
    ),

    histograms as (
        select
            kind,
            source,
            model,
            coalesce(sum(number) filter (where not is_first_token), 0)::bigint as request_count,
            array_agg(bucket) filter (where not is_first_token) as buckets,
            array_agg(number) filter (where not is_first_token) as counts,
            coalesce(sum(number) filter (where is_first_token), 0)::bigint as first_token_count,
            array_agg(bucket) filter (where is_first_token) as first_token_buckets,
            array_agg(number) filter (where is_first_token) as first_token_counts
        from buckets
        group by kind, source, model
    )

    select
        held.kind, held.source, held.model, held.request_count, whole.p50_ms, whole.p95_ms, whole.p99_ms,
        held.first_token_count, first_token.p50_ms as first_token_p50_ms,
        first_token.p95_ms as first_token_p95_ms, first_token.p99_ms as first_token_p99_ms
    from histograms as held
    cross join lateral percentiles_of(held.buckets, held.counts) as whole
    cross join lateral percentiles_of(held.first_token_buckets, held.first_token_counts) as first_token
    order by held.kind, held.request_count desc, held.source, held.model
$$;

-- Those of each source and model with a latency in the period, the most calls first.
create or replace function get_latency(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        source text, model text, request_count bigint, p50_ms numeric, p95_ms numeric, p99_ms numeric,
        first_token_count bigint, first_token_p50_ms numeric, first_token_p95_ms numeric,
        first_token_p99_ms numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        source, model, request_count, p50_ms, p95_ms, p99_ms, first_token_count, first_token_p50_ms,
        first_token_p95_ms, first_token_p99_ms
    from get_answer_times(p_client_id, p_first_date, p_last_date, p_filters)
    where kind = 'model'
    order by request_count desc, source, model
$$;

-- One row per hour of the day of the client's clock, and outcome (null: not told), with calls in the period.
create or replace function get_outcomes_by_hour(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        hour smallint, outcome text, request_count bigint, total_cost numeric, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select hour, outcome, request_count, cost_usd, unpriced_count
    from usage_rows(
        p_client_id, p_filters, p_first_date, p_last_date, array['hour', 'outcome'],
        array['cost_usd', 'unpriced_count']
    )
    where hour is not null
    order by hour, outcome
$$;

-- One row per day, source and model with tokens from a cache, or written into one, in the period: all of the
-- usage that prices depend on.
create or replace function get_cached_usage(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        usage_date date, source text, model text, request_count bigint, unpriced_count bigint,
        prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, total_cost numeric,
        cached_tokens bigint, duration_seconds numeric, reasoning_tokens bigint, cache_write_tokens bigint,
        cache_write_1h_tokens bigint, prompt_audio_tokens bigint, cached_audio_tokens bigint,
        completion_audio_tokens bigint, prompt_image_tokens bigint, cached_image_tokens bigint,
        completion_image_tokens bigint, character_count bigint, image_count bigint, web_search_count bigint,
        file_search_count bigint, code_run_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    select
        usage_date, source, model, request_count, unpriced_count, prompt_tokens, completion_tokens,
        total_tokens, cost_usd as total_cost, cached_tokens, duration_seconds, reasoning_tokens,
        cache_write_tokens, cache_write_1h_tokens, prompt_audio_tokens, cached_audio_tokens,
        completion_audio_tokens, prompt_image_tokens, cached_image_tokens, completion_image_tokens,
        character_count, image_count, web_search_count, file_search_count, code_run_count
    from usage_rows(
        p_client_id, p_filters, p_first_date, p_last_date, array['usage_date', 'source', 'model'],
        usage_meters()
    )
    where cached_tokens > 0 or cache_write_tokens > 0
    order by usage_date, source, model
$$;

-- What only the calls themselves tell, of the period: ask for a few days at a time. Rows of one `kind` each:
--   'latency', 'first token'    per source, model and hour of the day of the client's clock, the histogram of
--                               latency_bucket(), of calls that did not fail
--   'answers'                   the same keys: answered calls, their completion tokens and milliseconds, of
--                               those that tell how long they took
--   'attempts'                  the same keys: calls of operations with several attempts (request_count),
--                               the operations, and the attempts that a later one of the same operation
--                               replaced although they had not failed, been refused or cut, with their cost
-- A later attempt counts within a day after the period, wanted itself or not: a fallback may
-- be another model's.
create or replace function get_call_times(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        kind text, source text, model text, hour smallint, buckets integer[], counts bigint[],
        request_count bigint, completion_tokens bigint, latency_ms bigint, operation_count bigint,
        replaced_count bigint, replaced_unpriced_count bigint, replaced_cost numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    filter constant usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    first_at timestamptz;
    end_at timestamptz;
    zone text;
begin
    select moment.first_at, moment.end_at, moment.timezone into first_at, end_at, zone
    from moments_of_days(p_client_id, p_first_date, p_last_date) as moment;

    return query
    with wanted as materialized (
        select
            log.source, log.model, log.outcome, log.latency_ms, log.time_to_first_token_ms, log.operation_id,
            log.attempt, log.completion_tokens, log.cost_usd, log.cost_basis,
            extract(hour from log.created_at at time zone zone)::smallint as hour
        from wanted_calls(p_client_id, filter, first_at, end_at) as log
        where
            log.latency_ms is not null or log.time_to_first_token_ms is not null
            or log.operation_id is not null
    ),

    histograms as (
        select
            told.kind, wanted.source, wanted.model, wanted.hour, latency_bucket(told.ms)::integer as bucket,
            count(*) as number
        from wanted
        cross join lateral (
            values ('latency', wanted.latency_ms), ('first token', wanted.time_to_first_token_ms)
        ) as told (kind, ms)
        where told.ms is not null and wanted.outcome is distinct from 'error'
        group by told.kind, wanted.source, wanted.model, wanted.hour, latency_bucket(told.ms)
    ),

    operations as (
        select operation_id, last_attempt from operations_tried_again(p_client_id, first_at, end_at)
    )

    select
        kind, source, model, hour, array_agg(bucket), array_agg(number), sum(number)::bigint, null::bigint,
        null::bigint, null::bigint, null::bigint, null::bigint, null::numeric
    from histograms
    group by kind, source, model, hour
    union all
    select
        'answers', source, model, hour, null, null, count(*), sum(completion_tokens)::bigint,
        sum(latency_ms)::bigint, null, null, null, null
    from wanted
    where latency_ms is not null and outcome is distinct from 'error'
    group by source, model, hour
    union all
    select
        'attempts', wanted.source, wanted.model, wanted.hour, null, null, count(*), null, null,
        count(distinct wanted.operation_id),
        count(*) filter (where replaced.is_so),
        count(*) filter (where replaced.is_so and wanted.cost_basis = 'unpriced'),
        coalesce(sum(wanted.cost_usd) filter (where replaced.is_so), 0)
    from wanted
    inner join operations on operations.operation_id = wanted.operation_id
    cross join lateral is_replaced(
        wanted.attempt, wanted.outcome, operations.last_attempt
    ) as replaced (is_so)
    group by wanted.source, wanted.model, wanted.hour;
end
$$;

-- Percentiles of many histograms: a list of [name, buckets, counts]; a row for each.
create or replace function get_percentiles(p_histograms jsonb)
    returns table (name text, p50_ms numeric, p95_ms numeric, p99_ms numeric)
    language sql immutable parallel safe
    set search_path = public, pg_temp
as $$
    select held.value ->> 0, percentile.p50_ms, percentile.p95_ms, percentile.p99_ms
    from jsonb_array_elements(p_histograms) as held (value)
    cross join lateral percentiles_of(
        array(select jsonb_array_elements_text(held.value -> 1)::integer),
        array(select jsonb_array_elements_text(held.value -> 2)::bigint)
    ) as percentile
$$;
