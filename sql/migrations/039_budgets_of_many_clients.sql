-- They take many clients at once.
drop function if exists usage_between(uuid, jsonb, timestamptz, timestamptz, text);
drop function if exists usage_by_day(uuid, jsonb, text, date, date, text);
drop function if exists usage_by_day(uuid, jsonb, text, date, date, text, date[]);
