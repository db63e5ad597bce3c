-- Locks all tables and views that there are, at once: what follows in the same transaction may then be at
-- them in any order, and no writer waits for it in a circle. usage_logs is the first: writers begin there, so
-- those who wait for it hold nothing else, and those who are past it come to their end.

do $$
declare
    standing constant regclass[] := array(
        select oid
        from pg_class
        where
            relnamespace = 'public'::regnamespace
            and relname in (
                'alert_checks', 'alert_deliveries', 'alert_events', 'alert_mutes', 'api_keys', 'budget_versions',
                'budgets', 'clients', 'conversations', 'cost_correction_items', 'cost_corrections',
                'dropped_calls', 'erasures', 'members', 'model_prices', 'phone_secret', 'price_list',
                'retention_rules', 'retention_runs', 'tag_sets', 'usage_conversation',
                'usage_conversation_daily', 'usage_conversation_daily_rollup',
                'usage_conversation_kind_rollup', 'usage_conversation_rollup', 'usage_conversation_weekly_rollup',
                'usage_daily', 'usage_daily_rollup', 'usage_days_to_sum', 'usage_facts_daily',
                'usage_hour_rollup', 'usage_hourly', 'usage_hourly_days', 'usage_hourly_rollup', 'usage_kinds',
                'usage_latency_daily', 'usage_latency_rollup', 'usage_logs', 'usage_pending',
                'usage_tag_rollup', 'usage_tagged_daily'
            )
        order by relname <> 'usage_logs', relname
    );
begin
    if standing <> '{}' then
        call lock_in_bites(standing);
    end if;
end
$$;
