-- Busy weeks of conversations by provider, model, operation and outcome (usage_conversation_kind_rollup), for
-- the first conversations under filters of these. fold_usage() fills them. All run with the rights of who
-- calls them, so that a reader sees its one client.


-- Whether the filter asks for nothing but what weeks are kept by.
create or replace function is_of_kinds(p_filter usage_filter) returns boolean
    language sql immutable parallel safe
    return (p_filter).conversation_ids is null
        and (p_filter).timezone is null
        and (p_filter).tag_set_ids is null
        and not asks_for_facts(p_filter);

-- The ids as rows, which are guessed to be many.
create or replace function rows_of_ids(p_ids uuid[]) returns setof uuid
    language plpgsql immutable
    rows 1000
    set search_path = public, pg_temp
as $$
begin
    return query select id from unnest(p_ids) as id;
end
$$;

-- What some conversations used in calls that pass and name them: those that have p_least tokens, or dollars,
-- in these. Busy weeks are read by kind. Of the others the calls are, where the sums of all kinds leave it
-- possible that the conversation has as much.
create or replace function kinds_of_conversations(
    p_client_id uuid, p_filter usage_filter, p_first_date date, p_last_date date, p_ids uuid[],
    p_least numeric, p_by_cost boolean
)
    returns table (
        id uuid, total_tokens bigint, openai_tokens bigint, groq_tokens bigint, cost_usd numeric,
        request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when there was little
    set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    v_timezone text;
    v_first_at timestamptz;
    v_first date;
    v_first_monday date;  -- of the first week that lies in the period
    v_next_monday date;  -- after the last one
    v_mondays date[];
    v_days_beside date[];
begin
    select timezone, first_at, (first_at at time zone timezone)::date into v_timezone, v_first_at, v_first
    from moments_of_days(p_client_id, p_first_date, p_last_date);
    -- Where calls are gone, of a day by another time zone maybe a part.
    v_first_monday := date_trunc(
        'week', (v_first + case when day_begins_at(v_first, v_timezone) < v_first_at then 7 else 6 end)::timestamp
    )::date;
    v_next_monday := date_trunc('week', p_last_date::timestamp)::date + 7;
    if
        v_next_monday > p_last_date + 1 and exists (
            select
            from usage_conversation_daily_rollup
            where
                client_id = p_client_id and usage_date = any (days_between(p_last_date + 1, v_next_monday - 1))
        )
    then
        v_next_monday := v_next_monday - 7;
    end if;
    v_next_monday := greatest(v_first_monday, v_next_monday);
    v_mondays := array(
        select v_first_monday + 7 * place
        from generate_series(0, (v_next_monday - v_first_monday) / 7 - 1) as place
    );
    v_days_beside := days_between(v_first, least(v_first_monday - 1, p_last_date))
        || days_between(v_next_monday, p_last_date);

    return query
    with pending as materialized (
        select
            conversation_id as wanted_id, usage_date, source, total_tokens, cost_usd, request_count,
            unpriced_count, case when p_by_cost then cost_usd else total_tokens end as amount
        from usage_pending
        where
            client_id = p_client_id and usage_date between v_first and p_last_date
            and sum_passes(p_filter, source, model, operation, outcome)
    ),

    -- A row for each: the sums of its busy weeks, their Mondays, and what all days have at most.
    looked_at as materialized (
        select
            wanted_id, busy.total_tokens, busy.openai_tokens, busy.groq_tokens, busy.cost_usd,
            busy.request_count, busy.unpriced_count, busy.mondays,
            coalesce(case when p_by_cost then busy.cost_usd else busy.total_tokens end, 0)
            + coalesce(other_weeks.amount, 0) + coalesce(beside.amount, 0) as most
        from rows_of_ids(p_ids) as wanted_id
        cross join lateral (
            select
                whole_sum(total_tokens) filter (where passes) as total_tokens,
                whole_sum(total_tokens) filter (where passes and source = 'openai') as openai_tokens,
                whole_sum(total_tokens) filter (where passes and source = 'groq') as groq_tokens,
                small_sum(cost_usd) filter (where passes) as cost_usd,
                whole_sum(request_count) filter (where passes) as request_count,
                whole_sum(unpriced_count) filter (where passes) as unpriced_count,
                array_agg(week_start) as mondays  -- several times each
            from (
                select
                    week_start, source, total_tokens, cost_usd, request_count, unpriced_count,
                    sum_passes(p_filter, source, model, operation, outcome) as passes
                from usage_conversation_kind_rollup
                where
                    client_id = p_client_id and conversation_id = wanted_id
                    and week_start >= v_first_monday and week_start < v_next_monday
            ) as kinds
        ) as busy
        cross join lateral (
            select sum(case when p_by_cost then cost_usd else total_tokens end) as amount
            from usage_conversation_weekly_rollup
            where
                client_id = p_client_id and week_start = any (v_mondays) and conversation_id = wanted_id
                and phone is null and week_start <> all (coalesce(busy.mondays, '{}'))
        ) as other_weeks
        cross join lateral (
            select sum(case when p_by_cost then cost_usd else total_tokens end) as amount
            from usage_conversation_daily_rollup
            where
                client_id = p_client_id and conversation_id = wanted_id
                and usage_date = any (v_days_beside)
        ) as beside
    ),

    reaching as materialized (
        select
            looked_at.wanted_id, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count,
            unpriced_count, coalesce(mondays, '{}') as mondays
        from looked_at
        left join (
            select wanted_id, sum(amount) as amount
            from pending
            group by wanted_id
        ) as unfolded on unfolded.wanted_id = looked_at.wanted_id
        where looked_at.most + coalesce(unfolded.amount, 0) >= p_least
    ),

    used as (
        select
            wanted_id, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from reaching
        union all
        select
            reaching.wanted_id, pending.total_tokens,
            case when pending.source = 'openai' then pending.total_tokens end,
            case when pending.source = 'groq' then pending.total_tokens end,
            pending.cost_usd, pending.request_count, pending.unpriced_count
        from reaching
        inner join pending on pending.wanted_id = reaching.wanted_id
        where
            date_trunc('week', pending.usage_date::timestamp)::date = any (reaching.mondays)
        union all
        select
            reaching.wanted_id, log.total_tokens,
            case when log.source = 'openai' then log.total_tokens end,
            case when log.source = 'groq' then log.total_tokens end,
            log.cost_usd,
            coalesce(log.bucket_request_count, 1),
            case when log.cost_basis = 'unpriced' then coalesce(log.bucket_request_count, 1) end
        from reaching
        cross join lateral (
            select monday as first_date, monday + 7 as end_date
            from unnest(v_mondays) as monday
            where monday <> all (reaching.mondays)
            union all
            select v_first, least(v_first_monday, p_last_date + 1)
            union all
            select v_next_monday, p_last_date + 1
        ) as days
        cross join lateral (
            select total_tokens, source, cost_usd, cost_basis, bucket_request_count
            from usage_logs
            where
                client_id = p_client_id and conversation_id = reaching.wanted_id
                and created_at >= greatest(day_begins_at(days.first_date, v_timezone), v_first_at)
                and created_at < day_begins_at(days.end_date, v_timezone)
                and sum_passes(p_filter, source, model, operation, outcome)
            offset 0
        ) as log
        where days.first_date < days.end_date
    )

    select
        wanted_id,
        coalesce(whole_sum(total_tokens), 0),
        coalesce(whole_sum(openai_tokens), 0),
        coalesce(whole_sum(groq_tokens), 0),
        coalesce(sum(cost_usd), 0),
        whole_sum(request_count),
        coalesce(whole_sum(unpriced_count), 0)
    from used
    group by wanted_id
    having
        whole_sum(request_count) <> 0
        and coalesce(case when p_by_cost then sum(cost_usd) else whole_sum(total_tokens) end, 0) >= p_least;
end
$$;

-- So many calls are read one after the other in the time in which one conversation is looked at by kind, and
-- by those of its calls that are not.
create or replace function calls_like_a_conversation() returns integer
    language sql immutable parallel safe
    return 600;

-- The p_limit conversations with the most tokens, or the highest known cost, of the calls that pass, those
-- that have as much as the last of them, and further ones, in no order. For clients whose calls all name a
-- conversation, and a filter of kinds; no rows where more would have to be looked at than it is worth.
--
-- None has more in calls that pass, and in the period, than in its lifetime. The p_limit-th best of the most
-- promising ones sets the bar, and only those whose lifetime, and what is pending, can reach it are looked
-- at.
create or replace function leading_conversations_of_kinds(
    p_client_id uuid, p_filter usage_filter, p_first_date date, p_last_date date, p_limit integer,
    p_by_cost boolean
)
    returns table (
        id uuid, total_tokens bigint, openai_tokens bigint, groq_tokens bigint, cost_usd numeric,
        request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when there was little
as $$
#variable_conflict use_column
declare
    -- More conversations are not looked at: reading all calls takes less.
    v_most constant bigint := (
        select sum(request_count) / calls_like_a_conversation()
        from usage_daily_rollup
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    );
    v_first_ones uuid[];
    v_further_ones uuid[];
    v_next_pending numeric;  -- nobody else has more that is not folded yet
    v_least numeric;  -- what the lifetime of a further one has at least
    v_ids uuid[];
    v_total_tokens bigint[];
    v_openai_tokens bigint[];
    v_groq_tokens bigint[];
    v_costs numeric[];
    v_request_counts bigint[];
    v_unpriced_counts bigint[];
begin
    if coalesce(v_most < 3 * p_limit, true) then
        return;
    end if;
    with pending as materialized (
        select conversation_id, sum(case when p_by_cost then cost_usd else total_tokens end) as amount
        from usage_pending
        where
            client_id = p_client_id and usage_date between p_first_date and p_last_date
            and sum_passes(p_filter, source, model, operation, outcome)
        group by conversation_id
        order by amount desc
        limit 3 * p_limit + 1
    ),

    largest as (
        (
            select conversation_id, first_date, last_date, total_tokens::double precision as amount
            from usage_conversation_rollup
            where
                not p_by_cost
                and client_id = p_client_id and last_date >= p_first_date and first_date <= p_last_date
            order by total_tokens desc
            limit 20 * p_limit
        )
        union all
        (
            select conversation_id, first_date, last_date, cost_bound::double precision
            from usage_conversation_rollup
            where
                p_by_cost
                and client_id = p_client_id and last_date >= p_first_date and first_date <= p_last_date
            order by cost_bound desc
            limit 20 * p_limit
        )
    )

    select
        array(
            (
                select conversation_id
                from largest
                -- Adopted rows may have been made at infinity; what is likely may be rough.
                order by
                    amount
                    / (least(last_date, p_last_date + 3660) - greatest(first_date, p_first_date - 3660) + 1)
                    * (least(last_date, p_last_date) - greatest(first_date, p_first_date) + 1) desc
                limit 3 * p_limit
            )
            union
            (select conversation_id from pending order by amount desc limit 3 * p_limit)
        ),
        greatest((select amount from pending order by amount desc limit 1 offset 3 * p_limit), 0)
    into v_first_ones, v_next_pending;

    select
        array_agg(id), array_agg(total_tokens), array_agg(openai_tokens), array_agg(groq_tokens),
        array_agg(cost_usd), array_agg(request_count), array_agg(unpriced_count)
    into
        v_ids, v_total_tokens, v_openai_tokens, v_groq_tokens, v_costs, v_request_counts, v_unpriced_counts
    from kinds_of_conversations(p_client_id, p_filter, p_first_date, p_last_date, v_first_ones, 0, p_by_cost);

    v_least := (
        select case when p_by_cost then cost_usd else total_tokens end as amount
        from unnest(v_total_tokens, v_costs) as found (total_tokens, cost_usd)
        order by amount desc
        limit 1
        offset p_limit - 1
    ) - v_next_pending;
    if coalesce(v_least <= 0, true) then
        return;
    end if;
    v_further_ones := array(
        select conversation_id
        from (
            select conversation_id
            from usage_conversation_rollup
            where
                not p_by_cost
                and client_id = p_client_id and last_date >= p_first_date and first_date <= p_last_date
                and total_tokens >= ceil(v_least)::bigint
            union all
            select conversation_id
            from usage_conversation_rollup
            where
                p_by_cost
                and client_id = p_client_id and last_date >= p_first_date and first_date <= p_last_date
                and cost_bound >= floor(least(1000000 * v_least, 9e18))::bigint
        ) as reaching
        where conversation_id <> all (v_first_ones)
        limit v_most + 1
    );
    if cardinality(v_further_ones) > v_most then
        return;
    end if;

    return query
    select *
    from unnest(
        v_ids, v_total_tokens, v_openai_tokens, v_groq_tokens, v_costs, v_request_counts, v_unpriced_counts
    )
    union all
    select *
    from kinds_of_conversations(
        p_client_id, p_filter, p_first_date, p_last_date, v_further_ones, v_least + v_next_pending, p_by_cost
    );
end
$$;
