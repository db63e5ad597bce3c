-- Sums of conversations: of all of a period, of some, and the first of them. Costs are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.
--
-- A conversation is what calls name, or that whose phone they have, or their phone alone (lone_phone), or
-- neither: one row of nulls.


-- sum() of whole numbers as a whole number, in half the time: sum(bigint) adds up in more than 64 bits and
-- makes a numeric of each group's. Too large a sum is an error here as well.
create or replace aggregate whole_sum (bigint)(
    sfunc = int8pl,
    stype = bigint,
    combinefunc = int8pl,
    parallel = safe
);

-- sum() of numerics where groups are many and have few rows: sum() makes a large state for each group, to be
-- fast for one that has many.
create or replace aggregate small_sum (numeric)(
    sfunc = numeric_add,
    stype = numeric,
    combinefunc = numeric_add,
    parallel = safe
);

-- The days of what is not folded yet, each row of usage_pending once. A day may have two rows: of calls with
-- the id, and of calls with the phone. With p_ids only those of these conversations, and of calls that name
-- none.
create or replace function pending_conversation_days(
    p_client_id uuid, p_first_date date, p_last_date date, p_ids uuid[]
)
    returns table (
        id uuid, lone_phone text, usage_date date, total_tokens numeric, openai_tokens numeric,
        groq_tokens numeric, cost_usd numeric, request_count numeric, unpriced_count numeric
    )
    language sql stable
as $$
    select
        coalesce(logged.conversation_id, known.id),
        case when known.id is null then logged.phone end,
        logged.usage_date, logged.total_tokens, logged.openai_tokens, logged.groq_tokens, logged.cost_usd,
        logged.request_count, logged.unpriced_count
    from (
        select
            conversation_id, case when conversation_id is null then phone end as phone, usage_date,
            sum(total_tokens) as total_tokens,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0) as openai_tokens,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_pending
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and (p_ids is null or conversation_id is null or conversation_id = any (p_ids))
        group by 1, 2, 3
    ) as logged
    left join lateral (
        select conversations.id
        from conversations
        where
            logged.conversation_id is null
            and conversations.client_id = p_client_id and conversations.phone = logged.phone
        limit 1
    ) as known on true
$$;

