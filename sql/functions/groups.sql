-- Usage by any dimension or tag, over time or as a whole: what charts and tables group by.


-- One row per bucket and value, those without use included, the oldest bucket first.
--   p_grain   hour, day, week (from Monday), month, or all for one bucket of all days
--   p_group   provider, model, operation, outcome, hour (of the client's clock), weekday (mon to sun), or
--             tag. with a key
--   p_order   tokens, cost or requests: the p_top values with the most of it have rows of their own, and all
--             others one together (is_rest), so that the values of a bucket add up to all its usage
-- value is null for calls that do not tell it, and for the others. bucket_at is on the client's clock; the
-- first and the last bucket count only the days asked for, first_date and last_date say which. total_cost is
-- US dollars.
create or replace function get_usage_by_group(
    p_client_id uuid, p_first_date date, p_last_date date, p_grain text, p_group text, p_order text,
    p_top integer default 7, p_filters jsonb default '[]'
)
    returns table (
        bucket_at timestamp, first_date date, last_date date, value text, is_rest boolean, place integer,
        value_count bigint, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    is_by_hour constant boolean := p_grain = 'hour' or p_group = 'hour';
    dimension constant text := case p_group
        when 'provider' then 'source'
        when 'model' then 'model'
        when 'operation' then 'operation'
        when 'outcome' then 'outcome'
        when 'hour' then 'hour'
        when 'weekday' then 'usage_date'
    end;
    key constant text := case when p_group like 'tag._%' then substr(p_group, 5) end;
begin
    if p_grain is null or p_grain not in ('hour', 'day', 'week', 'month', 'all') then
        raise exception 'grain must be hour, day, week, month or all, not %', coalesce(p_grain, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if dimension is null and key is null then
        raise exception 'group must be provider, model, operation, outcome, hour, weekday or tag.<key>, not %',
            left(coalesce(p_group, 'null'), 60)
            using errcode = 'invalid_parameter_value';
    end if;
    if p_order is null or p_order not in ('tokens', 'cost', 'requests') then
        raise exception 'order must be tokens, cost or requests, not %', coalesce(p_order, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_top is null or p_top not between 1 and 1000 then
        raise exception 'top must be between 1 and 1000, not %', coalesce(p_top::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_grain = 'hour' and p_last_date - p_first_date >= 92 then
        raise exception 'by the hour at most 92 days are answered, not %', p_last_date - p_first_date + 1
            using errcode = 'invalid_parameter_value';
    end if;

    return query
    with answered as (
        select
            case p_grain
                when 'all' then p_first_date::timestamp
                when 'hour' then usage_date + hour * interval '1 hour'
                else date_trunc(p_grain, usage_date::timestamp)
            end as bucket_at,
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
        from usage_rows(
            p_client_id, p_filters, p_first_date, p_last_date,
            array_remove(
                array[
                    case when p_grain <> 'all' then 'usage_date' end,
                    case when is_by_hour then 'hour' end,
                    dimension
                ],
                null
            ),
            (usage_meters())[1:6], key
        )
    ),

    rows as materialized (
        -- Something in place of null, as a join by it needs equality; no value has this name.
        select *, coalesce(value, E'\x01') as name from answered
    ),

    ranked as (
        select
            name,
            value,
            row_number() over (
                order by
                    case p_order
                        when 'tokens' then sum(total_tokens)
                        when 'cost' then sum(cost_usd)
                        else sum(request_count)
                    end desc,
                    sum(cost_usd) desc, sum(total_tokens) desc, value nulls last
            ) as place
        from rows
        group by name, value
    ),

    placed as (
        -- One alone is better called by its name.
        select name, value, place, place > p_top and count(*) over () > p_top + 1 as is_rest from ranked
    ),

    shown as materialized (
        select
            case when not is_rest then value end as value,
            is_rest,
            least(place, p_top + 1)::integer as place,
            count(*) as value_count
        from placed
        group by case when not is_rest then value end, is_rest, least(place, p_top + 1)::integer
    ),

    sums as (
        select
            rows.bucket_at,
            least(placed.place, p_top + 1)::integer as place,
            sum(rows.total_tokens)::bigint as total_tokens,
            sum(rows.prompt_tokens)::bigint as prompt_tokens,
            sum(rows.completion_tokens)::bigint as completion_tokens,
            sum(rows.cost_usd) as total_cost,
            sum(rows.request_count)::bigint as request_count,
            sum(rows.unpriced_count)::bigint as unpriced_count
        from rows
        inner join placed on placed.name = rows.name
        group by rows.bucket_at, least(placed.place, p_top + 1)::integer
    ),

    buckets as (
        select start as bucket_at
        from generate_series(
            case when p_grain in ('week', 'month') then date_trunc(p_grain, p_first_date::timestamp)
                else p_first_date::timestamp end,
            case when p_grain = 'all' then p_first_date::timestamp
                when p_grain = 'hour' then p_last_date + interval '23 hours'
                else p_last_date::timestamp end,
            case when p_grain = 'all' then interval '1 day' else ('1 ' || p_grain)::interval end
        ) as start
    )

    select
        buckets.bucket_at,
        greatest(buckets.bucket_at::date, p_first_date),
        case
            when p_grain = 'all' then p_last_date
            when p_grain = 'hour' then buckets.bucket_at::date
            else least((buckets.bucket_at + ('1 ' || p_grain)::interval)::date - 1, p_last_date)
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
    cross join shown
    left join sums on sums.bucket_at = buckets.bucket_at and sums.place = shown.place
    order by buckets.bucket_at, shown.place;
end
$$;
