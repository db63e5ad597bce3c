-- What is stated of a call whose cost is unknown is in no sum any more: days that may have some are added up
-- anew.

do $$
begin
    if to_regclass('usage_daily_rollup') is null or to_regclass('usage_days_to_sum') is null then
        return;
    end if;
    insert into usage_days_to_sum (client_id, usage_date)
    select client_id, usage_date
    from usage_daily_rollup
    where stated_count > 0 and unpriced_count > 0
    union
    select client_id, usage_date
    from usage_pending
    where stated_count > 0 and unpriced_count > 0
    on conflict do nothing;
end
$$;