-- The folded days of one conversation.
create or replace function folded_conversation_days(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns table (
        usage_date date, total_tokens bigint, openai_tokens bigint, groq_tokens bigint, cost_usd numeric,
        request_count bigint, unpriced_count bigint
    )
    language sql stable
as $$
    select
        daily.usage_date, daily.total_tokens, daily.openai_tokens, daily.groq_tokens, daily.cost_usd,
        daily.request_count, daily.unpriced_count
    from usage_conversation_daily_rollup as daily
    where
        daily.client_id = p_client_id
        and daily.usage_date between p_first_date and p_last_date
        and daily.conversation_id = p_conversation_id
    union all
    select
        daily.usage_date, daily.total_tokens, daily.openai_tokens, daily.groq_tokens, daily.cost_usd,
        daily.request_count, daily.unpriced_count
    from usage_conversation_daily_rollup as daily
    where
        daily.client_id = p_client_id
        and daily.usage_date between p_first_date and p_last_date
        and daily.conversation_id is null and daily.phone = p_phone
    union all
    select
        daily.usage_date, daily.total_tokens, daily.openai_tokens, daily.groq_tokens, daily.cost_usd,
        daily.request_count, daily.unpriced_count
    from usage_conversation_daily_rollup as daily
    where
        p_conversation_id is null and p_phone is null
        and daily.client_id = p_client_id
        and daily.usage_date = any (days_between(p_first_date, p_last_date))
        and daily.conversation_id is null and daily.phone is null
$$;

-- The days of each conversation, of the calls that pass the filters alone: made of the calls. With p_ids only
-- those of these conversations: by their ids, by the phones of calls that name none, and calls with neither.
create or replace function filtered_conversation_days(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date, p_ids uuid[], p_phones text[],
    p_takes_lone boolean
)
    returns table (
        id uuid, lone_phone text, usage_date date, total_tokens numeric, openai_tokens numeric,
        groq_tokens numeric, cost_usd numeric, request_count numeric, unpriced_count numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set enable_seqscan = off  -- calls of some days of one client are guessed to be most of all
as $$
#variable_conflict use_column
declare
    v_filter usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    v_first_at timestamptz;
    v_end_at timestamptz;
    v_timezone text;
begin
    if p_ids is not null then
        -- Of these, those calls that the filters take.
        v_filter.conversation_ids := array(
            select wanted from unnest(p_ids) as wanted
            where
                v_filter.conversation_ids is null
                or (wanted = any (v_filter.conversation_ids)) <> v_filter.excludes_conversations
        );
        v_filter.phones := array(
            select wanted from unnest(p_phones) as wanted
            where v_filter.phones is null or (wanted = any (v_filter.phones)) <> v_filter.excludes_conversations
        );
        v_filter.takes_lone := p_takes_lone
            and coalesce(v_filter.takes_lone <> v_filter.excludes_conversations, true);
        v_filter.excludes_conversations := false;
    end if;
    select first_at, end_at, timezone into v_first_at, v_end_at, v_timezone
    from moments_of_days(p_client_id, p_first_date, p_last_date);
    return query
    select
        coalesce(logged.conversation_id, known.id),
        case when known.id is null then logged.phone end,
        logged.day, logged.total_tokens, logged.openai_tokens, logged.groq_tokens, logged.cost_usd,
        logged.request_count, logged.unpriced_count
    from (
        select
            conversation_id, case when conversation_id is null then phone end as phone,
            (created_at at time zone v_timezone)::date as day,
            sum(total_tokens) as total_tokens,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0) as openai_tokens,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(coalesce(bucket_request_count, 1)) as request_count,
            coalesce(
                sum(coalesce(bucket_request_count, 1)) filter (where cost_basis = 'unpriced'), 0
            ) as unpriced_count
        from wanted_calls(p_client_id, v_filter, v_first_at, v_end_at)
        group by 1, 2, 3
    ) as logged
    left join lateral (
        select conversations.id
        from conversations
        where
            logged.conversation_id is null
            and conversations.client_id = p_client_id and conversations.phone = logged.phone
        limit 1
    ) as known on true;
end
$$;

-- All that some conversations used in the period, with their names, in the order given: one of p_ids and of
-- p_lone_phones is null, or both. Of the calls that pass the filters; no row where there are none.
create or replace function usage_of_conversations(
    p_client_id uuid, p_ids uuid[], p_lone_phones text[], p_first_date date, p_last_date date,
    p_filters jsonb
)
    returns table (
        id uuid, lone_phone text, phone text, name text, first_date date, last_date date,
        total_tokens numeric, openai_tokens numeric, groq_tokens numeric, cost_usd numeric,
        request_count numeric, unpriced_count numeric
    )
    language sql stable
as $$
    with chosen as materialized (
        select
            chosen.place, chosen.id, chosen.lone_phone, known.name,
            coalesce(known.phone, chosen.lone_phone) as phone
        from unnest(p_ids, p_lone_phones) with ordinality as chosen (id, lone_phone, place)
        left join lateral (
            select conversations.phone, conversations.name
            from conversations
            where conversations.client_id = p_client_id and conversations.id = chosen.id
            limit 1  -- looked up one by one: nobody joins all conversations here
        ) as known on true
    ),

    days as (
        select
            place, usage_date,
            whole_sum(total_tokens) as total_tokens,
            whole_sum(openai_tokens) as openai_tokens,
            whole_sum(groq_tokens) as groq_tokens,
            small_sum(cost_usd) as cost_usd,
            whole_sum(request_count) as request_count,
            whole_sum(unpriced_count) as unpriced_count
        from (
            select chosen.place, daily.*
            from chosen
            cross join lateral folded_conversation_days(
                p_client_id, chosen.id, chosen.phone, p_first_date, p_last_date
            ) as daily
            where p_filters = '[]'
            union all
            select
                chosen.place, pending.usage_date, pending.total_tokens::bigint, pending.openai_tokens::bigint,
                pending.groq_tokens::bigint, pending.cost_usd, pending.request_count::bigint,
                pending.unpriced_count::bigint
            from chosen
            inner join pending_conversation_days(p_client_id, p_first_date, p_last_date, p_ids) as pending
                on coalesce(pending.id::text, '+' || pending.lone_phone, '')
                = coalesce(chosen.id::text, '+' || chosen.lone_phone, '')
            where p_filters = '[]'
            union all
            select
                chosen.place, filtered.usage_date, filtered.total_tokens::bigint,
                filtered.openai_tokens::bigint, filtered.groq_tokens::bigint, filtered.cost_usd,
                filtered.request_count::bigint, filtered.unpriced_count::bigint
            from chosen
            inner join filtered_conversation_days(
                p_client_id, p_filters, p_first_date, p_last_date, p_ids,
                array(select named.phone from chosen as named where named.phone is not null),
                exists (select from chosen as alone where alone.id is null and alone.lone_phone is null)
            ) as filtered
                on coalesce(filtered.id::text, '+' || filtered.lone_phone, '')
                = coalesce(chosen.id::text, '+' || chosen.lone_phone, '')
            where p_filters <> '[]'
        ) as parts
        group by place, usage_date
        having whole_sum(request_count) <> 0
    )

    select
        chosen.id, chosen.lone_phone, chosen.phone, chosen.name,
        usage.first_date, usage.last_date, usage.total_tokens::numeric, usage.openai_tokens::numeric,
        usage.groq_tokens::numeric, usage.cost_usd, usage.request_count::numeric,
        usage.unpriced_count::numeric
    from chosen
    inner join (
        select
            place,
            min(usage_date) as first_date,
            max(usage_date) as last_date,
            whole_sum(total_tokens) as total_tokens,
            whole_sum(openai_tokens) as openai_tokens,
            whole_sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            whole_sum(request_count) as request_count,
            whole_sum(unpriced_count) as unpriced_count
        from days
        group by place
    ) as usage on usage.place = chosen.place
    order by chosen.place
$$;

-- What the filters say beside conversations.
create or replace function other_filters(p_filters jsonb) returns jsonb
    language sql immutable parallel safe
    return (
        select coalesce(jsonb_agg(condition), '[]')
        from jsonb_array_elements(p_filters) as condition
        where condition ->> 'name' <> 'conversation'
    );

-- What is left to be looked at of calls of conversations that pass: nothing of conversations, unless a filter
-- names a phone's handle whose calls are a part of a conversation by now.
create or replace function filters_within_conversations(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date
)
    returns jsonb
    language sql stable
as $$
    select
        case
            when exists (
                select
                from usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date) as filter
                cross join lateral unnest(filter.phones) as wanted (phone)
                inner join conversations as known
                    on known.client_id = p_client_id and known.phone = wanted.phone
                where known.id <> all (filter.conversation_ids)
            ) then p_filters
            else other_filters(p_filters)
        end
