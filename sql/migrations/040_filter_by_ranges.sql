-- Calls are filtered by a span of time in which they were made, from its first moment until before its last
-- one, and by how many milliseconds the answer, or its first token, took.

do $$
begin
    if not exists (
        select from pg_attribute
        where
            attrelid = (select typrelid from pg_type where oid = 'usage_filter'::regtype)
            and attname = 'made_at'
    ) then
        alter type usage_filter
            add attribute made_at tstzrange, add attribute latency int4range,
            add attribute first_token int4range;
    end if;
end
$$;
