-- Calls are filtered by whether their operation was tried more than once, and whether another attempt
-- replaced them. Which operations these are is read from the attempts after the first, which are few.

create index if not exists usage_logs_retried_idx
    on usage_logs (client_id, created_at) include (operation_id, attempt)
    where attempt > 1 and operation_id is not null;

do $$
begin
    if not exists (
        select from pg_attribute
        where
            attrelid = (select typrelid from pg_type where oid = 'usage_filter'::regtype)
            and attname = 'last_attempts'
    ) then
        alter type usage_filter add attribute last_attempts jsonb;
    end if;
end
$$;

-- It takes which operations were tried again; those before it ask it, and are made again with it.
drop function if exists call_passes(usage_filter, usage_logs);
drop function if exists facts_pass(usage_filter, usage_logs);
drop function if exists facts_of_call(usage_logs);
