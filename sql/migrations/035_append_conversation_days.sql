-- What 026 made at first began with the client: each client's days were put between those of others, and half
-- of each page of the index stayed empty.

create unique index if not exists usage_conversation_daily_rollup_appended_key
    on usage_conversation_daily_rollup (usage_date, client_id, conversation_id, phone)
    include (total_tokens, cost_usd, request_count) nulls not distinct;

do $$
begin
    if not exists (
        select
        from pg_constraint
        where
            conrelid = 'usage_conversation_daily_rollup'::regclass
            and conname = 'usage_conversation_daily_rollup_appended_key'
    ) then
        alter table usage_conversation_daily_rollup
            drop constraint if exists usage_conversation_daily_rollup_by_day_key,
            drop constraint if exists usage_conversation_daily_rollup_key,
            add constraint usage_conversation_daily_rollup_appended_key
                unique using index usage_conversation_daily_rollup_appended_key;
    end if;
end
$$;
