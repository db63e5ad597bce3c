-- Phones are for administrators, and nothing is for Supabase's visitors. Needs 015 and 016.
--
--   1  masking     what of a phone, a name and metadata somebody sees who may not see phones
--   2  search      conversations are found by what of them is seen
--   3  timelines   metadata as it is seen; a conversation that is but a phone has a handle in its place
--   4  visitors    what Supabase grants anon and authenticated by default is taken back
--
-- Whoever reads as analytics_reader sees phones masked, unless the transaction says that an administrator asks:
-- app.phones = 'whole', or 'findable' where they are only to be found by. Others, such as whoever sits at Supabase's
-- SQL editor, see them whole unless it says 'masked'. Safe to run again, and safe to paste into Supabase's SQL editor.


-- 1  Masking ---------------------------------------------------------------------------------------

create or replace function shows_phones() returns boolean
    language sql stable
    return case coalesce(current_setting('app.phones', true), '')
        when 'whole' then true
        when 'findable' then false
        when 'masked' then false
        else current_user <> 'analytics_reader'
    end;

-- Whether conversations are found and sorted by whole phones, or by what is seen of them.
create or replace function finds_phones() returns boolean
    language sql stable
    return current_setting('app.phones', true) = 'findable' or shows_phones();

-- All but the last four digits hidden; too short a phone is hidden whole.
create or replace function masked_phone(p_phone text) returns text
    language sql immutable parallel safe
    return case
        when length(split_part(p_phone, '@', 1)) > 6 then '•••• ' || right(split_part(p_phone, '@', 1), 4)
        when p_phone <> '' then '••••'
    end;

-- The text with its phones masked: p_own wherever it stands, however its digits are set apart, and whatever has
-- the 10 to 15 digits of a phone with its country. Left alone are days, amounts, and ids in hexadecimal.
create or replace function masked_text(p_text text, p_own text) returns text
    language plpgsql immutable parallel safe
    set search_path = public, pg_temp
as $$
declare
    -- Between two digits of one phone: "+55 (11) 98765-4321", and what word processors make of it.
    v_apart constant text := '[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]{0,3}';
    v_own constant text := regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g');
    v_text text := p_text;
begin
    -- Nearly always there is none, so that is found out fast.
    if v_text ~ '([0-9][^0-9]{0,4}){10}' and v_text !~* '^(?=.*[a-f])[0-9a-f-]{16,}$' then
        v_text := regexp_replace(
            v_text,
            '(?<![0-9])(?<![0-9]\.)(?![0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9]))(?![0-9]{1,9}\.[0-9]+(?![0-9.]))\+?\(?'
            || '[0-9](?:' || v_apart || '[0-9]){5,10}' || v_apart
            || array_to_string(array_fill('([0-9])'::text, array[4]), v_apart) || '(?![0-9])(@[\w.-]+)?',
            '•••• \1\2\3\4', 'g'
        );
    end if;
    -- What is shorter, or longer.
    if length(v_own) between 7 and 20 then
        v_text := regexp_replace(
            v_text,
            '\+?\(?' || array_to_string(string_to_array(v_own, null), v_apart) || '(@[\w.-]+)?',
            '•••• ' || right(v_own, 4), 'g'
        );
    end if;
    if length(p_own) >= 4 then
        v_text := replace(v_text, p_own, masked_phone(p_own));
    end if;
    return v_text;
end
$$;

-- A name; one that is nothing but a phone is masked as such, however short.
create or replace function masked_name(p_name text, p_phone text) returns text
    language sql immutable parallel safe
    return case
        -- Names are many and nearly never one.
        when p_name !~ '[0-9]' and (p_phone is null or length(p_phone) < 4 or strpos(p_name, p_phone) = 0)
            then p_name
        when p_name ~ '^\s*\+?[0-9\s().-]{7,}(@.*)?$'
            then masked_phone(regexp_replace(split_part(p_name, '@', 1), '\s+$', ''))
        else masked_text(p_name, p_phone)
    end;

-- Metadata: its texts and keys as masked_text() has them; under a key that names a phone whatever holds a digit;
-- and numbers that are the call's own phone, or have as many digits as one and are no moment.
create or replace function masked_metadata(
    p_value jsonb, p_own text, p_is_phone boolean default false, p_depth integer default 0
)
    returns jsonb
    language plpgsql immutable parallel safe
    set search_path = public, pg_temp
