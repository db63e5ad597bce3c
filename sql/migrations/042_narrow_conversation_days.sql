-- Few days are read since there are weeks, and a day's rows lie together in the table: their amounts need not
-- be in the index of the key, too, where each fold would write them a second time.

create unique index if not exists usage_conversation_daily_rollup_narrow_key
    on usage_conversation_daily_rollup (usage_date, client_id, conversation_id, phone) nulls not distinct;

do $$
begin
    if exists (
        select
        from pg_constraint
        where
            conrelid = 'usage_conversation_daily_rollup'::regclass
            and conname = 'usage_conversation_daily_rollup_appended_key'
            and pg_get_constraintdef(oid) like '%INCLUDE%'
    ) then
        -- The index takes the name of the constraint.
        alter table usage_conversation_daily_rollup
            drop constraint usage_conversation_daily_rollup_appended_key,
            add constraint usage_conversation_daily_rollup_appended_key
                unique using index usage_conversation_daily_rollup_narrow_key;
    else
        drop index usage_conversation_daily_rollup_narrow_key;
    end if;
end
$$;
