-- The first conversations under filters that say nothing of conversations, hours or weekdays.


-- What conversations used in calls that pass, in a span of time: made of the calls.
create or replace function filtered_conversation_sums(
    p_client_id uuid, p_filter usage_filter, p_first_at timestamptz, p_end_at timestamptz
)
    returns table (
        id uuid, lone_phone text, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
as $$
    select
        coalesce(logged.conversation_id, known.id),
        case when known.id is null then logged.phone end,
        whole_sum(logged.total_tokens), whole_sum(logged.openai_tokens), whole_sum(logged.groq_tokens),
        sum(logged.cost_usd), whole_sum(logged.request_count), whole_sum(logged.unpriced_count)
    from (
        select
            conversation_id, case when conversation_id is null then phone end as phone,
            whole_sum(total_tokens) as total_tokens,
            coalesce(whole_sum(total_tokens) filter (where source = 'openai'), 0) as openai_tokens,
            coalesce(whole_sum(total_tokens) filter (where source = 'groq'), 0) as groq_tokens,
            sum(cost_usd) as cost_usd,
            whole_sum(coalesce(bucket_request_count, 1)) as request_count,
            coalesce(
                whole_sum(coalesce(bucket_request_count, 1)) filter (where cost_basis = 'unpriced'), 0
            ) as unpriced_count
        from wanted_calls(p_client_id, p_filter, p_first_at, p_end_at)
        group by 1, 2
    ) as logged
    left join lateral (
        select conversations.id
        from conversations
        where
            logged.conversation_id is null
            and conversations.client_id = p_client_id and conversations.phone = logged.phone
        limit 1
    ) as known on true
    group by 1, 2
$$;

-- The filter, of these conversations alone; it says nothing of conversations itself.
create or replace function filter_of_conversations(
    p_client_id uuid, p_filter usage_filter, p_ids uuid[], p_lone_phones text[], p_has_phones boolean
)
    returns usage_filter
    language plpgsql stable
    set search_path = public, pg_temp
as $$
begin
    p_filter.excludes_conversations := false;
    p_filter.conversation_ids := array_remove(p_ids, null);
    p_filter.phones := array_remove(p_lone_phones, null);
    p_filter.takes_lone := exists (
        select
        from unnest(p_ids, p_lone_phones) as chosen (id, lone_phone)
        where chosen.id is null and chosen.lone_phone is null
    );
    if p_has_phones then
        p_filter.phones := p_filter.phones || array(
            select phone
            from conversations
            where client_id = p_client_id and id = any (p_filter.conversation_ids) and phone is not null
        );
    end if;
    return p_filter;
end
$$;

-- The p_limit conversations with the most tokens, or the highest known cost, of the calls that pass, those
-- that have as much as the last of them, and further ones, in no order.
--
-- None has more under a filter than without. So those are read that have as much, of all calls, as the
-- p_limit-th is likely to have of those that pass, which are p_share of all. The p_limit-th best of them
-- sets the bar: of the others only those that can reach it are read. Where that would be most of the calls,
-- all are; and where amounts may be negative (p_share is null).
create or replace function leading_filtered_conversations(
    p_client_id uuid, p_filters jsonb, p_first_date date, p_last_date date, p_limit integer,
    p_by_cost boolean, p_share numeric
)
    returns table (
        id uuid, lone_phone text, total_tokens bigint, openai_tokens bigint, groq_tokens bigint,
        cost_usd numeric, request_count bigint, unpriced_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_custom_plan
    set work_mem = '32MB'
    set enable_seqscan = off  -- calls of some days of one client are guessed to be most of all
as $$
#variable_conflict use_column
declare
    v_all constant usage_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
    v_filter usage_filter := v_all;
    v_has_phones constant boolean := has_lone_calls(p_client_id);
    v_first integer;  -- how many of these are read first
    v_first_at timestamptz;
    v_end_at timestamptz;
    -- All conversations, the most first.
    v_ids uuid[];
    v_lone_phones text[];
    v_amounts numeric[];
    v_counts bigint[];
    v_best numeric[] := '{}';  -- of the first ones
    v_number integer;  -- of further ones
    v_are_most boolean;  -- calls that would be read one conversation after the other
begin
    if p_share is not null and not v_has_phones and p_limit <= 100 and is_of_kinds(v_all) then
        return query
        select
            id, null::text, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
        from leading_conversations_of_kinds(
            p_client_id, v_all, p_first_date, p_last_date, p_limit, p_by_cost
        );
        if found then
            return;
        end if;
    end if;

    select first_at, end_at into v_first_at, v_end_at
    from moments_of_days(p_client_id, p_first_date, p_last_date);

    if p_share is not null then
        select array_agg(id), array_agg(lone_phone), array_agg(amount), array_agg(request_count)
        into v_ids, v_lone_phones, v_amounts, v_counts
        from (
            select
                id, lone_phone, request_count,
                case when p_by_cost then cost_usd else total_tokens end as amount
            from conversation_totals(p_client_id, p_first_date, p_last_date, v_has_phones, '[]')
            order by amount desc
        ) as totals;
    end if;
    select
        count(*) filter (where is_likely),
        coalesce(2 * sum(number) filter (where is_likely) > sum(number), true)
    into v_first, v_are_most
    from (
        select number, place <= p_limit or amount >= 0.9 * p_share * v_amounts[p_limit] as is_likely
        from unnest(v_amounts, v_counts) with ordinality as listed (amount, number, place)
    ) as listed;
    if v_are_most then
        return query select * from filtered_conversation_sums(p_client_id, v_filter, v_first_at, v_end_at);
        return;
    end if;

    v_filter := filter_of_conversations(
        p_client_id, v_all, v_ids[:v_first], v_lone_phones[:v_first], v_has_phones
    );
    for
        id, lone_phone, total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
    in
        select * from filtered_conversation_sums(p_client_id, v_filter, v_first_at, v_end_at)
    loop
        v_best := v_best || case when p_by_cost then cost_usd else total_tokens end;
        return next;
    end loop;

    select count(*) filter (where can_reach), 2 * sum(number) filter (where can_reach) > sum(number)
    into v_number, v_are_most
    from (
        select
            number,
            amount >= coalesce(
                (select best from unnest(v_best) as best order by best desc limit 1 offset p_limit - 1), 0
            ) as can_reach
        from unnest(v_amounts[v_first + 1:], v_counts[v_first + 1:]) as further (amount, number)
    ) as further;
    v_filter := v_all;
    if not v_are_most then
        v_filter := filter_of_conversations(
            p_client_id, v_all, v_ids[v_first + 1:v_first + v_number],
            v_lone_phones[v_first + 1:v_first + v_number], v_has_phones
        );
    end if;
    return query
    select *
    from filtered_conversation_sums(p_client_id, v_filter, v_first_at, v_end_at) as found
    where
        v_number > 0
        and (
            not v_are_most
            or coalesce(found.id::text, '+' || found.lone_phone, '') <> all (
                array(
                    select coalesce(first_one.id::text, '+' || first_one.lone_phone, '')
                    from unnest(v_ids[:v_first], v_lone_phones[:v_first]) as first_one (id, lone_phone)
                )
            )
        );
end
$$;
