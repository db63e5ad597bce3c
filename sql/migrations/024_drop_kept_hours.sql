-- Hours are sums like all others since 022. What kept them when somebody looked goes.

drop trigger if exists forget_hourly_days_inserted on usage_daily_rollup;
drop trigger if exists forget_hourly_days_updated on usage_daily_rollup;
drop trigger if exists forget_hourly_days_deleted on usage_daily_rollup;
drop trigger if exists forget_hourly_days_truncated on usage_daily_rollup;
drop trigger if exists forget_hours_of_clients on clients;
drop function if exists forget_hourly_days();
drop function if exists forget_hours_of_clients();
drop function if exists keep_hourly_usage(uuid, date, date, integer);
drop function if exists usage_hourly_between(uuid, date, date);
drop function if exists summed_hours(uuid, text, date);
drop table if exists usage_hourly_rollup;
drop table if exists usage_hourly_days;
