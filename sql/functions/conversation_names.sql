-- Conversations by their names, along an index of names.
--
-- A name is plain if masked_name() has nothing to mask in it, which the conditions below and those of the
-- indexes (030) tell by the same words, from built-in functions alone. So one index has them in order for
-- who sees phones and for who does not; the few others are looked at one by one.


-- A page of the conversations with use in the period, in the order of their names as whoever asks may see
-- them, and how many there are in all. For a client whose calls all name a conversation. No row where those
-- with a name, or a phone in its place, do not fill the page: search_conversations() has the others.
create or replace function conversations_by_name(
    p_client_id uuid, p_first_date date, p_last_date date, p_descending boolean, p_limit integer,
    p_offset integer
)
    returns table (ids uuid[], matched_count bigint)
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_custom_plan
    set work_mem = '32MB'
    set random_page_cost = 1.1  -- what is read in the order of names is in memory
as $$
#variable_conflict use_column
declare
    v_whole constant boolean := finds_phones();
begin
    return query
    with used as materialized (
        select id, total_tokens
        from conversation_totals(p_client_id, p_first_date, p_last_date, false, '[]')
    ),

    -- "is true" has the ids looked up in a table of hashes while names are read in order: no join keeps that.
    plain as (
        select id, lower(name) as name
        from conversations
        where
            client_id = p_client_id
            and ascii(name) between 65 and 122
            and octet_length(name) - octet_length(translate(name, '0123456789', '')) < 7
            and (phone is null or length(phone) < 4 or strpos(name, phone) = 0)
            and (id in (select used.id from used)) is true
        order by
            case when p_descending then lower(name) end desc,
            case when not p_descending then lower(name) end
        fetch first (p_offset + p_limit) rows with ties
    ),

    named as (
        select id, name from plain
        union all
        select
            id,
            lower(coalesce(
                case when v_whole then name else masked_name(name, phone) end,
                case when v_whole then phone else masked_phone(phone) end
            ))
        from conversations
        where
            client_id = p_client_id
            and (
                ascii(name) between 65 and 122
                and octet_length(name) - octet_length(translate(name, '0123456789', '')) < 7
                and (phone is null or length(phone) < 4 or strpos(name, phone) = 0)
            ) is not true
            and (id in (select used.id from used)) is true
    ),

    page as (
        select named.id
        from named
        inner join used on used.id = named.id
        where named.name is not null
        order by
            case when p_descending then named.name end desc,
            case when not p_descending then named.name end,
            used.total_tokens desc, named.id
        limit p_limit
        offset p_offset
    )

    select array_agg(id), (select count(*) from used)
    from page
    having count(*) = p_limit;
end
$$;
