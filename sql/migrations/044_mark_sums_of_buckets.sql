-- A row may be the sum of several requests: reports of providers tell no single ones. It is one call where
-- bucket_request_count is null, and counts as so many otherwise.

do $$
begin
    -- Not where the guide's original is: adopt_original.sql makes its usage_logs this one.
    if not exists (
        select from pg_attribute where attrelid = 'usage_logs'::regclass and attname = 'cost_basis'
    ) then
        return;
    end if;
    alter table usage_logs add column if not exists bucket_request_count bigint;
    -- "not valid": no row has it yet, and looking at all would keep writers waiting.
    if not exists (select from pg_constraint where conname = 'usage_logs_buckets_have_requests') then
        alter table usage_logs
            add constraint usage_logs_buckets_have_requests
                check (bucket_request_count between 1 and 1000000000000) not valid;
    end if;
end
$$;

-- They answer a further column.
drop function if exists get_calls(uuid, date, date, jsonb, timestamptz, uuid, boolean, integer);
drop function if exists calls_with_ids(uuid, uuid[]);
drop function if exists get_named_calls_since(uuid, timestamptz, integer, jsonb);
drop function if exists get_calls_since(uuid, timestamptz, integer, jsonb);
drop function if exists get_conversation_calls(uuid, uuid, text, date, date, integer, jsonb);
