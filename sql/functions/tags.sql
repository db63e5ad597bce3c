-- Tags of calls: what a team groups by. Each set of them is kept once, and calls and sums have its id.


-- The id of a client's set of tags (an object whose values are texts), which is kept if it is new. Null for
-- none, 0 where the client has had 1,000 new sets on this day of UTC: a key with a value of its own for each
-- call, say. Such calls count under "other" and keep their tags in their metadata.
create or replace function intern_tags(p_client_id uuid, p_tags jsonb) returns integer
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
declare
    found_id integer;
    most_new constant integer := 1000;
begin
    if p_tags is null or p_tags = '{}' then
        return null;
    end if;
    for attempt in 1..1000 loop
        select id into found_id
        from tag_sets
        where client_id = p_client_id and md5(tags::text) = md5(p_tags::text);
        exit when found_id is not null;

        if attempt = 1 and most_new <= (
            select count(*)
            from (
                select
                from tag_sets
                where client_id = p_client_id and created_at >= date_trunc('day', now(), 'UTC')
                limit most_new
            ) as new_sets
        ) then
            return 0;
        end if;

        insert into tag_sets (client_id, id, tags)
        select p_client_id, coalesce(max(id), 0) + 1, p_tags
        from tag_sets
        where client_id = p_client_id
        on conflict do nothing
        returning id into found_id;
        exit when found_id is not null;

        -- Another writer was a moment faster, with these tags or with this id.
        if current_setting('transaction_isolation') <> 'read committed' then
            raise exception 'another writer has new tags of this client: try the transaction again'
                using errcode = 'serialization_failure';
        end if;
    end loop;
    return found_id;
end
$$;

-- A call that moves to another client takes its tags along: the number of a set is its client's own.
create or replace function keep_tags_of_moved_log() returns trigger
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
begin
    new.tag_set_id := case
        when old.tag_set_id = 0 then 0
        else intern_tags(
            new.client_id,
            (select tags from tag_sets where client_id = old.client_id and id = old.tag_set_id)
        )
    end;
    return new;
end
$$;

-- One row per value of a tag in the period, the most expensive first. Each call is in one of them: null are
-- calls that do not have the tag, is_other those of which the tags were too many to keep apart.
create or replace function get_usage_by_tag(
    p_client_id uuid, p_key text, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (
        value text, is_other boolean, total_tokens bigint, prompt_tokens bigint, completion_tokens bigint,
        total_cost numeric, request_count bigint, unpriced_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        nullif(value, '(other)') as value,
        coalesce(value = '(other)', false) as is_other,
        total_tokens, prompt_tokens, completion_tokens, cost_usd as total_cost, request_count,
        unpriced_count
    from usage_rows(
        p_client_id, p_filters, p_first_date, p_last_date, '{}', (usage_meters())[1:6], p_key
    )
    order by total_cost desc, total_tokens desc, is_other, value
$$;

-- The keys of tags with use in the period, the most calls first, and how many values each has.
create or replace function get_tag_keys(
    p_client_id uuid, p_first_date date, p_last_date date, p_filters jsonb default '[]'
)
    returns table (key text, value_count bigint, request_count bigint)
    language sql stable
    set search_path = public, pg_temp
as $$
    with tagged as (
        select tag_set_id, sum(request_count) as request_count
        from tag_sets_in_use(p_client_id, p_first_date, p_last_date, p_filters)
        group by tag_set_id
    )

    select pair.key, count(distinct pair.value), sum(tagged.request_count)::bigint
    from tagged
    inner join tag_sets on tag_sets.client_id = p_client_id and tag_sets.id = tagged.tag_set_id
    cross join lateral jsonb_each_text(tag_sets.tags) as pair (key, value)
    where shown_name(pair.key, null) = pair.key
    group by pair.key
    order by sum(tagged.request_count) desc, pair.key
$$;
