-- The conversations with the most tokens, or that cost the most. *_cost and cost_usd are US dollars.
-- All run with the rights of who calls them, so that a reader sees its one client.


-- What one conversation (as get_usage_by_conversation() tells them apart) used in a period, as far as folded.
-- Three branches instead of one "or": each is one short range of the same index.
create or replace function folded_conversation_usage(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date
)
    returns table (
        total_tokens numeric, openai_tokens numeric, groq_tokens numeric, cost_usd numeric,
        request_count numeric, unpriced_count numeric
    )
    language sql stable
as $$
    select
        coalesce(sum(total_tokens), 0),
        coalesce(sum(openai_tokens), 0),
        coalesce(sum(groq_tokens), 0),
        coalesce(sum(cost_usd), 0),
        coalesce(sum(request_count), 0),
        coalesce(sum(unpriced_count), 0)
    from (
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id = p_conversation_id
        union all
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id is null and phone = p_phone
        union all
        select total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_daily_rollup
        where
            client_id = p_client_id
            and usage_date between p_first_date and p_last_date
            and conversation_id is null and phone is null
            and p_conversation_id is null and p_phone is null
    ) as days
$$;

-- One row per conversation with use in the period, the p_limit first ones by p_order: 'tokens' or 'cost',
-- the most first. Calls that name no conversation count for the one with their phone, else for their phone
-- alone; calls with neither are one row of nulls. openai + groq + other = total. share_of_tokens is of all
-- the client's tokens in the period, 0 to 1. A cost is that of the calls whose price is known: where
-- unpriced_count is not 0 it is the least that the conversation cost, and by that it has its place. Among
-- equal costs the one with more tokens is first.
--
-- Adding up every conversation's days would be dear, so only those are added up that can be among the
-- first: none has more in the period than in its lifetime, and the p_limit-th best of what has been counted
-- sets the bar.
--
-- A second function of this name, without defaults: whoever gives fewer arguments means the guide's, below.
create or replace function get_usage_by_conversation(
    p_client_id uuid, p_days integer, p_limit integer, p_now timestamptz, p_order text
)
    returns table (
        phone text, conversation_name text, total_tokens bigint, total_cost numeric, request_count bigint,
        openai_tokens bigint, groq_tokens bigint, other_tokens bigint, unpriced_count bigint,
        conversation_id uuid, share_of_tokens numeric
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off  -- compiling takes longer than running
as $$
#variable_conflict use_column
declare
    v_first date;
    v_last date;
    v_by_cost constant boolean := p_order = 'cost';
    -- Rows of an adopted table may be negative; then a lifetime bounds nothing and all are added up.
    v_can_prune constant boolean := coalesce((
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

    return query
    -- Pending sums have their date, so what is in the period counts as it is. Nobody joins conversations as
    -- a whole here or below: they are looked up one by one, where a log does not name its own. amount is
    -- what the order goes by, here and below.
    with pending as materialized (
        select
            resolved.id,
            case when resolved.id is null then logged.phone end as lone_phone,
            logged.source, logged.total_tokens, logged.cost_usd, logged.request_count, logged.unpriced_count,
            case when v_by_cost then logged.cost_usd else logged.total_tokens end as amount
        from usage_pending as logged
        cross join lateral (
            select coalesce(
                logged.conversation_id,
                (select id from conversations where client_id = p_client_id and phone = logged.phone)
            ) as id
        ) as resolved
        where logged.client_id = p_client_id and logged.usage_date between v_first and v_last
    ),

    -- One row per conversation as logged: what it has in its lifetime, and how many of its days lie in the
    -- period. (Adopted rows may have been made at infinity.)
    lifetimes as not materialized (
        select
            conversation_id, phone,
            case when v_by_cost then cost_usd else total_tokens end as amount,
            -- What is likely may be rough.
            case when v_by_cost then least(cost_usd, 1e300) else total_tokens end::double precision
            / (least(last_date, v_last + 3660) - greatest(first_date, v_first - 3660) + 1)
            * (least(last_date, v_last) - greatest(first_date, v_first) + 1) as likely
        from usage_conversation_rollup
        where client_id = p_client_id and last_date >= v_first and first_date <= v_last
    ),

    -- One row per conversation as logged, and per pending row: the most that it can have in the period, and
    -- how much is likely.
    logged as (
        select
            conversation_id as id, null::text as lone_phone, amount as at_most, likely
        from lifetimes
        where conversation_id is not null
        union all
        select
            known.id, case when known.id is null then lifetime.phone end, lifetime.amount, lifetime.likely
        from lifetimes as lifetime
        left join conversations as known on known.client_id = p_client_id and known.phone = lifetime.phone
        where lifetime.conversation_id is null
        union all
        select id, lone_phone, amount, least(amount, 1e300)::double precision
        from pending
    ),

    -- One row per conversation.
    candidates as materialized (
        select id, lone_phone, sum(at_most) as at_most, max(likely) as likely
        from logged
        group by id, lone_phone
    ),

    -- The most promising ones are counted first; the p_limit-th best of them is the bar for all others.
    -- Pending rows without an id stay in here and below: alone they are less than their whole, so they
    -- raise no bar too high, and those of a conversation below the bar are below it too.
    probes as materialized (
        select candidate.id, candidate.lone_phone, days.*
        from (select * from candidates order by likely desc limit 3 * p_limit) as candidate
        left join lateral (
            select phone from conversations where client_id = p_client_id and id = candidate.id limit 1
        ) as known on true
        cross join lateral folded_conversation_usage(
            p_client_id, candidate.id, coalesce(known.phone, candidate.lone_phone), v_first, v_last
        ) as days
    ),

    bar as materialized (
        select sum(amount) as amount
        from (
            select id, lone_phone, case when v_by_cost then cost_usd else total_tokens end as amount
            from probes
            union all
            select id, lone_phone, amount
            from pending
            where id is null or id in (select id from probes)
        ) as parts
        group by id, lone_phone
        order by sum(amount) desc
        limit 1
        offset greatest(p_limit - 1, 0)
    ),

    folded as materialized (
        select
            id, lone_phone, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from probes
        union all
        select
            candidate.id, candidate.lone_phone, days.total_tokens, days.openai_tokens, days.groq_tokens,
            days.cost_usd, days.request_count, days.unpriced_count
        from candidates as candidate
        left join lateral (
            select phone from conversations where client_id = p_client_id and id = candidate.id limit 1
        ) as known on true
        cross join lateral folded_conversation_usage(
            p_client_id, candidate.id, coalesce(known.phone, candidate.lone_phone), v_first, v_last
        ) as days
        where
            (not v_can_prune or candidate.at_most >= coalesce((select amount from bar), 0))
            and coalesce(candidate.id::text, '+' || candidate.lone_phone, '') not in (
                select coalesce(id::text, '+' || lone_phone, '') from probes
            )
    ),

    counted as (
        select
            id, lone_phone,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from (
            select
                id, lone_phone, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count,
                unpriced_count
            from folded
            union all
            select
                pending.id, pending.lone_phone, pending.total_tokens,
                case when pending.source = 'openai' then pending.total_tokens else 0 end,
                case when pending.source = 'groq' then pending.total_tokens else 0 end,
                pending.cost_usd, pending.request_count, pending.unpriced_count
            from pending
            where id is null or id in (select id from folded)
        ) as parts
        group by id, lone_phone
        having sum(request_count) <> 0
    ),

    everything as (
        select sum(total_tokens) as total_tokens
        from (
            select total_tokens
            from usage_daily_rollup
            where client_id = p_client_id and usage_date between v_first and v_last
            union all
            select total_tokens from pending
        ) as parts
    )

    select
        coalesce(known.phone, counted.lone_phone) as phone,
        known.name,
        counted.total_tokens::bigint,
        counted.cost_usd,
        counted.request_count::bigint,
        counted.openai_tokens::bigint,
        counted.groq_tokens::bigint,
        (counted.total_tokens - counted.openai_tokens - counted.groq_tokens)::bigint,
        counted.unpriced_count::bigint,
        counted.id,
        coalesce(round(counted.total_tokens / nullif((select total_tokens from everything), 0), 6), 0)
    from counted
    left join lateral (
        select phone, name from conversations where client_id = p_client_id and id = counted.id
    ) as known on true
    order by
        case when v_by_cost then counted.cost_usd else counted.total_tokens end desc,
        counted.total_tokens desc, counted.cost_usd desc, phone nulls last, counted.id nulls last
    limit p_limit;
end
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
    from get_usage_by_conversation(p_client_id, p_days, p_limit, p_now, 'tokens')
$$;
