-- Conversations are found by what of them is seen (see functions/phones.sql). A name without its accents is
-- taken for the name, and neither a superuser nor an extension is needed for that, nor a collation of the
-- server's: `unaccent` and ICU are not everywhere.


-- The text as a search compares it, on both sides: without case, accents and marks (composed or not), with
-- ligatures and full-width letters taken apart, and letters that Unicode does not decompose as people type
-- them (a sharp s as ss, a stroked o as o, a dotless i as i). analytics.formatting.folded() does the same
-- in Python. Only Unicode can be taken apart: in a database of another encoding case is all that goes. Some
-- 0.01 ms for a name that is not ASCII.
create or replace function folded(p_text text) returns text
    -- Without a search_path of its own, which would take as long as the work: search_conversations() sets
    -- one.
    language plpgsql immutable strict parallel safe
as $$
declare
    folded text;
begin
    if octet_length(p_text) = length(p_text) or getdatabaseencoding() <> 'UTF8' then
        return lower(p_text);
    end if;
    folded := regexp_replace(
        lower(normalize(p_text, nfkd)),
        -- Marks of Latin, Greek and Cyrillic; Hebrew points; Arabic signs; what has no width.
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
            || '\u0610-\u061a\u0640\u064b-\u065f\u0670'
            || '\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]',
        '', 'g'
    );
    if octet_length(folded) = length(folded) then
        return folded;
    end if;
    -- Looked for first, as translate() is slow. Some servers' lower() knows only ASCII, hence the capitals.
    if folded ~ '[\u0391-\u03a9\u0402-\u042f\u0531-\u0556]' then
        folded := translate(
            folded,
            U&'\0391\0392\0393\0394\0395\0396\0397\0398\0399\039a\039b\039c\039d\039e\039f\03a0'
            || U&'\03a1\03a3\03a4\03a5\03a6\03a7\03a8\03a9\0410\0411\0412\0413\0414\0415\0416\0417'
            || U&'\0418\041a\041b\041c\041d\041e\041f\0420\0421\0422\0423\0424\0425\0426\0427\0428'
            || U&'\0429\042a\042b\042c\042d\042e\042f\0402\0404\0405\0406\0408\0409\040a\040b\040f'
            || U&'\0531\0532\0533\0534\0535\0536\0537\0538\0539\053a\053b\053c\053d\053e\053f\0540'
            || U&'\0541\0542\0543\0544\0545\0546\0547\0548\0549\054a\054b\054c\054d\054e\054f\0550'
            || U&'\0551\0552\0553\0554\0555\0556',
            U&'\03b1\03b2\03b3\03b4\03b5\03b6\03b7\03b8\03b9\03ba\03bb\03bc\03bd\03be\03bf\03c0'
            || U&'\03c1\03c3\03c4\03c5\03c6\03c7\03c8\03c9\0430\0431\0432\0433\0434\0435\0436\0437'
            || U&'\0438\043a\043b\043c\043d\043e\043f\0440\0441\0442\0443\0444\0445\0446\0447\0448'
            || U&'\0449\044a\044b\044c\044d\044e\044f\0452\0454\0455\0456\0458\0459\045a\045b\045f'
            || U&'\0561\0562\0563\0564\0565\0566\0567\0568\0569\056a\056b\056c\056d\056e\056f\0570'
            || U&'\0571\0572\0573\0574\0575\0576\0577\0578\0579\057a\057b\057c\057d\057e\057f\0580'
            || U&'\0581\0582\0583\0584\0585\0586'
        );
    end if;
    if folded ~ ('[\u00f8\u0142\u0111\u00f0\u0127\u0167\u014b\u0138\u0131\u03c2\u2019\u2018\u2010\u2011\u2013'
        || '\u2014\u1e9e\u00c6\u0152\u00de\u00d8\u0141\u0110\u00d0\u0126\u0166\u014a\u00df\u00e6\u0153'
        || '\u00fe]')
    then
        folded := translate(
            folded,
            U&'\00f8\0142\0111\00f0\0127\0167\014b\0138\0131\03c2\2019\2018\2010\2011\2013\2014'
            || U&'\1e9e\00c6\0152\00de\00d8\0141\0110\00d0\0126\0166\014a',
            U&'olddhtnki\03c3''''----'
            || U&'\00df\00e6\0153\00feolddhtn'
        );
        folded := replace(replace(folded, U&'\00df', 'ss'), U&'\00e6', 'ae');
        folded := replace(replace(folded, U&'\0153', 'oe'), U&'\00fe', 'th');
    end if;
    return folded;
end
$$;

-- What an id is at least, or at most, that begins with the text; null where none does.
create or replace function id_from(p_text text, p_filling text) returns uuid
    language sql immutable parallel safe
    return case
        when
            p_text <> ''
            and starts_with(
                '00000000-0000-0000-0000-000000000000', regexp_replace(p_text, '[1-9a-f]', '0', 'g')
            )
            then (
                p_text || right(
                    translate('00000000-0000-0000-0000-000000000000', '0', p_filling), 36 - length(p_text)
                )
            )::uuid
    end;

-- The conversations of the client, used or not, whose name or phone has what is sought, or whose id begins
-- with it; and the phones without a conversation that have it, or that the handle stands for. p_sought is
-- folded(); names and phones are looked for as whoever asks may see them.
create or replace function matching_conversations(p_client_id uuid, p_sought text, p_handle text)
    returns table (id uuid, lone_phone text)
    language plpgsql stable
    rows 100
as $$
declare
    v_whole constant boolean := finds_phones();
    -- However the digits are set apart: "+55 11 98765-4321" finds 5511987654321.
    v_digits constant text := case
        when p_sought ~ '^[-0-9 ().+]*[0-9]{2}[-0-9 ().+]*$' then regexp_replace(p_sought, '[^0-9]', '', 'g')
    end;
    -- A masked phone is dots, a blank and four signs; what has neither dots nor digits is not of it.
    v_can_end_phone constant boolean :=
        left(p_sought, greatest(length(p_sought) - 4, 0)) ~ '^[• ]*$' or length(v_digits) <= 4;
    v_is_of_letters constant boolean := p_sought ~ '[^ ]' and p_sought !~ '[0-9•]';
    v_first_id constant uuid := id_from(p_sought, '0');
    v_last_id constant uuid := id_from(p_sought, 'f');
begin
    return query
    -- folded() is called only for what is not ASCII. "offset 0" has each text made once.
    with known as (
        select
            conversation.id, conversation.name, conversation.phone,
            case
                when octet_length(conversation.name) = length(conversation.name)
                    then lower(conversation.name collate "C")
                else folded(conversation.name)
            end as folded_name,
            case
                when v_whole then conversation.phone
                when v_can_end_phone then masked_phone(conversation.phone)
            end as shown_phone
        from conversations as conversation
        where conversation.client_id = p_client_id
        offset 0
    )

    select known.id, null::text
    from known
    where
        (
            -- Masked texts are made only where they may have it: where the name has it, or where masking
            -- changes more than it leaves.
            case
                when v_whole then strpos(known.folded_name, p_sought) > 0
                when
                    strpos(known.folded_name, p_sought) = 0
                    and (
                        v_is_of_letters
                        or ascii(known.name) between 65 and 122
                        and octet_length(known.name) - octet_length(translate(known.name, '0123456789', ''))
                        < 7
                        and (
                            known.phone is null or length(known.phone) < 4
                            or strpos(known.name, known.phone) = 0
                        )
                    )
                    then false
                else strpos(folded(masked_name(known.name, known.phone)), p_sought) > 0
            end
            or strpos(
                case
                    when octet_length(known.shown_phone) = length(known.shown_phone)
                        then lower(known.shown_phone collate "C")
                    else folded(known.shown_phone)
                end,
                p_sought
            ) > 0
            or v_digits is not null
                and strpos(regexp_replace(known.shown_phone, '[^0-9]', '', 'g'), v_digits) > 0
        )
        and (v_first_id is null or known.id not between v_first_id and v_last_id)
    union all
    (
        select conversation_id, null
        from usage_conversation_rollup
        where client_id = p_client_id and conversation_id between v_first_id and v_last_id
        union
        select conversation_id, null
        from usage_pending
        where client_id = p_client_id and conversation_id between v_first_id and v_last_id
        union
        select conversation.id, null
        from conversations as conversation
        where conversation.client_id = p_client_id and conversation.id between v_first_id and v_last_id
    )
    union all
    select null, lone.phone
    from (
        select logged.phone, case when v_whole then logged.phone else masked_phone(logged.phone) end as found
        from (
            select phone
            from usage_conversation_rollup
            where client_id = p_client_id and conversation_id is null and phone is not null
            union
            select phone
            from usage_pending
            where client_id = p_client_id and conversation_id is null and phone is not null
        ) as logged
        where not exists (
            select
            from conversations as conversation
            where conversation.client_id = p_client_id and conversation.phone = logged.phone
        )
        offset 0
    ) as lone
    where
        strpos(folded(lone.found), p_sought) > 0
        or v_digits is not null and strpos(regexp_replace(lone.found, '[^0-9]', '', 'g'), v_digits) > 0
        or p_handle is not null and phone_handle(read_phone_secret(), p_client_id, lone.phone) = p_handle;
end
$$;

-- One row per conversation with use in the period that fits the search and passes the filters, a page of them
-- in the order asked for. matched_count says how many there are in all. p_search is a part of the name or the
-- phone, or what the id begins with, as folded() takes them (no sign in it stands for others), or a handle;
-- p_sort one of tokens, cost, requests, name, last. Names and phones are looked for and sorted by as whoever
-- asks may see them: who may not see a phone cannot find out whether it is there, either.
create or replace function search_conversations(
    p_client_id uuid, p_first_date date, p_last_date date, p_search text default '',
    p_sort text default 'tokens',
    p_descending boolean default true, p_limit integer default 50, p_offset integer default 0,
    p_filters jsonb default '[]'
)
    returns table (
        conversation_id uuid, phone text, conversation_name text, first_date date, last_date date,
        total_tokens bigint, openai_tokens bigint, groq_tokens bigint, other_tokens bigint,
        total_cost numeric,
        request_count bigint, unpriced_count bigint, matched_count bigint
    )
    language plpgsql stable
    set search_path = public, pg_temp
    set jit = off
    set plan_cache_mode = force_custom_plan
    set work_mem = '32MB'
as $$
#variable_conflict use_column
declare
    -- As many are counted one by one; of more it is faster to count all of the period.
    v_few constant integer := 200;
    -- A lone accent folds to nothing, which would be in every name.
    v_sought constant text := coalesce(nullif(folded(p_search), ''), lower(p_search), '');
    v_whole constant boolean := finds_phones();
    v_found uuid[];
    v_found_phones text[];
    v_is_few boolean := false;
    v_has_phones boolean;
    -- What the filters name of conversations, and what else they say.
    v_filter usage_filter;
    v_filters jsonb := p_filters;
    v_within constant jsonb := filters_within_conversations(
        p_client_id, p_filters, p_first_date, p_last_date
    );
    v_ids uuid[];
    v_lone_phones text[];
    v_count bigint;
begin
    if p_sort is null or p_sort not in ('tokens', 'cost', 'requests', 'name', 'last') then
        raise exception 'sort must be tokens, cost, requests, name or last, not %', coalesce(p_sort, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if p_limit is null or p_limit not between 1 and 1000 or p_offset is null or p_offset < 0 then
        raise exception 'a page has 1 to 1000 conversations and begins at 0 or later'
            using errcode = 'invalid_parameter_value';
    end if;

    if v_sought <> '' then
        select array_agg(id), array_agg(lone_phone) into v_found, v_found_phones
        from matching_conversations(
            p_client_id, v_sought, case when p_search ~ '^p[0-9a-f]{32}$' then p_search end
        );
        if v_found is null then
            return;
        end if;
        v_is_few := cardinality(v_found) <= v_few and other_filters(p_filters) = p_filters;
    elsif v_within <> p_filters and p_filters @> '[{"name": "conversation", "excluded": false}]' then
        v_filter := usage_filter_of(p_client_id, p_filters, p_first_date, p_last_date);
        select array_agg(id), array_agg(lone_phone) into v_found, v_found_phones
        from (
            select id, null::text from unnest(v_filter.conversation_ids) as wanted (id)
            union
            select null, phone
            from unnest(v_filter.phones) as wanted (phone)
            where not exists (
                select
                from conversations as known
                where known.client_id = p_client_id and known.phone = wanted.phone
            )
            union
            select null, null where v_filter.takes_lone
        ) as named (id, lone_phone);
        if v_found is null then
            return;
        end if;
        v_is_few := cardinality(v_found) <= v_few;
        if v_is_few then
            v_filters := v_within;
        end if;
    end if;
    v_has_phones := has_lone_calls(p_client_id);

    if p_sort = 'name' and v_sought = '' and v_filters = '[]' and not v_has_phones then
        select ids, matched_count, array_fill(null::text, array[cardinality(ids)])
        into v_ids, v_count, v_lone_phones
        from conversations_by_name(
            p_client_id, p_first_date, p_last_date, p_descending, p_limit, p_offset
        );
    end if;

    if v_ids is null then
        with totals as materialized (
            select
                used.id, used.lone_phone, used.total_tokens,
                case p_sort
                    when 'tokens' then used.total_tokens
                    when 'requests' then used.request_count
                    when 'last' then used.last_date - date '2000-01-01'
                end as amount,
                case when p_sort = 'cost' then used.cost_usd end as cost_usd,
                case when p_sort = 'name' then
                    lower(coalesce(
                        case when v_whole then known.name else masked_name(known.name, known.phone) end,
                        case
                            when v_whole then coalesce(known.phone, used.lone_phone)
                            else masked_phone(coalesce(known.phone, used.lone_phone))
                        end
                    ))
                end as name
            from (
                select id, lone_phone, total_tokens, cost_usd, request_count, last_date
                from conversation_totals(
                    p_client_id, p_first_date, p_last_date, v_has_phones, v_filters
                )
                where
                    not v_is_few
                    and (
                        v_sought = ''
                        or id in (select unnest(v_found))
                        or lone_phone in (select unnest(v_found_phones))
                    )
                union all
                select id, lone_phone, total_tokens::bigint, cost_usd, request_count::bigint, last_date
                from usage_of_conversations(
                    p_client_id, v_found, v_found_phones, p_first_date, p_last_date, v_filters
                )
                where v_is_few
            ) as used
            left join (
                -- "offset 0": of many, names are read at once, not looked up one by one.
                select id, phone, name
                from conversations
                where p_sort = 'name' and client_id = p_client_id
                offset 0
            ) as known on known.id = used.id
        ),

        page as (
            select id, lone_phone
            from totals
            order by
                -- One of them is an amount, a cost or a name; the others are null for all.
                case when p_descending then amount end desc nulls last,
                case when not p_descending then amount end,
                case when p_descending then cost_usd end desc nulls last,
                case when not p_descending then cost_usd end,
                case when p_descending then name end desc nulls last,
                case when not p_descending then name end nulls last,
                total_tokens desc, id nulls last,
                case when id is null then found_phone(lone_phone) end nulls last,
                case when id is null then md5(lone_phone) end
            limit p_limit
            offset p_offset
        )

        select array_agg(id), array_agg(lone_phone), (select count(*) from totals)
        into v_ids, v_lone_phones, v_count
        from page;
    end if;

    return query
    select
        id, phone, name, first_date, last_date, total_tokens::bigint, openai_tokens::bigint,
        groq_tokens::bigint, (total_tokens - openai_tokens - groq_tokens)::bigint, cost_usd,
        request_count::bigint, unpriced_count::bigint, v_count
    from usage_of_conversations(
        p_client_id, v_ids, v_lone_phones, p_first_date, p_last_date, v_within
    );
end
$$;

-- The row that search_conversations() has of one conversation: by its id, by a phone that belongs to none, or
-- that of the calls with neither.
create or replace function get_conversation(
    p_client_id uuid, p_conversation_id uuid, p_phone text, p_first_date date, p_last_date date,
    p_filters jsonb default '[]'
)
    returns table (
        conversation_id uuid, phone text, conversation_name text, first_date date, last_date date,
        total_tokens bigint, openai_tokens bigint, groq_tokens bigint, other_tokens bigint,
        total_cost numeric,
        request_count bigint, unpriced_count bigint, matched_count bigint
    )
    language sql stable
    set search_path = public, pg_temp
as $$
    select
        id, phone, name, first_date, last_date, total_tokens::bigint, openai_tokens::bigint,
        groq_tokens::bigint, (total_tokens - openai_tokens - groq_tokens)::bigint, cost_usd,
        request_count::bigint, unpriced_count::bigint, 1::bigint
    from usage_of_conversations(
        p_client_id, array[p_conversation_id], array[p_phone], p_first_date, p_last_date,
        other_filters(p_filters)
    )
    where
        p_conversation_id is not null
        or not exists (
            select
            from conversations
            where conversations.client_id = p_client_id and conversations.phone = p_phone
        )
$$;
