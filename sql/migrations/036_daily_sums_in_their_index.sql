-- What most questions ask of days lies in the index of their key: the rows themselves lie between those of
-- other clients, one to a page. Readers wait while the index is made, which is small as the table is.

do $$
begin
    if not exists (
        select
        from pg_constraint
        where
            conrelid = 'usage_daily_rollup'::regclass
            and conname = 'usage_daily_rollup_key'
            and pg_get_constraintdef(oid) like '%INCLUDE%'
    ) then
        alter table usage_daily_rollup
            drop constraint if exists usage_daily_rollup_key,
            add constraint usage_daily_rollup_key
                unique nulls not distinct (client_id, usage_date, source, model, operation, outcome)
                include (
                    prompt_tokens, completion_tokens, total_tokens, cost_usd, request_count, unpriced_count
                );
    end if;
end
$$;
