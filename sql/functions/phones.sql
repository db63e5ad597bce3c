-- Phones are for administrators: what of a phone, a name and metadata somebody sees who may not see phones,
-- and the handle that links have in the place of a phone.
--
-- Whoever reads as analytics_reader sees phones masked, unless the transaction says that an administrator
-- asks: app.phones = 'whole', or 'findable' where they are only to be found by. Others, such as whoever
-- sits at Supabase's SQL editor, see them whole unless it says 'masked'.


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

-- Most texts hold no phone, and the next two functions find that out fast: their "no" is certain, their "yes"
-- is not. Their expressions are constant and have no lookaround, which is slow.

-- Whether the text has ten digits with nothing but separators between them.
create or replace function may_hold_phone(p_text text) returns boolean
    language sql immutable parallel safe
    return p_text ~ '[0-9](?:[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]*[0-9]){9}';

-- Whether the text may have the call's own phone, as it is or with separators. Not true without a phone.
create or replace function may_hold_own(p_text text, p_own text) returns boolean
    language sql immutable parallel safe
    return
        length(p_own) >= 4 and strpos(p_text, p_own) > 0
        or p_text ~ '[0-9](?:[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]*[0-9]){6}'
            and length(regexp_replace(split_part(p_own, '@', 1), '[^0-9]+', '', 'g')) > 6
            and strpos(
                regexp_replace(p_text, '[^0-9]+', '', 'g'),
                regexp_replace(split_part(p_own, '@', 1), '[^0-9]+', '', 'g')
            ) > 0;

-- The text with its phones masked: p_own wherever it stands, however its digits are set apart, and whatever
-- has the 10 to 15 digits of a phone with its country. Left alone are days, amounts, and ids in
-- hexadecimal.
create or replace function masked_text(p_text text, p_own text) returns text
    language plpgsql immutable parallel safe
    set search_path = public, pg_temp
as $$
declare
    -- Between two digits of one phone: "+55 (11) 98765-4321", and what word processors make of it.
    v_apart constant text := '[\s()./\u00a0\u200b-\u2015\u202a-\u202f\u2060\u2066-\u2069-]{0,3}';
    v_own text;
    v_text text := p_text;
begin
    if may_hold_phone(v_text) and v_text !~* '^(?=.*[a-f])[0-9a-f-]{16,}$' then
        v_text := regexp_replace(
            v_text,
            '(?<![0-9])(?<![0-9]\.)(?![0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9]))'
            || '(?![0-9]{1,9}\.[0-9]+(?![0-9.]))\+?\(?'
            || '[0-9](?:' || v_apart || '[0-9]){5,10}' || v_apart
            || array_to_string(array_fill('([0-9])'::text, array[4]), v_apart) || '(?![0-9])(@[\w.-]+)?',
            '•••• \1\2\3\4', 'g'
        );
    end if;
    -- What is shorter, or longer. An expression for each phone has to be compiled anew for each call.
    if may_hold_own(v_text, p_own) then
        v_own := regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g');
    end if;
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
        -- Names are many and nearly never one: what begins with a letter, has less than seven digits and not
        -- the phone as it is, has none.
        when
            ascii(p_name) between 65 and 122
            and octet_length(p_name) - octet_length(translate(p_name, '0123456789', '')) < 7
            and (p_phone is null or length(p_phone) < 4 or strpos(p_name, p_phone) = 0)
            then p_name
        when p_name !~ '[0-9]' and (p_phone is null or length(p_phone) < 4 or strpos(p_name, p_phone) = 0)
            then p_name
        when p_name ~ '^\s*\+?[0-9\s().-]{7,}(@.*)?$'
            then masked_phone(regexp_replace(split_part(p_name, '@', 1), '\s+$', ''))
        else masked_text(p_name, p_phone)
    end;

