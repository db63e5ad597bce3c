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

-- The weeks, by their Mondays, that are read in place of their days. Their days with use all lie in the
-- period, but for the first week: up to three of its days are taken away. No call of them is gone.
create or replace function whole_weeks_of_calls(p_client_id uuid, p_first_date date, p_last_date date)
    returns date[]
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when there was little
as $$
declare
    v_first_monday date := date_trunc('week', p_first_date::timestamp)::date;
    v_next_monday date := date_trunc('week', p_last_date::timestamp)::date + 7;  -- after the last one
begin
    if p_first_date - v_first_monday > 3 then
        v_first_monday := v_first_monday + 7;
    end if;
    select
        greatest(
            v_first_monday, date_trunc('week', (raw_since_at at time zone timezone)::date::timestamp)::date
            + case
                when
                    date_trunc('week', raw_since_at at time zone timezone)
                    = raw_since_at at time zone timezone
                    then 0
                else 7
            end
        )
    into v_first_monday
    from clients
    where id = p_client_id;
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
    return array(
        select v_first_monday + 7 * place
        from generate_series(0, (v_next_monday - v_first_monday) / 7 - 1) as place
    );
end
$$;

-- What some conversations used in calls that pass and name them: those that have p_least tokens, or dollars,
-- in these. Busy weeks of p_mondays are read by kind. Of the others the calls are, where the sums of all
-- kinds leave it possible that the conversation has as much.
create or replace function kinds_of_conversations(
    p_client_id uuid, p_filter usage_filter, p_first_date date, p_last_date date, p_mondays date[],
    p_ids uuid[], p_least numeric, p_by_cost boolean
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
    -- Where there are no weeks all days are before them. Days before the period are taken from the first week.
    v_first_monday constant date := coalesce(p_mondays[1], p_last_date + 1);
    v_next_monday constant date := coalesce(p_mondays[cardinality(p_mondays)] + 7, p_last_date + 1);
    v_timezone text;
    v_raw_since_at timestamptz;
    v_first date;
    v_days_beside date[];
begin
    select timezone, raw_since_at, greatest(p_first_date, (raw_since_at at time zone timezone)::date)
    into v_timezone, v_raw_since_at, v_first
    from clients
    where id = p_client_id;
    v_days_beside := days_between(v_first, v_first_monday - 1) || days_between(v_next_monday, p_last_date);

    return query
    with pending as materialized (
        select
            conversation_id as wanted_id, usage_date, source, total_tokens, cost_usd, request_count,
            unpriced_count, case when p_by_cost then cost_usd else total_tokens end as amount
        from usage_pending
        where
            client_id = p_client_id and usage_date between least(v_first, v_first_monday) and p_last_date
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
                client_id = p_client_id and week_start = any (p_mondays) and conversation_id = wanted_id
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
            reaching.wanted_id, days.sign * log.total_tokens,
            case when log.source = 'openai' then days.sign * log.total_tokens end,
            case when log.source = 'groq' then days.sign * log.total_tokens end,
            days.sign * log.cost_usd,
            days.sign * coalesce(log.bucket_request_count, 1),
            case when log.cost_basis = 'unpriced' then days.sign * coalesce(log.bucket_request_count, 1) end
        from reaching
        cross join lateral (
            select greatest(monday, v_first) as first_date, monday + 7 as end_date, 1 as sign
            from unnest(p_mondays) as monday
            where monday <> all (reaching.mondays)
            union all
            select v_first_monday, v_first, -1
            where v_first_monday = any (reaching.mondays)
            union all
            select v_first, v_first_monday, 1
            union all
            select v_next_monday, p_last_date + 1, 1
        ) as days
        cross join lateral (
            select total_tokens, source, cost_usd, cost_basis, bucket_request_count
            from usage_logs
            where
                client_id = p_client_id and conversation_id = reaching.wanted_id
                and created_at >= greatest(day_begins_at(days.first_date, v_timezone), v_raw_since_at)
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
    return 120;

-- The p_limit conversations with the most tokens, or the highest known cost, of the calls that pass, those
-- that have as much as the last of them, and further ones, in no order. For clients whose calls all name a
-- conversation, and a filter of kinds; no rows where more would have to be looked at than it is worth.
--
-- None has more in calls that pass, and in the period, than its lifetime has of these kinds. The p_limit-th
-- best of the most promising ones sets the bar, and only those whose lifetime, and what is pending, can reach
-- it are looked at.
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
    -- So many are looked at first; then as many again as were already, the likeliest first, as each may raise
    -- the bar.
    v_first_count constant integer := p_limit + greatest(p_limit / 2, 3);
    -- More conversations are not looked at: reading all calls takes less.
    v_most constant bigint := (
        select sum(request_count) / calls_like_a_conversation()
        from usage_daily_rollup
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
    );
    v_mondays constant date[] := whole_weeks_of_calls(p_client_id, p_first_date, p_last_date);
    -- In the unit of kind_amounts, which counts billionths of a dollar; less than what is rounded away.
    v_unit constant numeric := 0.999999999 * case when p_by_cost then 1000000000 else 1 end;
    v_lifetimes text;  -- whose amount in calls that pass is at most the last column; null: not known
    v_chosen uuid[];
    v_next_pending numeric;  -- nobody else has more that is not folded yet
    v_bar numeric;
    v_least numeric;  -- what the lifetime of a further one has at least; 0: some amount
    v_further_ones uuid[];
    v_further_amounts double precision[];
    v_looked_at integer := 0;
    v_ids uuid[];
    v_total_tokens bigint[];
    v_openai_tokens bigint[];
    v_groq_tokens bigint[];
    v_costs numeric[];
    v_request_counts bigint[];
    v_unpriced_counts bigint[];
begin
    if coalesce(v_most < v_first_count, true) then
        return;
    end if;
    v_lifetimes := format(
        'select
            conversation_id, bound, amount,
            -- Adopted rows may have been made at infinity; what is likely may be rough.
            amount
            / (least(last_date, $3 + 3660) - greatest(first_date, $2 - 3660) + 1)
            * (least(last_date, $3) - greatest(first_date, $2) + 1) as likely
        from (
            select
                conversation_id, first_date, last_date, %2$s as bound,
                case when kind_amounts is not null then %1$s end as amount
            from usage_conversation_rollup
            where client_id = $1 and last_date >= $2 and first_date <= $3
        ) as bounded',
        (
            select string_agg(
                format(
                    'coalesce(kind_amounts[%s], 0)::double precision',
                    2 * number - (not p_by_cost)::integer
                ),
                ' + '
            )
            from (
                select 1 as number
                union all
                select number
                from usage_kinds
                where
                    client_id = p_client_id and sum_passes(p_filter, source, model, operation, outcome)
            ) as passing
        ),
        case when p_by_cost then 'cost_bound' else 'total_tokens' end
    );
    execute '
        with pending as materialized (
            select conversation_id, sum(case when $5 then cost_usd else total_tokens end) as amount
            from usage_pending
            where
                client_id = $1 and usage_date between $2 and $3
                and sum_passes($6, source, model, operation, outcome)
            group by conversation_id
            order by amount desc
            limit $7 + 1
        )

        select
            array(
                (
                    select conversation_id
                    from (' || v_lifetimes || ' order by bound desc limit 20 * $4) as largest
                    order by likely desc nulls last
                    limit $7
                )
                union
                (select conversation_id from pending order by amount desc limit $7)
            ),
            greatest((select amount from pending order by amount desc limit 1 offset $7), 0)'
    into v_chosen, v_next_pending
    using p_client_id, p_first_date, p_last_date, p_limit, p_by_cost, p_filter, v_first_count;

    loop
        select
            v_ids || array_agg(id), v_total_tokens || array_agg(total_tokens),
            v_openai_tokens || array_agg(openai_tokens), v_groq_tokens || array_agg(groq_tokens),
            v_costs || array_agg(cost_usd), v_request_counts || array_agg(request_count),
            v_unpriced_counts || array_agg(unpriced_count)
        into
            v_ids, v_total_tokens, v_openai_tokens, v_groq_tokens, v_costs, v_request_counts,
            v_unpriced_counts
        from kinds_of_conversations(
            p_client_id, p_filter, p_first_date, p_last_date, v_mondays, v_chosen, coalesce(v_bar, 0), p_by_cost
        );
        v_looked_at := v_looked_at + cardinality(v_chosen);
        v_bar := (
            select case when p_by_cost then cost_usd else total_tokens end as amount
            from unnest(v_total_tokens, v_costs) as found (total_tokens, cost_usd)
            order by amount desc
            limit 1
            offset p_limit - 1
        );
        v_least := coalesce(v_bar, 0) - v_next_pending;
        if v_least < 0 or v_bar <= v_next_pending then
            return;
        end if;

        if v_further_ones is null then
            execute '
                select
                    coalesce(array_agg(conversation_id order by likely desc nulls first), ''{}''),
                    coalesce(array_agg(amount order by likely desc nulls first), ''{}'')
                from (' || v_lifetimes || ') as lifetimes
                where
                    bound >= $4
                    and coalesce(amount > 0 and amount >= $5, true)
                    and conversation_id <> all ($6)'
            into v_further_ones, v_further_amounts
            using
                p_client_id, p_first_date, p_last_date,
                floor(least(case when p_by_cost then 1000000 else 1 end * v_least, 9e18))::bigint,
                (v_unit * v_least)::double precision, v_chosen;
        else
            v_further_ones := v_further_ones[cardinality(v_chosen) + 1:];
            v_further_amounts := v_further_amounts[cardinality(v_chosen) + 1:];
            select
                coalesce(array_agg(further.id order by further.place), '{}'),
                coalesce(array_agg(further.amount order by further.place), '{}')
            into v_further_ones, v_further_amounts
            from unnest(v_further_ones, v_further_amounts) with ordinality as further (id, amount, place)
            where coalesce(amount >= (v_unit * v_least)::double precision, true);
        end if;
        exit when v_further_ones = '{}';
        v_chosen := v_further_ones[:v_looked_at];
        if v_looked_at + cardinality(v_chosen) > v_most then
            return;
        end if;
    end loop;
    if v_bar is null then
        return;  -- there may be more, of which all calls that pass have no amount
    end if;

    return query
    select *
    from unnest(
        v_ids, v_total_tokens, v_openai_tokens, v_groq_tokens, v_costs, v_request_counts, v_unpriced_counts
    );
end
$$;
