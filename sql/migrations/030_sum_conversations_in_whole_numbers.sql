-- Functions that have other arguments or columns since: "create or replace" cannot give them those.

drop function if exists conversation_totals(uuid, date, date, boolean, jsonb);
drop function if exists pending_conversation_days(uuid, date, date);
drop function if exists get_conversation_calls(uuid, uuid, text, date, date, integer, jsonb);