$$;

-- Whether the client has calls that name no conversation: then those of a phone may belong to one.
create or replace function has_lone_calls(p_client_id uuid) returns boolean
    language sql stable
    return exists (
        select
        from usage_conversation_rollup
        where client_id = p_client_id and conversation_id is null
    ) or exists (
        select
        from usage_pending
        where client_id = p_client_id and conversation_id is null
    );

-- The weeks, by their Mondays, that are read in place of their days. Their days with use all lie in the
-- period, but for the first week: up to two of its days are taken away. Only the first and the last week of
-- the period may be missing.
create or replace function whole_conversation_weeks(p_client_id uuid, p_first_date date, p_last_date date)
    returns date[]
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when there was little
as $$
declare
    v_first_monday constant date := date_trunc('week', p_first_date::timestamp)::date;
begin
    return array(
        select monday
        from (
            select v_first_monday + 7 * place as monday
            from generate_series(
                0, (date_trunc('week', p_last_date::timestamp)::date - v_first_monday) / 7
            ) as place
        ) as weeks
        where
            (
                p_first_date - monday <= 2
                or not exists (
                    select
                    from usage_conversation_daily_rollup
                    where
                        client_id = p_client_id
                        and usage_date = any (days_between(monday, p_first_date - 1))
                )
            )
            and (
                monday + 6 <= p_last_date
                or not exists (
                    select
                    from usage_conversation_daily_rollup
                    where
                        client_id = p_client_id
                        and usage_date = any(days_between(p_last_date + 1, monday + 6))
                )
            )
    );
end
$$;