-- Metadata: its texts and keys as masked_text() has them; under a key that names a phone whatever holds a
-- digit; and numbers that are the call's own phone, or have as many digits as one and are no moment.
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
    if p_depth = 0 and not p_is_phone then
        -- Look at the JSON as one text first. If it has no backslash, its strings are written as they are,
        -- and a quote before a colon ends a key.
        v_text := p_value::text;
        if may_hold_phone(v_text) and (p_own ~ '^[^0-9]*1') is not true then
            -- Durations and moments are no phones, but the call's own phone can look like a moment.
            v_text := regexp_replace(
                v_text,
                '(?<=[^[{ ])": -?(?:[0-9]{1,9}\.[0-9]*[1-9]|1[0-9]{9}|1[0-9]{12})(?=[,}])', '":', 'g'
            );
        end if;
        if
            strpos(v_text, '\') = 0
            and not may_hold_phone(v_text)
            and may_hold_own(v_text, p_own) is not true
            and v_text !~* '("tel|phone|fone|mobile|celular|whatsapp|wa_?id|msisdn|jid)[^"]*":'
            and not jsonb_path_exists(p_value, 'strict $.**{51}')
        then
            return p_value;
        end if;
    end if;
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
                            p_is_phone
                            or key ~* '(phone|fone|mobile|celular|whatsapp|wa_?id|msisdn|jid|^tel)',
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
                or v_text = regexp_replace(split_part(p_own, '@', 1), '[^0-9]', '', 'g')
                    and length(v_text) > 6
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

-- An id that somebody else made, such as resp_68af..., whose digits are no phone: hexadecimal after its kind.
create or replace function shown_id(p_id text, p_phone text) returns text
    language sql stable
    return case
        when p_id is null or shows_phones()
            or p_id ~* '^([a-z]{2,20}[_-])?(?=[0-9-]*[a-f])[0-9a-f-]{16,}$'
                and may_hold_own(p_id, p_phone) is not true
            then p_id
        else masked_name(p_id, p_phone)
    end;

-- The value of a tag as whoever asks may see it: a key that is a phone is none for who may not see phones.
create or replace function shown_tag(p_tags jsonb, p_key text) returns text
    language sql stable
    return case when shown_name(p_key, null) = p_key then shown_name(p_tags ->> p_key, null) end;

create or replace function found_phone(p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_phone else masked_phone(p_phone) end;

create or replace function found_name(p_name text, p_phone text) returns text
    language sql stable
    return case when finds_phones() then p_name else masked_name(p_name, p_phone) end;

create or replace function shown_metadata(p_metadata jsonb, p_phone text) returns jsonb
    language sql stable
    return case
        when p_metadata is null or shows_phones() then p_metadata
        else masked_metadata(p_metadata, p_phone)
    end;

-- With the owner's rights: the reader may use the secret, in no other way.
create or replace function read_phone_secret() returns text
    language sql stable security definer
    set search_path = public, pg_temp
as $$
    select secret from phone_secret
$$;

-- With functions/access.sql, which takes it from all others.
grant execute on function read_phone_secret() to analytics_reader;

create or replace function phone_handle(p_secret text, p_client_id uuid, p_phone text) returns text
    language sql immutable parallel safe
    return 'p' || left(
        encode(sha256(convert_to(p_secret || p_client_id::text || p_phone, 'UTF8')), 'hex'), 32
    );

-- The phone of the calls without a conversation that a handle stands for, or one that nobody has where
-- there are none in the period; null without a handle.
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
            cross join (
                select phone
                from usage_conversation_rollup
                where
                    client_id = p_client_id
                    and conversation_id is null
                    and last_date >= p_first_date
                    and first_date <= p_last_date
                union all
                select phone
                from usage_pending
                where
                    client_id = p_client_id
                    and usage_date between p_first_date and p_last_date
                    and conversation_id is null
            ) as lone
            where phone_handle(secret, p_client_id, phone) = p_handle
            limit 1
        ),
        E'\x01'
    ) end
$$;