as $$
declare
    v_text text;
begin
    if p_depth > 50 then
        -- As text: what is nested so deep would take more stack than there is.
        return to_jsonb(masked_text(p_value::text, p_own));
    end if;
    case jsonb_typeof(p_value)
        when 'object' then
            return (
                select coalesce(
                    jsonb_object_agg(
                        masked_text(key, p_own),
                        masked_metadata(
                            value, p_own,
                            p_is_phone or key ~* '(phone|fone|mobile|celular|whatsapp|wa_?id|msisdn|jid|^tel)',
                            p_depth + 1
                        )
                    ),
                    '{}'
                )
                from jsonb_each(p_value)
            );
        when 'array' then
            return (
                select coalesce(
                    jsonb_agg(masked_metadata(value, p_own, p_is_phone, p_depth + 1) order by place), '[]'
                )
                from jsonb_array_elements(p_value) with ordinality as parts (value, place)
            );
        when 'string' then
            v_text := p_value #>> '{}';
            if p_is_phone and v_text ~ '[0-9]' then
                return to_jsonb(masked_phone(v_text));
            end if;
            return to_jsonb(masked_text(v_text, p_own));
        when 'number' then
            v_text := trim_scale((p_value #>> '{}')::numeric)::text;
            if p_is_phone
                or v_text = regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g') and length(v_text) > 6
                -- Ten and thirteen digits that begin with a one are seconds and milliseconds of our days.
                or v_text ~ '^[1-9][0-9]{9,14}$' and v_text !~ '^1([0-9]{9}|[0-9]{12})$'
            then
                return to_jsonb(masked_phone(v_text));
            end if;
            return p_value;
        else
            return p_value;
    end case;
end
$$;

-- What of each the transaction may see.
create or replace function shown_phone(p_phone text) returns text
    language sql stable
    return case when shows_phones() then p_phone else masked_phone(p_phone) end;

create or replace function shown_name(p_name text, p_phone text) returns text
    language sql stable
    return case when shows_phones() then p_name else masked_name(p_name, p_phone) end;

create or replace function found_phone(p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_phone else masked_phone(p_phone) end;

create or replace function found_name(p_name text, p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_name else masked_name(p_name, p_phone) end;

create or replace function shown_metadata(p_metadata jsonb, p_phone text) returns jsonb
    language sql stable
    return case when shows_phones() then p_metadata else masked_metadata(p_metadata, p_phone) end;


-- 2  Search ----------------------------------------------------------------------------------------

-- What links and pages name a conversation by that is nothing but a phone: a hash of it with a secret, as one
-- without is found by trying all phones.
create table if not exists phone_secret (
    id boolean primary key default true,
    secret text not null default gen_random_uuid()::text || gen_random_uuid()::text,
    constraint phone_secret_is_one check (id)
);
insert into phone_secret default values on conflict do nothing;
alter table phone_secret enable row level security;
revoke all on phone_secret from public;

-- With the owner's rights: the reader may use the secret, in no other way.
create or replace function read_phone_secret() returns text
    language sql stable security definer
    set search_path = public, pg_temp
as $$
    select secret from phone_secret
$$;
revoke execute on function read_phone_secret() from public;
grant execute on function read_phone_secret() to analytics_reader;

create or replace function phone_handle(p_secret text, p_client_id uuid, p_phone text) returns text
    language sql immutable parallel safe
    return 'p' || left(
        encode(sha256(convert_to(p_secret || p_client_id::text || p_phone, 'UTF8')), 'hex'), 32
    );

-- One row per conversation with use in the period that fits the search, a page of them in the order asked for.
-- matched_count says how many there are in all. Conversations are told apart as get_usage_by_conversation() does.
-- p_search is a part of the name or the phone, or what the id begins with, as folded() takes them (no sign in it
-- stands for others), or a handle; p_sort one of tokens, cost, requests, name, last. Names and phones are looked for and sorted by as whoever asks may see them: who may not see
-- a phone cannot find out whether it is there, either.
create or replace function search_conversations(
    p_client_id uuid, p_first_date date, p_last_date date, p_search text default '', p_sort text default 'tokens',
    p_descending boolean default true, p_limit integer default 50, p_offset integer default 0
)
    returns table (
        conversation_id uuid, phone text, conversation_name text, first_date date, last_date date,
        total_tokens bigint, openai_tokens bigint, groq_tokens bigint, other_tokens bigint, total_cost numeric,
        request_count bigint, unpriced_count bigint, matched_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    -- A lone accent folds to nothing, which would be in every name.
    sought constant text := coalesce(nullif(folded(p_search), ''), lower(p_search), '');
begin
    if p_sort is null or p_sort not in ('tokens', 'cost', 'requests', 'name', 'last') then
        raise exception 'sort must be tokens, cost, requests, name or last, not %', coalesce(p_sort, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 1000 or p_offset is null or p_offset < 0 then
        raise exception 'a page has 1 to 1000 conversations and begins at 0 or later'
            using errcode = 'invalid_parameter_value';
    end if;
    return query
    -- One row per conversation as logged.
    with logged as materialized (
        select
            conversation_id, phone,
            min(usage_date) as first_date,
            max(usage_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from usage_conversation_daily
        where client_id = p_client_id and usage_date between p_first_date and p_last_date
        group by conversation_id, phone
    ),

    resolved as (
        select
            logged.*,
            coalesce(logged.conversation_id, known.id) as id,
            case when coalesce(logged.conversation_id, known.id) is null then logged.phone end as lone_phone
        from logged
        left join conversations as known
            on logged.conversation_id is null and known.client_id = p_client_id and known.phone = logged.phone
    ),

    counted as (
        select
            id, lone_phone,
            min(first_date) as first_date,
            max(last_date) as last_date,
            sum(total_tokens) as total_tokens,
            sum(openai_tokens) as openai_tokens,
            sum(groq_tokens) as groq_tokens,
            sum(cost_usd) as cost_usd,
            sum(request_count) as request_count,
            sum(unpriced_count) as unpriced_count
        from resolved
        group by id, lone_phone
    ),

    named as (
        select counted.*, coalesce(known.phone, counted.lone_phone) as phone, known.name
        from counted
        left join conversations as known on known.client_id = p_client_id and known.id = counted.id
    ),

    fitting as (
        select *, count(*) over () as matched_count
        from named
        where
            sought = ''
            or strpos(folded(found_name(name, phone)), sought) > 0
            or strpos(folded(found_phone(phone)), sought) > 0
            -- However the digits are set apart: "+55 11 98765-4321" finds 5511987654321.
            or sought ~ '^[-0-9 ().+]*[0-9]{2}[-0-9 ().+]*$'
                and strpos(
                    regexp_replace(found_phone(phone), '[^0-9]', '', 'g'), regexp_replace(sought, '[^0-9]', '', 'g')
                ) > 0
            or starts_with(id::text, sought)
            or p_search ~ '^p[0-9a-f]{32}$'
                and phone_handle(read_phone_secret(), p_client_id, lone_phone) = p_search
    )

    select
        id, phone, name, first_date, last_date, total_tokens::bigint, openai_tokens::bigint,
        groq_tokens::bigint, (total_tokens - openai_tokens - groq_tokens)::bigint, cost_usd,
        request_count::bigint, unpriced_count::bigint, matched_count
    from fitting
    order by
        -- One of them is a number, a day or a name; the others are null for all.
        case when p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end desc nulls last,
        case when not p_descending then
            case p_sort when 'tokens' then total_tokens when 'cost' then cost_usd when 'requests' then request_count end
        end,
        case when p_descending and p_sort = 'last' then last_date end desc nulls last,
        case when not p_descending and p_sort = 'last' then last_date end,
        case when p_descending and p_sort = 'name' then
            lower(coalesce(found_name(name, phone), found_phone(phone)))
        end desc nulls last,
        case when not p_descending and p_sort = 'name' then
            lower(coalesce(found_name(name, phone), found_phone(phone)))
        end nulls last,
        total_tokens desc, found_phone(phone) nulls last, id nulls last, md5(phone)
    limit p_limit
    offset p_offset;
end
$$;


-- 3  Timelines -------------------------------------------------------------------------------------

-- The phone of the calls without a conversation that a handle stands for, or one that nobody has where there are
-- none in the period; null without a handle.
create or replace function phone_of(p_client_id uuid, p_handle text, p_first_date date, p_last_date date)
    returns text
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as materialized (
        select read_phone_secret() as secret
    )

    select case when p_handle is not null then coalesce(
        (
            select phone
            from known
            cross join usage_conversation_daily
            where
                client_id = p_client_id
                and usage_date between p_first_date and p_last_date
                and conversation_id is null
                and phone_handle(secret, p_client_id, phone) = p_handle
            limit 1
        ),
        E'\x01'
    ) end
$$;

-- As in 014, with the metadata as the transaction sees it.
create or replace function get_conversation_calls(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_limit integer default 1000
)
    returns table (
        created_at timestamptz, id uuid, source text, model text, prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint, cost_usd numeric, cost_basis text, metadata jsonb, running_tokens bigint,
        running_cost numeric, call_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    with known as (
        select coalesce(
            p_phone, (select phone from conversations where client_id = p_client_id and id = p_conversation_id)
        ) as phone
    ),

    calls as (
        select log.*, shown_metadata(log.metadata, coalesce(log.phone, known.phone)) as seen_metadata
        from known
        cross join lateral conversation_days(
            p_client_id, p_conversation_id, known.phone, p_first_date, p_last_date
        ) as day
        cross join lateral moments_of_days(p_client_id, day, day) as moment
        inner join usage_logs as log
            on log.client_id = p_client_id
            and log.created_at >= moment.first_at
            and log.created_at < moment.end_at
        where
            log.conversation_id = p_conversation_id
            or log.conversation_id is null and log.phone = known.phone
            or log.conversation_id is null and log.phone is null and p_conversation_id is null and p_phone is null
    )

    select
        created_at, id, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        seen_metadata,
        (sum(total_tokens) over so_far)::bigint as running_tokens,
        sum(cost_usd) over so_far as running_cost,
        count(*) over () as call_count
    from calls
    window so_far as (order by created_at, id rows unbounded preceding)
    order by created_at, id
    limit p_limit
$$;


-- 4  Visitors --------------------------------------------------------------------------------------

-- Supabase grants anon and authenticated everything on all that is made in this schema. Row-level security keeps
-- them out of the rows; it says nothing about truncate, nor about functions that run with their owner's rights.
-- clients, conversations and usage_logs may be an application's own, with policies of its own: what those allow
-- stays. (Triggers need no right to execute.)
do $$
declare
    visitor text;
    item text;
begin
    for visitor in
        select 'public' union all select quote_ident(rolname) from pg_roles where rolname in ('anon', 'authenticated')
    loop
        for item in
            select oid::regclass::text
            from pg_class
            where oid in (
                to_regclass('api_keys'), to_regclass('cost_correction_items'), to_regclass('cost_corrections'),
                to_regclass('members'), to_regclass('model_prices'), to_regclass('phone_secret'),
                to_regclass('price_list'), to_regclass('usage_conversation'),
                to_regclass('usage_conversation_daily'), to_regclass('usage_conversation_daily_rollup'),
                to_regclass('usage_conversation_rollup'), to_regclass('usage_daily'),
                to_regclass('usage_daily_rollup'), to_regclass('usage_hourly_days'),
                to_regclass('usage_hourly_rollup'), to_regclass('usage_pending')
            )
        loop
            execute format('revoke all on %s from %s', item, visitor);
        end loop;
        execute format(
            'revoke truncate, references, trigger on clients, conversations, usage_logs from %s', visitor
        );
        for item in
            select oid::regprocedure::text
            from pg_proc
            where
                pronamespace = 'public'::regnamespace
                and (
                    prosecdef and proname in (
                        'complete_usage_log', 'fold_usage', 'forget_all_usage', 'forget_hourly_days',
                        'forget_hours_of_clients', 'forget_usage_of_clients', 'keep_hourly_usage',
                        'read_phone_secret', 'rebuild_client_usage', 'record_pending_usage', 'renew_price_list'
                    )
                    or prokind = 'p' and proname in ('lock_in_bites', 'read_one_client_only')
                )
        loop
            execute format('revoke execute on routine %s from %s', item, visitor);
        end loop;
    end loop;
end
$$;
