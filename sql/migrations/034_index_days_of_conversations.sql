-- The days of one conversation are found without asking for each day whether it has it.

create index if not exists usage_conversation_daily_rollup_conversation_id_idx
    on usage_conversation_daily_rollup (conversation_id, usage_date) where conversation_id is not null;
create index if not exists usage_conversation_daily_rollup_phone_idx
    on usage_conversation_daily_rollup (client_id, phone, usage_date) where conversation_id is null;
