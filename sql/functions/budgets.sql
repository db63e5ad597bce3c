-- Budgets: their periods, and what was used in them. What is spent is counted whenever it is asked for, from
-- the sums that pages show, and kept nowhere.


-- The day of a month on which a period begins: its last one, where the month is shorter.
create or replace function month_begins(p_month date, p_start_day integer) returns date
    language sql immutable parallel safe
    return p_month + least(
        p_start_day, extract(day from p_month + interval '1 month' - interval '1 day')::integer
    ) - 1;

-- The period that a moment is in: its first day, the first day after it, and the moments in which these begin
-- on the clocks of the time zone.
--   p_period     day, week, month, quarter or year
--   p_start_day  of a week 1 (Monday) to 7, of a month 1 to 31, or its last day where it is shorter; else 1
create or replace function budget_period(
    p_period text, p_start_day integer, p_time_zone text, p_at timestamptz
)
    returns table (first_date date, end_date date, starts_at timestamptz, resets_at timestamptz)
    language sql stable
    rows 1
as $$
    with today as (
        select today, date_trunc('month', today::timestamp)::date as month
        from (select (p_at at time zone p_time_zone)::date as today) as clock
    ),

    monthly as (
        -- The month in which the period began.
        select (month - case when today < month_begins(month, p_start_day) then interval '1 month'
            else interval '0' end)::date as month
        from today
    ),

    first as (
        select
            case p_period
                when 'day' then today
                when 'week' then today - (extract(isodow from today)::integer - p_start_day + 7) % 7
                when 'month' then month_begins(monthly.month, p_start_day)
                when 'quarter' then date_trunc('quarter', today::timestamp)::date
                when 'year' then date_trunc('year', today::timestamp)::date
            end as first_date,
            monthly.month
        from today
        cross join monthly
    ),

    both_ends as (
        select
            first_date,
            case p_period
                when 'day' then first_date + 1
                when 'week' then first_date + 7
                when 'month' then month_begins((month + interval '1 month')::date, p_start_day)
                when 'quarter' then (first_date + interval '3 months')::date
                when 'year' then (first_date + interval '1 year')::date
            end as end_date
        from first
    )

    select
        first_date, end_date,
        day_begins_at(first_date, p_time_zone) as starts_at,
        day_begins_at(end_date, p_time_zone) as resets_at
    from both_ends
$$;

-- The clients whose usage counts for a budget, by time zone: of all clients (null) each zone has a row.
create or replace function clients_by_zone(p_client_id uuid)
    returns table (time_zone text, client_ids uuid[])
    language sql stable
    rows 1
as $$
    select timezone, array_agg(id)
    from clients
    where p_client_id is null or id = p_client_id
    group by timezone
$$;

-- Whether filters ask for nothing that each client has of its own, as tags and conversations are.
create or replace function are_of_all_clients(p_conditions jsonb) returns boolean
    language sql immutable parallel safe
    return not exists (
        select from jsonb_array_elements(p_conditions) as condition
        where condition ->> 'name' not in ('provider', 'model', 'operation')
    );