-- What conversations have in the period, in parts: of weeks, less the days before it, of the days beside, and
-- pending. last_date is the last day of the part.
create or replace function conversation_parts(p_client_id uuid, p_first_date date, p_last_date date)
    returns table (
        conversation_id uuid, phone text, last_date date, total_tokens bigint, cost_usd numeric,
        request_count bigint
    )
    language sql stable
as $$
    select conversation_id, phone, last_date, total_tokens, cost_usd, request_count
    from usage_conversation_weekly_rollup
    where
        client_id = p_client_id
        and week_start = any (whole_conversation_weeks(p_client_id, p_first_date, p_last_date))
    union all
    select conversation_id, phone, usage_date, -total_tokens, -cost_usd, -request_count
    from usage_conversation_daily_rollup
    where
        client_id = p_client_id
        and usage_date = any (
            days_between(
                (whole_conversation_weeks(p_client_id, p_first_date, p_last_date))[1], p_first_date - 1
            )
        )
    union all
    select conversation_id, phone, usage_date, total_tokens, cost_usd, request_count
    from usage_conversation_daily_rollup
    where
        client_id = p_client_id
        and usage_date = any (
            days_beside_weeks(
                whole_conversation_weeks(p_client_id, p_first_date, p_last_date), p_first_date, p_last_date
            )
        )
    union all
    select conversation_id, phone, usage_date, total_tokens, cost_usd, request_count
    from usage_pending
    where client_id = p_client_id and usage_date between p_first_date and p_last_date
$$;

-- One row per conversation with use in the period: what it is ordered by. What
-- calls without a conversation cost is spared where the client has none (p_has_phones). Under filters the
-- calls are read. last_date may be too late where calls were deleted that are not folded yet.
create or replace function conversation_totals(
    p_client_id uuid, p_first_date date, p_last_date date, p_has_phones boolean, p_filters jsonb
)
    returns table (
        id uuid, lone_phone text, total_tokens bigint, cost_usd numeric, request_count bigint,
        last_date date
    )
    language sql stable
as $$
    select
        conversation_id, null::text, whole_sum(total_tokens), small_sum(cost_usd), whole_sum(request_count),
        max(last_date) filter (where request_count > 0)
    from conversation_parts(p_client_id, p_first_date, p_last_date)
    where not p_has_phones and p_filters = '[]'
    group by conversation_id
    having whole_sum(request_count) <> 0
    union all
    select
        id, lone_phone, whole_sum(total_tokens), small_sum(cost_usd), whole_sum(request_count),
        max(last_date) filter (where request_count > 0)
    from (
        select
            coalesce(logged.conversation_id, known.id) as id,
            case when coalesce(logged.conversation_id, known.id) is null then logged.phone end as lone_phone,
            logged.last_date, logged.total_tokens, logged.cost_usd, logged.request_count
        from conversation_parts(p_client_id, p_first_date, p_last_date) as logged
        left join conversations as known
            on logged.conversation_id is null
            and known.client_id = p_client_id and known.phone = logged.phone
    ) as parts
    where p_has_phones and p_filters = '[]'
    group by id, lone_phone
    having whole_sum(request_count) <> 0
    union all
    select
        id, lone_phone, sum(total_tokens)::bigint, sum(cost_usd), sum(request_count)::bigint, max(usage_date)
    from filtered_conversation_days(p_client_id, p_filters, p_first_date, p_last_date, null, null, null)
    where p_filters <> '[]'
    group by id, lone_phone
$$;

