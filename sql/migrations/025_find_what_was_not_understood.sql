-- Functions that answer more columns are made anew; and an index for what Data health counts.

drop function if exists get_conversation_calls(uuid, uuid, text, date, date, integer);
drop function if exists get_named_calls_since(uuid, timestamptz, integer);
drop function if exists get_calls_since(uuid, timestamptz, integer);

-- Calls whose usage object had something that was not understood: few, and none in rows from before 022.
create index if not exists usage_logs_not_understood_idx
    on usage_logs (client_id, created_at desc)
    where metadata ? 'usage_not_understood';