-- What clients used in days of theirs, by any of client_id, usage_date, hour (of their clocks), source, model
-- and operation, and by value of a tag's key: as usage_rows() tells it of one of them. Of many clients at
-- once where what is asked for is in the sums of all.
create or replace function usage_of_clients(
    p_client_ids uuid[], p_filters jsonb, p_first_date date, p_last_date date, p_by text[],
    p_key text default null
)
    returns table (
        client_id uuid, usage_date date, hour smallint, source text, model text, operation text, value text,
        total_tokens bigint, cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    keys constant text := (
        select string_agg(
            case when name = any (p_by) then name else format('null::%s as %s', type, name) end,
            ', ' order by place
        )
        from
            unnest(
                array['client_id', 'usage_date', 'hour', 'source', 'model', 'operation'],
                array['uuid', 'date', 'smallint', 'text', 'text', 'text']
            ) with ordinality as listed (name, type, place)
    );
begin
    if cardinality(p_client_ids) = 1 or p_key is not null or not are_of_all_clients(p_filters) then
        return query
        select
            case when 'client_id' = any (p_by) then client.id end, rows.usage_date, rows.hour, rows.source,
            rows.model, rows.operation, rows.value, rows.total_tokens, rows.cost_usd, rows.request_count,
            rows.unpriced_count
        from unnest(p_client_ids) as client (id)
        cross join lateral usage_rows(
            client.id, p_filters, p_first_date, p_last_date, p_by,
            array['total_tokens', 'cost_usd', 'request_count', 'unpriced_count'], p_key
        ) as rows;
        return;
    end if;

    return query execute format(
        'select
            %1$s, null::text, whole_sum(total_tokens)::bigint, coalesce(sum(cost_usd), 0),
            whole_sum(request_count)::bigint, whole_sum(unpriced_count)::bigint
        from (
            select %1$s, total_tokens, cost_usd, request_count, unpriced_count from %2$s where %3$s
            union all
            select %1$s, total_tokens, cost_usd, request_count, unpriced_count
            from usage_pending where %3$s %4$s
        ) as parts
        group by 1, 2, 3, 4, 5, 6
        having sum(request_count) <> 0',
        keys,
        case when 'hour' = any (p_by) then 'usage_hour_rollup' else 'usage_daily_rollup' end,
        'client_id = any ($1) and usage_date between $2 and $3'
        || case when p_filters = '[]' then ''
            else ' and sum_passes($4, source, model, operation, outcome)' end,
        case when 'hour' = any (p_by) then 'and hour is not null' else '' end
    )
    using p_client_ids, p_first_date, p_last_date, usage_filter_of(
        p_client_ids[1], p_filters, p_first_date, p_last_date
    );
end
$$;

-- The calls of clients from one moment on until before another, with the value of a tag's key.
create or replace function calls_of_clients(
    p_client_ids uuid[], p_filters jsonb, p_first_at timestamptz, p_end_at timestamptz,
    p_key text default null
)
    returns table (
        created_at timestamptz, value text, total_tokens bigint, cost_usd numeric, request_count bigint,
        unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    first_date constant date := (p_first_at at time zone 'UTC')::date - 1;
    last_date constant date := (p_end_at at time zone 'UTC')::date + 1;
    filter usage_filter;
begin
    if p_key is null and are_of_all_clients(p_filters) then
        filter := usage_filter_of(p_client_ids[1], p_filters, first_date, last_date);
        return query
        select
            log.created_at, null::text, log.total_tokens::bigint, log.cost_usd,
            coalesce(log.bucket_request_count, 1),
            case when log.cost_basis = 'unpriced' then coalesce(log.bucket_request_count, 1) else 0 end
        from usage_logs as log
        where
            log.client_id = any(p_client_ids)
            and log.created_at >= p_first_at and log.created_at < p_end_at
            and sum_passes(filter, log.source, log.model, log.operation, log.outcome);
        return;
    end if;

    return query
    select
        log.created_at,
        case
            when p_key is null then null
            when log.tag_set_id = 0 then '(other)'
            else shown_tag(tag_sets.tags, p_key)
        end,
        log.total_tokens::bigint, log.cost_usd, coalesce(log.bucket_request_count, 1),
        case when log.cost_basis = 'unpriced' then coalesce(log.bucket_request_count, 1) else 0 end
    from unnest(p_client_ids) as client (id)
    cross join lateral wanted_calls(
        client.id, usage_filter_of(client.id, p_filters, first_date, last_date), p_first_at, p_end_at
    ) as log
    left join tag_sets
        on p_key is not null and tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id;
end
$$;

-- What clients of one time zone used from one moment on until before another, per value of a tag's key, or in
-- one row where there is none: whole days of theirs from the sums, parts of days from the calls. No row
-- without calls. total_tokens, request_count, unpriced_count; cost_usd is US dollars, of what is known.
create or replace function usage_between(
    p_client_ids uuid[], p_filters jsonb, p_first_at timestamptz, p_end_at timestamptz,
    p_key text default null
)
    returns table (
        value text, total_tokens bigint, cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    zone constant text := (select timezone from clients where id = p_client_ids[1]);
    first_date date := (p_first_at at time zone zone)::date;
    end_date date := (p_end_at at time zone zone)::date;  -- the day after the last whole one
    first_part tstzrange;
    last_part tstzrange;
begin
    if zone is null or p_first_at >= p_end_at then
        return;
    end if;
    if day_begins_at(first_date, zone) < p_first_at then
        first_date := first_date + 1;
    end if;
    if first_date >= end_date then
        first_part := tstzrange(p_first_at, p_end_at);
    else
        first_part := tstzrange(p_first_at, day_begins_at(first_date, zone));
        last_part := tstzrange(day_begins_at(end_date, zone), p_end_at);
    end if;

    return query
    select
        value, sum(total_tokens)::bigint, coalesce(sum(cost_usd), 0), sum(request_count)::bigint,
        sum(unpriced_count)::bigint
    from (
        select value, total_tokens, cost_usd, request_count, unpriced_count
        from usage_of_clients(p_client_ids, p_filters, first_date, end_date - 1, '{}', p_key)
        where first_date < end_date
        union all
        select log.value, log.total_tokens, log.cost_usd, log.request_count, log.unpriced_count
        from unnest(array[first_part, last_part]) as part
        cross join lateral calls_of_clients(
            array(
                select id from clients
                where
                    id = any (p_client_ids)
                    and coalesce((lower(part) at time zone zone)::date >= raw_since, true)
            ),
            p_filters, lower(part), upper(part), p_key
        ) as log
        where not isempty(part)
        union all
        -- Of days whose calls are gone the hours are known.
        select hours.value, hours.total_tokens, hours.cost_usd, hours.request_count, hours.unpriced_count
        from unnest(array[first_part, last_part]) as part
        inner join clients on clients.id = any (p_client_ids)
        cross join lateral usage_rows(
            clients.id, p_filters, (lower(part) at time zone zone)::date,
            (upper(part) at time zone zone)::date, array['usage_date', 'hour'], (usage_meters())[1:6], p_key
        ) as hours
        where
            not isempty(part)
            and (lower(part) at time zone zone)::date < clients.raw_since
            and (hours.usage_date + hours.hour * interval '1 hour') at time zone zone <@ part
    ) as parts
    group by value
    having sum(request_count) <> 0;
end
$$;

-- The budgets that hold at a moment, with what was used in their period until the end of that day: one row
-- per budget, in the order of names. One that is split by a tag has a row per value, and one for the calls
-- without a value, and without a limit.
--   p_client_id  null for the budgets of all clients together, which only an owner sees
-- subject is the value, null for calls without one, and empty where the budget is not split. spent is in the
-- budget's unit: of costs what is known, with unpriced_count calls of which it is not. end_date and resets_at
-- are the first day and moment of the next period.
create or replace function get_budgets(p_client_id uuid, p_now timestamptz)
    returns table (
        budget_id uuid, name text, version_id uuid, valid_from timestamptz, changed_by text,
        limit_amount numeric, unit text, period text, start_day integer, time_zone text, filters jsonb,
        split_by text, thresholds jsonb, repeats boolean, first_date date, end_date date,
        starts_at timestamptz, resets_at timestamptz, subject text, spent numeric, cost_usd numeric,
        total_tokens bigint, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with held as (
        select
            budget.id as budget_id, budget.client_id, budget.name, version.id as version_id,
            version.valid_from, version.changed_by, version.limit_amount, version.unit, version.period,
            version.start_day::integer as start_day, version.time_zone, version.filters, version.split_by,
            version.thresholds, version.repeats, span.first_date, span.end_date, span.starts_at,
            span.resets_at,
            least(day_begins_at(span.today + 1, version.time_zone), span.resets_at) as until_at
        from budgets as budget
        cross join lateral (
            select
                budget_versions.id, budget_versions.valid_from, budget_versions.changed_by,
                budget_versions.limit_amount, budget_versions.unit, budget_versions.period,
                budget_versions.start_day, budget_versions.filters, budget_versions.split_by,
                budget_versions.thresholds, budget_versions.repeats,
                coalesce(
                    budget_versions.time_zone,
                    (select clients.timezone from clients where clients.id = budget.client_id)
                ) as time_zone
            from budget_versions
            where budget_versions.budget_id = budget.id and budget_versions.valid_from <= p_now
            order by budget_versions.valid_from desc
            limit 1
        ) as version
        cross join lateral (
            select found.*, (p_now at time zone version.time_zone)::date as today
            from budget_period(version.period, version.start_day, version.time_zone, p_now) as found
        ) as span
        where
            budget.client_id is not distinct from p_client_id
            and (budget.archived_at is null or budget.archived_at > p_now)
    ),

    used as (
        select
            held.budget_id,
            part.value,
            sum(part.total_tokens)::bigint as total_tokens,
            sum(part.cost_usd) as cost_usd,
            sum(part.request_count)::bigint as request_count,
            sum(part.unpriced_count)::bigint as unpriced_count
        from held
        cross join lateral clients_by_zone(held.client_id) as whose
        cross join lateral usage_between(
            whose.client_ids, held.filters, held.starts_at, held.until_at, held.split_by
        ) as part
        group by held.budget_id, part.value
    ),

    subjects as (
        select held.budget_id, null::text as value from held
        union
        select used.budget_id, used.value from used
    )

    select
        held.budget_id, held.name, held.version_id, held.valid_from, held.changed_by,
        case when held.split_by is null or subjects.value is not null then held.limit_amount end,
        held.unit, held.period, held.start_day, held.time_zone, held.filters, held.split_by,
        held.thresholds, held.repeats, held.first_date, held.end_date, held.starts_at, held.resets_at,
        case when held.split_by is null then '' else subjects.value end,
        case held.unit when 'usd' then coalesce(used.cost_usd, 0) else coalesce(used.total_tokens, 0) end,
        coalesce(used.cost_usd, 0),
        coalesce(used.total_tokens, 0),
        coalesce(used.request_count, 0),
        coalesce(used.unpriced_count, 0)
    from held
    inner join subjects on subjects.budget_id = held.budget_id
    left join used on used.budget_id = held.budget_id and used.value is not distinct from subjects.value
    order by lower(held.name), held.budget_id, subjects.value nulls last
$$;

-- What a budget said, and since when: one row per version, the newest first. valid_until is null for the
-- last one; archived_at and archived_by are the budget's.
create or replace function get_budget_versions(p_client_id uuid, p_budget_id uuid)
    returns table (
        version_id uuid, valid_from timestamptz, valid_until timestamptz, changed_by text,
        limit_amount numeric, unit text, period text, start_day integer, time_zone text, filters jsonb,
        split_by text, thresholds jsonb, repeats boolean, archived_at timestamptz, archived_by text
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        version.id,
        version.valid_from,
        lead(version.valid_from) over (order by version.valid_from),
        version.changed_by,
        version.limit_amount,
        version.unit,
        version.period,
        version.start_day::integer,
        version.time_zone,
        version.filters,
        version.split_by,
        version.thresholds,
        version.repeats,
        budget.archived_at,
        budget.archived_by
    from budgets as budget
    inner join budget_versions as version on version.budget_id = budget.id
    where budget.id = p_budget_id and budget.client_id is not distinct from p_client_id
    order by version.valid_from desc
$$;

-- The periods before the one that a moment is in, the newest first: at most p_count, none before the first
-- usage. Each is by the version that held when it ended, or by the first one where none did: such a period
-- has no limit. One that ended early, as another version cut it, has the day of that as its end.
--   p_subject  the value of a budget that is split, null for the calls without one; '' for all of its calls
create or replace function get_budget_periods(
    p_client_id uuid, p_budget_id uuid, p_count integer, p_now timestamptz, p_subject text default ''
)
    returns table (
        version_id uuid, first_date date, end_date date, starts_at timestamptz, ends_at timestamptz,
        time_zone text, limit_amount numeric, unit text, spent numeric, cost_usd numeric,
        total_tokens bigint, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    client_zone constant text := (select timezone from clients where id = p_client_id);
    first_used_at constant timestamptz := (
        select min(day_begins_at(first_used.day, clients.timezone))
        from clients
        cross join lateral first_usage_date(clients.id) as first_used (day)
        where p_client_id is null or clients.id = p_client_id
    );
    version record;
    span record;
    at timestamptz := p_now;
    end_at timestamptz;
begin
    for place in 0 .. p_count loop
        select
            held.id, held.valid_from, held.limit_amount, held.unit, held.period, held.start_day::integer,
            coalesce(held.time_zone, client_zone) as time_zone, held.filters, held.split_by
        into version
        from budget_versions as held
        inner join budgets as budget on budget.id = held.budget_id
        where budget.id = p_budget_id and budget.client_id is not distinct from p_client_id
        order by
            held.valid_from > at, case when held.valid_from <= at then held.valid_from end desc,
            held.valid_from
        limit 1;
        if version.id is null then
            return;
        end if;
        select * into span
        from budget_period(version.period, version.start_day, version.time_zone, at);
        if place > 0 then
            return query
            select
                version.id, span.first_date, (end_at at time zone version.time_zone)::date, span.starts_at,
                end_at, version.time_zone,
                case
                    when version.valid_from <= at and (version.split_by is null or p_subject is not null)
                    then version.limit_amount
                end,
                version.unit,
                case version.unit
                    when 'usd' then coalesce(sum(used.cost_usd), 0)
                    else coalesce(sum(used.total_tokens), 0)
                end,
                coalesce(sum(used.cost_usd), 0),
                coalesce(sum(used.total_tokens), 0)::bigint,
                coalesce(sum(used.request_count), 0)::bigint,
                coalesce(sum(used.unpriced_count), 0)::bigint
            from clients_by_zone(p_client_id) as whose
            cross join lateral usage_between(
                whose.client_ids, version.filters, span.starts_at, end_at, version.split_by
            ) as used
            where
                (version.split_by is null or p_subject = '' or used.value is not distinct from p_subject);
        end if;
        end_at := span.starts_at;
        exit when first_used_at is null or end_at <= first_used_at;
        at := end_at - interval '1 microsecond';
    end loop;
end
$$;

-- What clients of one time zone used on each day of another one, per value of a tag's key, or in one row
-- where there is none. No row without calls. Where these are the clients' own days they come from the sums;
-- else from the hours of their clocks, and one that is not within a single day is divided call by call.
--   p_begins  the days that must begin exactly; null for all. At others an hour is of the day it begins in.
create or replace function usage_by_day(
    p_client_ids uuid[], p_filters jsonb, p_time_zone text, p_first_date date, p_last_date date,
    p_key text default null, p_begins date[] default null
)
    returns table (
        usage_date date, value text, total_tokens bigint, cost_usd numeric, request_count bigint,
        unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    zone constant text := (select timezone from clients where id = p_client_ids[1]);
begin
    if zone = p_time_zone then
        return query
        select
            usage.usage_date, usage.value, usage.total_tokens, usage.cost_usd, usage.request_count,
            usage.unpriced_count
        from usage_of_clients(
            p_client_ids, p_filters, p_first_date, p_last_date, '{usage_date}', p_key
        ) as usage;
        return;
    end if;

    return query
    with hours as materialized (
        select
            clock.*,
            clock.first_date as usage_date,
            clock.first_date <> clock.last_date
            and (p_begins is null or clock.last_date = any(p_begins)) as is_divided,
            usage.value, usage.cost_usd, usage.total_tokens, usage.request_count, usage.unpriced_count
        from usage_of_clients(
            p_client_ids, p_filters, p_first_date - 1, p_last_date + 1, '{usage_date,hour}', p_key
        ) as usage
        cross join lateral (
            select
                clock_at, from_at, until_at,
                (from_at at time zone p_time_zone)::date as first_date,
                ((until_at - interval '1 microsecond') at time zone p_time_zone)::date as last_date
            from (
                select
                    clock_at,
                    begins_at - case when is_odd then interval '2 hours' else interval '0 hours' end
                        as from_at,
                    begins_at + case when is_odd then interval '3 hours' else interval '1 hour' end
                        as until_at
                from (
                    select
                        clock_at,
                        begins_at,
                        begins_at at time zone zone <> clock_at
                        or exists (
                            select from unnest(array[-4, -3, -2, -1, 4, 5, 6, 7]) as quarters
                            where
                                date_trunc(
                                    'hour', (begins_at + quarters * interval '15 minutes') at time zone zone
                                ) = clock_at
                        ) as is_odd
                    from (
                        select
                            usage.usage_date + usage.hour * interval '1 hour' as clock_at,
                            (usage.usage_date + usage.hour * interval '1 hour') at time zone zone as begins_at
                    ) as known
                ) as judged
            ) as bounds
        ) as clock
        where usage.hour is not null
    ),

    used as (
        select
            hours.usage_date, hours.value, hours.cost_usd, hours.total_tokens, hours.request_count,
            hours.unpriced_count
        from hours
        where not hours.is_divided
        union all
        select
            (log.created_at at time zone p_time_zone)::date, log.value, log.cost_usd, log.total_tokens,
            log.request_count, log.unpriced_count
        from (select distinct clock_at, from_at, until_at from hours where is_divided) as hours
        cross join lateral calls_of_clients(
            p_client_ids, p_filters, hours.from_at, hours.until_at, p_key
        ) as log
        where date_trunc('hour', log.created_at at time zone zone) = hours.clock_at
    )

    select
        used.usage_date, used.value, sum(used.total_tokens)::bigint, coalesce(sum(used.cost_usd), 0),
        sum(used.request_count)::bigint, sum(used.unpriced_count)::bigint
    from used
    where used.usage_date between p_first_date and p_last_date
    group by used.usage_date, used.value
    having sum(used.request_count) <> 0;
end
$$;

-- The periods of budgets that are over and ended while the budget was there, the oldest first: each by the
-- version that held at its end, none that another version cut short. One row per period; of a budget that is
-- split that of the calls without a value, and one more per value that reached a threshold. Columns are those
-- of get_budgets().
--   p_count  how many periods of each budget, the last ones; null for all
create or replace function get_budget_periods_over(
    p_client_id uuid, p_now timestamptz, p_count integer default null
)
    returns table (
        budget_id uuid, name text, version_id uuid, valid_from timestamptz, changed_by text,
        limit_amount numeric, unit text, period text, start_day integer, time_zone text, filters jsonb,
        split_by text, thresholds jsonb, repeats boolean, first_date date, end_date date,
        starts_at timestamptz, resets_at timestamptz, subject text, spent numeric, cost_usd numeric,
        total_tokens bigint, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
    -- Periods are many, and are taken for few.
    set enable_nestloop = off
as $$
    with recursive held as materialized (
        select
            budget.client_id, budget.id as budget_id, budget.name, version.id as version_id,
            version.valid_from, version.changed_by, version.limit_amount, version.unit, version.period,
            version.start_day::integer as start_day, coalesce(version.time_zone, own.timezone) as time_zone,
            version.filters, version.split_by, version.thresholds, version.repeats,
            least(
                p_now,
                lead(version.valid_from) over (partition by budget.id order by version.valid_from)
            ) as until_at,
            (
                select min((threshold ->> 'percent')::numeric)
                from jsonb_array_elements(version.thresholds) as threshold
                where threshold ->> 'on' = 'actual'
            ) * version.limit_amount / 100 as told_from
        from budgets as budget
        inner join budget_versions as version on version.budget_id = budget.id
        left join clients as own on own.id = budget.client_id
        where
            budget.client_id is not distinct from p_client_id
            and (budget.archived_at is null or budget.archived_at > p_now)
    ),

    spans as (
        select held.version_id, span.*
        from held
        cross join lateral budget_period(
            held.period, held.start_day, held.time_zone, held.valid_from
        ) as span
        union all
        select held.version_id, span.*
        from spans
        inner join held on held.version_id = spans.version_id and spans.resets_at < held.until_at
        cross join lateral budget_period(
            held.period, held.start_day, held.time_zone, spans.resets_at
        ) as span
    ),

    periods as materialized (
        select ended.*
        from (
            select
                spans.*,
                row_number() over (partition by held.budget_id order by spans.first_date desc) as place
            from spans
            inner join held on held.version_id = spans.version_id and spans.resets_at <= held.until_at
        ) as ended
        where p_count is null or ended.place <= p_count
    ),

    ranges as (
        select
            version_id, min(first_date) as first_date, max(end_date) - 1 as last_date,
            array_agg(first_date) || max(end_date) as begins
        from periods
        group by version_id
    ),

    -- Read once per version, not once per period.
    used_days as materialized (
        select held.version_id, usage.*
        from ranges
        inner join held on held.version_id = ranges.version_id
        cross join lateral clients_by_zone(held.client_id) as whose
        cross join lateral usage_by_day(
            whose.client_ids, held.filters, held.time_zone, ranges.first_date, ranges.last_date,
            held.split_by, ranges.begins
        ) as usage
    ),

    used as materialized (
        select
            periods.version_id, periods.first_date, used_days.value,
            sum(used_days.total_tokens)::bigint as total_tokens, sum(used_days.cost_usd) as cost_usd,
            sum(used_days.request_count)::bigint as request_count,
            sum(used_days.unpriced_count)::bigint as unpriced_count
        from used_days
        inner join periods
            on periods.version_id = used_days.version_id
            and used_days.usage_date >= periods.first_date and used_days.usage_date < periods.end_date
        group by periods.version_id, periods.first_date, used_days.value
    ),

    subjects as (
        select periods.version_id, periods.first_date, null::text as value from periods
        union
        select used.version_id, used.first_date, used.value
        from used
        inner join held on held.version_id = used.version_id
        where
            case held.unit when 'usd' then used.cost_usd else used.total_tokens end >= held.told_from
    )

    select
        held.budget_id, held.name, held.version_id, held.valid_from, held.changed_by,
        case when held.split_by is null or subjects.value is not null then held.limit_amount end,
        held.unit, held.period, held.start_day, held.time_zone, held.filters, held.split_by,
        held.thresholds, held.repeats, periods.first_date, periods.end_date, periods.starts_at,
        periods.resets_at,
        case when held.split_by is null then '' else subjects.value end,
        case held.unit when 'usd' then coalesce(used.cost_usd, 0) else coalesce(used.total_tokens, 0) end,
        coalesce(used.cost_usd, 0),
        coalesce(used.total_tokens, 0),
        coalesce(used.request_count, 0),
        coalesce(used.unpriced_count, 0)
    from periods
    inner join held on held.version_id = periods.version_id
    inner join subjects
        on subjects.version_id = periods.version_id and subjects.first_date = periods.first_date
    left join used
        on used.version_id = periods.version_id and used.first_date = periods.first_date
        and used.value is not distinct from subjects.value
    order by periods.starts_at, lower(held.name), held.budget_id, subjects.value nulls last
$$;

-- What counts for a budget, day by day of its own time zone, by its newest version: one row per day, days
-- without use included.
--   p_subject  as get_budget_periods() takes it
create or replace function get_budget_days(
    p_client_id uuid, p_budget_id uuid, p_first_date date, p_last_date date, p_subject text default ''
)
    returns table (
        usage_date date, cost_usd numeric, total_tokens bigint, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
begin
    if p_last_date - p_first_date >= 800 then
        raise exception 'at most 800 days of a budget are answered, not %', p_last_date - p_first_date + 1
            using errcode = 'invalid_parameter_value';
    end if;

    return query
    with newest as materialized (
        select
            version.filters,
            version.split_by,
            coalesce(
                version.time_zone, (select clients.timezone from clients where clients.id = p_client_id)
            ) as time_zone
        from budget_versions as version
        inner join budgets as budget on budget.id = version.budget_id
        where budget.id = p_budget_id and budget.client_id is not distinct from p_client_id
        order by version.valid_from desc
        limit 1
    ),

    days as (
        select day::date as usage_date
        from generate_series(p_first_date::timestamp, p_last_date::timestamp, interval '1 day') as day
    ),

    used as materialized (
        select usage.*
        from newest
        cross join lateral clients_by_zone(p_client_id) as whose
        cross join lateral usage_by_day(
            whose.client_ids, newest.filters, newest.time_zone, p_first_date, p_last_date, newest.split_by
        ) as usage
        where newest.split_by is null or p_subject = '' or usage.value is not distinct from p_subject
    )

    select
        days.usage_date,
        coalesce(sum(used.cost_usd), 0),
        coalesce(sum(used.total_tokens), 0)::bigint,
        coalesce(sum(used.request_count), 0)::bigint,
        coalesce(sum(used.unpriced_count), 0)::bigint
    from days
    left join used on used.usage_date = days.usage_date
    where exists (select from newest)
    group by days.usage_date
    order by days.usage_date;
end
$$;

-- What counts for a budget by the hour of the day, on its own clock, by its newest version: 24 rows.
--   p_first_date, p_last_date  days of each client
--   p_subject                  as get_budget_periods() takes it
create or replace function get_budget_hours(
    p_client_id uuid, p_budget_id uuid, p_first_date date, p_last_date date, p_subject text default ''
)
    returns table (hour integer, cost_usd numeric, total_tokens bigint)
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with newest as materialized (
        select
            version.filters,
            version.split_by,
            coalesce(
                version.time_zone, (select clients.timezone from clients where clients.id = p_client_id)
            ) as time_zone
        from budget_versions as version
        inner join budgets as budget on budget.id = version.budget_id
        where budget.id = p_budget_id and budget.client_id is not distinct from p_client_id
        order by version.valid_from desc
        limit 1
    ),

    used as (
        select
            extract(
                hour from (usage.usage_date + usage.hour * interval '1 hour')
                at time zone whose.time_zone at time zone newest.time_zone
            )::integer as hour,
            usage.cost_usd,
            usage.total_tokens
        from newest
        cross join lateral clients_by_zone(p_client_id) as whose
        cross join lateral usage_of_clients(
            whose.client_ids, newest.filters, p_first_date, p_last_date, '{usage_date,hour}', newest.split_by
        ) as usage
        where
            usage.hour is not null
            and (newest.split_by is null or p_subject = '' or usage.value is not distinct from p_subject)
    )

    select
        hours.hour,
        coalesce(sum(used.cost_usd), 0),
        coalesce(sum(used.total_tokens), 0)::bigint
    from generate_series(0, 23) as hours (hour)
    left join used on used.hour = hours.hour
    where exists (select from newest)
    group by hours.hour
    order by hours.hour
$$;

-- What counts for a budget in two spans of days, by client, provider, model and operation, by its newest
-- version: one row per each that was used. Days are those of each client; sums that begin with previous_ are
-- of the second span.
--   p_subject  as get_budget_periods() takes it
create or replace function get_budget_parts(
    p_client_id uuid, p_budget_id uuid, p_first_date date, p_last_date date, p_previous_first_date date,
    p_previous_last_date date, p_subject text default ''
)
    returns table (
        client_name text, source text, model text, operation text, total_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, previous_total_tokens bigint,
        previous_total_cost numeric, previous_request_count bigint, previous_unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
    set jit = off
as $$
    with newest as materialized (
        select version.filters, version.split_by
        from budget_versions as version
        inner join budgets as budget on budget.id = version.budget_id
        where budget.id = p_budget_id and budget.client_id is not distinct from p_client_id
        order by version.valid_from desc
        limit 1
    ),

    spans (is_now, first_date, last_date) as (
        values (true, p_first_date, p_last_date), (false, p_previous_first_date, p_previous_last_date)
    )

    select
        clients.name,
        usage.source,
        usage.model,
        usage.operation,
        coalesce(sum(usage.total_tokens) filter (where spans.is_now), 0)::bigint,
        coalesce(sum(usage.cost_usd) filter (where spans.is_now), 0),
        coalesce(sum(usage.request_count) filter (where spans.is_now), 0)::bigint,
        coalesce(sum(usage.unpriced_count) filter (where spans.is_now), 0)::bigint,
        coalesce(sum(usage.total_tokens) filter (where not spans.is_now), 0)::bigint,
        coalesce(sum(usage.cost_usd) filter (where not spans.is_now), 0),
        coalesce(sum(usage.request_count) filter (where not spans.is_now), 0)::bigint,
        coalesce(sum(usage.unpriced_count) filter (where not spans.is_now), 0)::bigint
    from newest
    cross join spans
    cross join lateral clients_by_zone(p_client_id) as whose
    cross join lateral usage_of_clients(
        whose.client_ids, newest.filters, spans.first_date, spans.last_date,
        '{client_id,source,model,operation}', newest.split_by
    ) as usage
    inner join clients on clients.id = usage.client_id
    where newest.split_by is null or p_subject = '' or usage.value is not distinct from p_subject
    group by clients.id, clients.name, usage.source, usage.model, usage.operation
    having sum(usage.request_count) <> 0
    order by clients.name, clients.id, usage.source, usage.model, usage.operation
$$;