-- What one conversation used in the period, as far as folded. One that lies within it has all it ever had.
create or replace function folded_conversation_sums(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns table (total_tokens numeric, cost_usd numeric)
    language sql stable
as $$
    select coalesce(sum(parts.total_tokens), 0), coalesce(sum(parts.cost_usd), 0)
    from (
        select
            case when is_inside then lifetime.total_tokens else days.total_tokens end as total_tokens,
            case when is_inside then lifetime.cost_usd else days.cost_usd end as cost_usd
        from (
            select *, first_date >= p_first_date and last_date <= p_last_date as is_inside
            from usage_conversation_rollup
            where client_id = p_client_id and conversation_id = p_conversation_id
        ) as lifetime
        cross join lateral (
            select sum(daily.total_tokens) as total_tokens, sum(daily.cost_usd) as cost_usd
            from usage_conversation_daily_rollup as daily
            where
                not lifetime.is_inside
                and daily.client_id = p_client_id
                and daily.usage_date between p_first_date and p_last_date
                and daily.conversation_id = p_conversation_id
        ) as days
        union all
        select
            case when is_inside then lifetime.total_tokens else days.total_tokens end,
            case when is_inside then lifetime.cost_usd else days.cost_usd end
        from (
            select *, first_date >= p_first_date and last_date <= p_last_date as is_inside
            from usage_conversation_rollup
            where client_id = p_client_id and conversation_id is null and phone = p_phone
        ) as lifetime
        cross join lateral (
            select sum(daily.total_tokens) as total_tokens, sum(daily.cost_usd) as cost_usd
            from usage_conversation_daily_rollup as daily
            where
                not lifetime.is_inside
                and daily.client_id = p_client_id
                and daily.usage_date between p_first_date and p_last_date
                and daily.conversation_id is null and daily.phone = p_phone
        ) as days
        union all
        select daily.total_tokens, daily.cost_usd
        from usage_conversation_daily_rollup as daily
        where
            p_conversation_id is null and p_phone is null
            and daily.client_id = p_client_id
            and daily.usage_date = any (days_between(p_first_date, p_last_date))
            and daily.conversation_id is null and daily.phone is null
    ) as parts
$$;

-- The p_limit first conversations of the period by tokens or cost (p_measure: total_tokens or cost_usd), and
-- those that have as much as the last of them, in no order. No rows where more would have to be counted than
-- it is worth: conversation_totals() then has them.
--
-- None has more in the period than in its lifetime. So those with the most in their lifetime are looked
-- through; the p_limit-th best of the most promising ones sets the bar, and only those whose lifetime, and
-- what is pending, can reach it are counted.
create or replace function leading_conversations(
    p_client_id uuid, p_first_date date, p_last_date date, p_limit integer, p_measure text
)
    returns table (id uuid, lone_phone text)
    language plpgsql stable
as $$
declare
    -- A conversation may have two lifetimes: of the calls that name it, and of those with its phone.
    v_lifetimes constant integer := 1 + (
        has_lone_calls(p_client_id)
        and exists (
            select from usage_conversation_rollup
            where client_id = p_client_id and conversation_id is not null
        )
    )::integer;
    -- What is pending, and the lifetimes in the period. Adopted rows may have been made at infinity; what is
    -- likely may be rough.
    v_lifetimes_and_pending constant text := format(
        $parts$
        with pending as materialized (
            select id, lone_phone, sum(%1$I) as amount
            from pending_conversation_days($1, $2, $3, null)
            group by id, lone_phone
        ),

        lifetimes as not materialized (
            select
                conversation_id, phone, %2$I as bound,
                case when first_date >= $2 and last_date <= $3 then 0
                    else least(last_date, $3) - greatest(first_date, $2) + 1 end as day_count,
                least(%1$I, 1e300)::double precision
                / (least(last_date, $3 + 3660) - greatest(first_date, $2 - 3660) + 1)
                * (least(last_date, $3) - greatest(first_date, $2) + 1) as likely
            from usage_conversation_rollup
            where client_id = $1 and last_date >= $2 and first_date <= $3
        ),
        $parts$,
        p_measure, case p_measure when 'cost_usd' then 'cost_bound' else p_measure end
    );
    -- Whose lifetimes are chosen, and those with the most pending; and what they used.
    v_counted constant text := format(
        $parts$
        resolved as (
            select
                coalesce(
                    conversation_id,
                    (
                        select conversations.id from conversations
                        where conversations.client_id = $1 and conversations.phone = chosen.phone
                    )
                ) as id,
                phone
            from chosen
        ),

        listed as materialized (
            select
                id, lone_phone,
                case when id is null then lone_phone else (
                    select conversations.phone from conversations
                    where conversations.client_id = $1 and conversations.id = chosen.id
                ) end as phone
            from (
                select id, case when id is null then phone end as lone_phone from resolved
                union
                (select id, lone_phone from pending order by amount desc limit 3 * $4)
            ) as chosen
        ),

        counted as materialized (
            select listed.id, listed.lone_phone, usage.%1$I + coalesce(pending.amount, 0) as amount
            from listed
            cross join lateral folded_conversation_sums($1, listed.id, listed.phone, $2, $3) as usage
            left join pending
                on coalesce(pending.id::text, '+' || pending.lone_phone, '')
                = coalesce(listed.id::text, '+' || listed.lone_phone, '')
        )
        $parts$,
        p_measure
    );
    v_least numeric;
begin
    -- What a lifetime has at least that can reach the bar: whoever is not among those with the most pending has
    -- no more pending than the next one.
    execute v_lifetimes_and_pending || '
        chosen as (
            select conversation_id, phone
            from (select * from lifetimes order by bound desc limit 20 * $4) as largest
            order by likely desc
            limit 3 * $4
        ),
        ' || v_counted || '
        select
            (
                amount - greatest((select amount from pending order by amount desc limit 1 offset 3 * $4), 0)
            ) / $5
        from counted
        order by amount desc
        limit 1
        offset $4 - 1'
    into v_least
    using p_client_id, p_first_date, p_last_date, p_limit, v_lifetimes;

    v_least := floor(least(v_least * case p_measure when 'cost_usd' then 1000000 else 1 end, 9e18));
    if v_least > 0 then
        return query execute v_lifetimes_and_pending || '
            reaching as materialized (
                select conversation_id, phone, day_count from lifetimes where bound >= $5 limit 20001
            ),

            chosen as (
                select conversation_id, phone
                from reaching
                where (select count(*) <= 20000 and sum(day_count) <= 40000 from reaching)
            ),
            ' || v_counted || '
            select id, lone_phone
            from counted
            where
                amount >= (select amount from counted order by amount desc limit 1 offset $4 - 1)
                and exists (select from chosen)'
        using p_client_id, p_first_date, p_last_date, p_limit, v_least::bigint;
    end if;
end
$$;

-- All tokens of the calls of these days that pass; null where there are none.
create or replace function tokens_of_days(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date
)
    returns numeric
    language plpgsql stable
    set search_path = public, pg_temp
    set plan_cache_mode = force_generic_plan  -- planning takes longer than running
    set enable_seqscan = off  -- of a plan that was made when nothing was pending
as $$
begin
    return (
        select sum(total_tokens) from filtered_usage(p_client_id, p_filters, p_first_date, p_last_date)
    );
end
$$;

-- One row per conversation with use in the period, the p_limit first ones by p_order: 'tokens' or 'cost',
-- the most first. openai + groq + other = total. share_of_tokens is of all the client's tokens in the period
-- under the filters, 0 to 1. A cost is that of the calls whose price is known: where unpriced_count is not 0
-- it is the least that the conversation cost, and by that it has its place. Among equal costs the one with
-- more tokens is first.
--
-- A further function of this name, without defaults: whoever gives fewer arguments means those below.
create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer, p_limit integer, p_now timestamptz, p_order text, p_filters jsonb
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off  -- compiling takes longer than running
    set plan_cache_mode = force_custom_plan
    set work_mem = '32MB'
as $$
#variable_conflict use_column
declare
    v_first date;
    v_last date;
    v_ids uuid[];
    v_lone_phones text[];
    v_all_tokens numeric;
    v_has_phones boolean;
    v_by_cost constant boolean := p_order = 'cost';
    -- Then the calls are read but once.
    v_reads_calls constant boolean := p_filters <> '[]' and not exists (
        select
        from jsonb_array_elements(p_filters) as condition
        where condition ->> 'name' in ('conversation', 'hour', 'weekday')
    );
    -- Rows of an adopted table may be negative; then a lifetime bounds nothing and all are added up.
    v_can_bound constant boolean := coalesce((
        select convalidated
        from pg_constraint
        where
            conrelid = 'usage_logs'::regclass
            and conname = case p_order
                when 'cost' then 'usage_logs_cost_is_an_amount' else 'usage_logs_tokens_are_not_negative'
            end
    ), false);
begin
    if p_order is null or p_order not in ('tokens', 'cost') then
        raise exception 'order must be tokens or cost, not %', coalesce(p_order, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 100000 then
        raise exception 'limit must be between 1 and 100000, not %', coalesce(p_limit::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    select first_date, last_date into v_first, v_last from usage_window(p_client_id, p_days, p_now);

    -- Some 50,000 days of conversations are added up as fast as the first of them are found: a day is looked at
    -- until it has its part of them.
    if
        v_can_bound and p_filters = '[]' and exists (
            select
            from unnest(array[v_last, v_first + (v_last - v_first) / 2]) as likely (usage_date)
            cross join lateral (
                select
                from usage_conversation_daily_rollup as daily
                where daily.client_id = p_client_id and daily.usage_date = likely.usage_date
                limit 1
                offset 50000 / (v_last - v_first + 1)
            ) as many
        )
    then
        select array_agg(id), array_agg(lone_phone) into v_ids, v_lone_phones
        from leading_conversations(
            p_client_id, v_first, v_last, p_limit, case when v_by_cost then 'cost_usd' else 'total_tokens' end
        );
    end if;
    if v_ids is null and not v_reads_calls then
        v_has_phones := has_lone_calls(p_client_id);
        select array_agg(id), array_agg(lone_phone) into v_ids, v_lone_phones
        from (
            select id, lone_phone
            from conversation_totals(p_client_id, v_first, v_last, v_has_phones, p_filters)
            order by case when v_by_cost then cost_usd else total_tokens end desc
            fetch first (p_limit) rows with ties
        ) as first_ones;
    end if;

    v_all_tokens := tokens_of_days(p_client_id, p_filters, v_first, v_last);
    if v_reads_calls then
        return query
        select
            coalesce(known.phone, found.lone_phone), known.name, found.total_tokens, found.cost_usd,
            found.request_count, found.openai_tokens, found.groq_tokens,
            found.total_tokens - found.openai_tokens - found.groq_tokens, found.unpriced_count, found.id,
            coalesce(round(found.total_tokens / nullif(v_all_tokens, 0), 6), 0)
        from (
            select *
            from leading_filtered_conversations(
                p_client_id, p_filters, v_first, v_last, p_limit, v_by_cost,
                case when v_can_bound then
                    v_all_tokens / nullif(tokens_of_days(p_client_id, '[]', v_first, v_last), 0)
                end
            ) as first_ones
            order by case when v_by_cost then first_ones.cost_usd else first_ones.total_tokens end desc
            fetch first (p_limit) rows with ties
        ) as found
        left join lateral (
            select conversations.phone, conversations.name
            from conversations
            where conversations.client_id = p_client_id and conversations.id = found.id
            limit 1  -- looked up one by one
        ) as known on true
        order by
            case when v_by_cost then found.cost_usd else found.total_tokens end desc,
            found.total_tokens desc, found.cost_usd desc,
            coalesce(known.phone, found.lone_phone) nulls last, found.id nulls last
        limit p_limit;
        return;
    end if;
    return query
    select
        usage.phone,
        usage.name,
        usage.total_tokens::bigint,
        usage.cost_usd,
        usage.request_count::bigint,
        usage.openai_tokens::bigint,
        usage.groq_tokens::bigint,
        (usage.total_tokens - usage.openai_tokens - usage.groq_tokens)::bigint,
        usage.unpriced_count::bigint,
        usage.id,
        coalesce(round(usage.total_tokens / nullif(v_all_tokens, 0), 6), 0)
    from usage_of_conversations(
        p_client_id, v_ids, v_lone_phones, v_first, v_last,
        filters_within_conversations(p_client_id, p_filters, v_first, v_last)
    ) as usage
    order by
        case when v_by_cost then usage.cost_usd else usage.total_tokens end desc,
        usage.total_tokens desc, usage.cost_usd desc, usage.phone nulls last, usage.id nulls last
    limit p_limit;
end
$$;

-- The same of all calls.
create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer, p_limit integer, p_now timestamptz, p_order text
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        phone, conversation_name, total_tokens, total_cost, request_count, openai_tokens, groq_tokens,
        other_tokens,
        unpriced_count, conversation_id, share_of_tokens
    from get_usage_by_conversation(p_client_id, p_days, p_limit, p_now, p_order, '[]')
$$;

-- The same, the most tokens first: the guide's function, whose callers and whatever depends on it see no
-- change.
create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer default 30, p_limit integer default 20, p_now timestamptz default now()
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        phone, conversation_name, total_tokens, total_cost, request_count, openai_tokens, groq_tokens,
        other_tokens,
        unpriced_count, conversation_id, share_of_tokens
    from get_usage_by_conversation(p_client_id, p_days, p_limit, p_now, 'tokens', '[]')
$$;
