-- Calls are filtered by the basis of their cost, and by what they tell or have: see known_facts(). A page of
-- calls says what all of them come to.

do $$
begin
    if not exists (
        select from pg_attribute
        where
            attrelid = (select typrelid from pg_type where oid = 'usage_filter'::regtype) and attname = 'facts'
    ) then
        alter type usage_filter
            add attribute bases text[], add attribute excludes_bases boolean,
            add attribute facts text[], add attribute lacking text[];
    end if;
end
$$;

-- It takes the call as a whole.
drop function if exists call_passes(
    usage_filter, timestamptz, text, text, text, text, integer, uuid, text
);

-- They answer more columns.
drop function if exists get_calls(uuid, date, date, jsonb, timestamptz, uuid, boolean, integer);
drop function if exists find_calls(
    uuid, date, date, jsonb, timestamptz, uuid, boolean, integer, integer
);
