-- For get_daily_usage_by_model(): most rows have neither cached tokens nor audio.
create index if not exists usage_hourly_rollup_parts_idx on usage_hourly_rollup (client_id, usage_date)
    where cached_tokens <> 0 or duration_seconds <> 0;
