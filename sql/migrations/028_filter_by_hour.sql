-- Calls are filtered by the hour of the client's clock and by the weekday, too: by those that are wanted (1
-- is Monday), in the client's time zone, which is null where neither is asked for.

do $$
begin
    if not exists (
        select from pg_attribute
        where
            attrelid = (select typrelid from pg_type where oid = 'usage_filter'::regtype)
            and attname = 'timezone'
    ) then
        alter type usage_filter
            add attribute hours smallint[], add attribute weekdays smallint[], add attribute timezone text;
    end if;
end
$$;

-- It takes the moment of a call, too.
drop function if exists call_passes(usage_filter, text, text, text, text, integer, uuid, text);
