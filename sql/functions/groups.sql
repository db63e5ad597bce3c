-- Usage by any dimension or tag, over time or as a whole: what charts and tables group by.


-- One row per span, bucket and value, those without use included, the oldest bucket first.
--   p_spans   a list of {"first_date": ..., "last_date": ..., "grain": ..., "top": ...}, whose places, from 1
--             on, are the column span. What they are made of is read once. Grains are hour, day, week (from
--             Monday), month, or all for one bucket of all days
--   p_group   provider, model, operation, outcome, hour (of the client's clock), weekday (mon to sun), or
--             tag. with a key
--   p_order   tokens, cost or requests: the values with the most of it in the span, as many as its top says,
--             have rows of their own, and all others one together (is_rest), so that the values of a bucket
--             add up to all its usage
-- value is null for calls that do not tell it, and for the others. bucket_at is on the client's clock; the
-- first and the last bucket count only the days asked for, first_date and last_date say which. total_cost is
-- US dollars.
create or replace function get_usage_by_spans(
    p_client_id uuid, p_spans jsonb, p_group text, p_order text, p_filters jsonb default '[]'
)
    returns table (
        span integer, bucket_at timestamp, first_date date, last_date date, value text, is_rest boolean,
        place integer, value_count bigint, total_tokens bigint, prompt_tokens bigint,
        completion_tokens bigint, total_cost numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
    set enable_mergejoin = off  -- of two lists by span alone, each with each
as $$
#variable_conflict use_column
declare
    dimension constant text := case p_group
        when 'provider' then 'source'
        when 'model' then 'model'
        when 'operation' then 'operation'
        when 'outcome' then 'outcome'
        when 'hour' then 'hour'
        when 'weekday' then 'usage_date'
    end;
    key constant text := case when p_group like 'tag._%' then substr(p_group, 5) end;
    asked record;
    is_by_hour boolean := p_group = 'hour';
    is_of_days boolean;
    v_first date;
    v_last date;
begin
    if dimension is null and key is null then
        raise exception 'group must be provider, model, operation, outcome, hour, weekday or tag.<key>, not %',
            left(coalesce(p_group, 'null'), 60)
            using errcode = 'invalid_parameter_value';
    end if;
    if p_order is null or p_order not in ('tokens', 'cost', 'requests') then
        raise exception 'order must be tokens, cost or requests, not %', coalesce(p_order, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    for asked in
        select * from jsonb_to_recordset(p_spans)
            as span (first_date date, last_date date, grain text, top integer)
    loop
        if asked.grain is null or asked.grain not in ('hour', 'day', 'week', 'month', 'all') then
            raise exception 'grain must be hour, day, week, month or all, not %', coalesce(asked.grain, 'null')
                using errcode = 'invalid_parameter_value';
        end if;
        if asked.top is null or asked.top not between 1 and 1000 then
            raise exception 'top must be between 1 and 1000, not %', coalesce(asked.top::text, 'null')
                using errcode = 'invalid_parameter_value';
        end if;
        if asked.grain = 'hour' and asked.last_date - asked.first_date >= 92 then
            raise exception 'by the hour at most 92 days are answered, not %',
                asked.last_date - asked.first_date + 1
                using errcode = 'invalid_parameter_value';
        end if;
        is_by_hour := is_by_hour or asked.grain = 'hour';
        v_first := least(v_first, asked.first_date);
        v_last := greatest(v_last, asked.last_date);
    end loop;
    -- What the sums of days by source and model answer, by a plan that is there already.
    is_of_days := not is_by_hour and p_group in ('provider', 'model');

    return query
    with answered as materialized (
        select
            usage_date, hour,
            case dimension
                when 'source' then source
                when 'model' then model
                when 'operation' then operation
                when 'outcome' then outcome
                when 'hour' then lpad(hour::text, 2, '0')
                when 'usage_date' then (weekday_names())[extract(isodow from usage_date)::integer]
                else value
            end as value,
            total_tokens, prompt_tokens, completion_tokens, cost_usd, request_count, unpriced_count
        from (
            select
                usage_date, null::smallint as hour, source, model, null as operation, null as outcome,
                null as value, total_tokens, prompt_tokens, completion_tokens, cost_usd, request_count,
                unpriced_count
            from filtered_usage(p_client_id, p_filters, v_first, v_last)
            where is_of_days
            union all
            select
                usage_date, hour, source, model, operation, outcome, value, total_tokens, prompt_tokens,
                completion_tokens, cost_usd, request_count, unpriced_count
            from usage_rows(
                p_client_id, p_filters, v_first, v_last,
                array_remove(
                    array['usage_date', case when is_by_hour then 'hour' end, dimension], null
                ),
                (usage_meters())[1:6], key
            )
            where not is_of_days
        ) as usage
    ),

    spans as materialized (
        select
            listed.place::integer as span,
            (listed.asked ->> 'first_date')::date as first_date,
            (listed.asked ->> 'last_date')::date as last_date,
            listed.asked ->> 'grain' as grain,
            (listed.asked ->> 'top')::integer as top
        from jsonb_array_elements(p_spans) with ordinality as listed (asked, place)
    ),

    located as (
        select
            spans.span,
            case spans.grain
                when 'all' then spans.first_date::timestamp
                when 'hour' then answered.usage_date + answered.hour * interval '1 hour'
                else date_trunc(spans.grain, answered.usage_date::timestamp)
            end as bucket_at,
            -- Something in place of null, as a join by it needs equality; no value has this name.
            coalesce(answered.value, E'\x01') as name,
            answered.*
        from spans
        inner join answered on answered.usage_date between spans.first_date and spans.last_date
    ),

    rows as materialized (
        select
            span, bucket_at, name,
            whole_sum(total_tokens) as total_tokens,
            whole_sum(prompt_tokens) as prompt_tokens,
            whole_sum(completion_tokens) as completion_tokens,
            sum(cost_usd) as cost_usd,
            whole_sum(request_count) as request_count,
            whole_sum(unpriced_count) as unpriced_count
        from located
        group by span, bucket_at, name
    ),

    ranked as (
        select
            span,
            name,
            nullif(name, E'\x01') as value,
            row_number() over (
                partition by span
                order by
                    case p_order
                        when 'tokens' then whole_sum(total_tokens)
                        when 'cost' then sum(cost_usd)
                        else whole_sum(request_count)
                    end desc,
                    sum(cost_usd) desc, whole_sum(total_tokens) desc, nullif(name, E'\x01') nulls last
            ) as place
        from rows
        group by span, name
    ),

    placed as materialized (
        -- One alone is better called by its name.
        select
            ranked.span, ranked.name, ranked.value,
            least(ranked.place, spans.top + 1)::integer as place,
            ranked.place > spans.top and count(*) over (partition by ranked.span) > spans.top + 1 as is_rest
        from ranked
        inner join spans on spans.span = ranked.span
    ),

    shown as materialized (
        select
            span,
            case when not is_rest then value end as value,
            is_rest,
            place,
            count(*) as value_count
        from placed
        group by span, case when not is_rest then value end, is_rest, place
    ),

    sums as materialized (
        select
            rows.span,
            rows.bucket_at,
            placed.place,
            whole_sum(rows.total_tokens) as total_tokens,
            whole_sum(rows.prompt_tokens) as prompt_tokens,
            whole_sum(rows.completion_tokens) as completion_tokens,
            sum(rows.cost_usd) as total_cost,
            whole_sum(rows.request_count) as request_count,
            whole_sum(rows.unpriced_count) as unpriced_count
        from rows
        inner join placed on placed.span = rows.span and placed.name = rows.name
        group by rows.span, rows.bucket_at, placed.place
    ),

    buckets as (
        select spans.*, start as bucket_at
        from spans
        cross join lateral generate_series(
            case when grain in ('week', 'month') then date_trunc(grain, first_date::timestamp)
                else first_date::timestamp end,
            case when grain = 'all' then first_date::timestamp
                when grain = 'hour' then last_date + interval '23 hours'
                else last_date::timestamp end,
            case when grain = 'all' then interval '1 day' else ('1 ' || grain)::interval end
        ) as start
    )

    select
        buckets.span,
        buckets.bucket_at,
        greatest(buckets.bucket_at::date, buckets.first_date),
        case
            when buckets.grain = 'all' then buckets.last_date
            when buckets.grain = 'hour' then buckets.bucket_at::date
            else least(
                (buckets.bucket_at + ('1 ' || buckets.grain)::interval)::date - 1, buckets.last_date
            )
        end,
        shown.value,
        shown.is_rest,
        shown.place,
        shown.value_count,
        coalesce(sums.total_tokens, 0),
        coalesce(sums.prompt_tokens, 0),
        coalesce(sums.completion_tokens, 0),
        coalesce(sums.total_cost, 0),
        coalesce(sums.request_count, 0),
        coalesce(sums.unpriced_count, 0)
    from buckets
    inner join shown on shown.span = buckets.span
    left join sums
        on sums.span = buckets.span and sums.bucket_at = buckets.bucket_at and sums.place = shown.place
    order by buckets.span, buckets.bucket_at, shown.place;
end
$$;

-- The same of one span.
create or replace function get_usage_by_group(
    p_client_id uuid, p_first_date date, p_last_date date, p_grain text, p_group text, p_order text,
    p_top integer default 7, p_filters jsonb default '[]'
)
    returns table (
        bucket_at timestamp, first_date date, last_date date, value text, is_rest boolean, place integer,
        value_count bigint, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        bucket_at, first_date, last_date, value, is_rest, place, value_count, total_tokens, prompt_tokens,
        completion_tokens, total_cost, request_count, unpriced_count
    from get_usage_by_spans(
        p_client_id,
        jsonb_build_array(
            jsonb_build_object(
                'first_date', p_first_date, 'last_date', p_last_date, 'grain', p_grain, 'top', p_top
            )
        ),
        p_group, p_order, p_filters
    )
$$;
