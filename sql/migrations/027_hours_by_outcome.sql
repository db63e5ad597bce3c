-- Hours are summed by operation and outcome, too; how long calls took until their first token; and what
-- speed, retries and the cache's share are computed from. Functions that take filters are made anew.

drop view if exists usage_hourly;
drop view if exists usage_latency_daily;

alter table usage_hour_rollup
    add column if not exists operation text,
    add column if not exists outcome text,
    -- Days have these; nobody asks for them by the hour.
    drop column if exists estimated_count,
    drop column if exists zero_token_count,
    drop column if exists without_conversation_count,
    drop column if exists cache_write_1h_tokens,
    drop column if exists prompt_audio_tokens,
    drop column if exists cached_audio_tokens,
    drop column if exists completion_audio_tokens,
    drop column if exists prompt_image_tokens,
    drop column if exists cached_image_tokens,
    drop column if exists completion_image_tokens,
    drop column if exists character_count,
    drop column if exists image_count,
    drop column if exists web_search_count,
    drop column if exists file_search_count,
    drop column if exists code_run_count,
    drop column if exists stated_count,
    drop column if exists stated_cost_usd,
    drop column if exists cost_of_stated_usd;

alter table usage_latency_rollup
    -- The same of the times to the first token; null where no call tells it.
    add column if not exists first_token_buckets smallint[],
    add column if not exists first_token_counts bigint[];

alter table usage_pending add column if not exists first_token_buckets smallint[];

do $$
declare
    meter record;
begin
    for meter in
        select rollup.name as rollup, column_name, column_type
        from
            unnest(array['usage_pending', 'usage_daily_rollup', 'usage_tag_rollup']) as rollup (name),
            unnest(
                array[
                    'latency_ms', 'timed_count', 'timed_completion_tokens', 'first_token_ms',
                    'first_token_count', 'retry_count', 'reported_cache_prompt_tokens', 'retry_cost_usd'
                ],
                array_fill('bigint'::text, array[7]) || 'numeric'::text
            ) as meter (column_name, column_type)
    loop
        execute format(
            'alter table %I add column if not exists %I %s', meter.rollup, meter.column_name,
            meter.column_type
        );
    end loop;

    if not exists (
        select from pg_constraint
        where conname = 'usage_hour_rollup_key' and pg_get_constraintdef(oid) like '%operation%'
    ) then
        alter table usage_hour_rollup
            drop constraint usage_hour_rollup_key,
            add constraint usage_hour_rollup_key unique nulls not distinct (
                client_id, usage_date, hour, utc_date, source, model, operation, outcome
            );
        insert into usage_days_to_sum (client_id, usage_date)
        select client_id, usage_date from usage_daily_rollup
        union
        select client_id, usage_date from usage_pending
        on conflict do nothing;
    end if;

    -- Which calls count: what usage_filter_of() makes of filters, for call_passes().
    if to_regtype('usage_filter') is null then
        create type usage_filter as (
            providers text[], excludes_providers boolean,
            models text[], excludes_models boolean,
            operations text[], excludes_operations boolean,
            outcomes text[], excludes_outcomes boolean,
            tag_set_ids integer[], takes_untagged boolean,
            conversation_ids uuid[], phones text[], takes_lone boolean, excludes_conversations boolean
        );
    end if;
end
$$;

-- Their answers have other columns, or they take filters now.
drop function if exists model_usage_between(uuid, date, date);
drop function if exists get_daily_usage_by_model(uuid, date, date);
drop function if exists get_call_sums(uuid, date, date);
drop function if exists get_usage_facts(uuid, date, date);
drop function if exists get_latency(uuid, date, date);
drop function if exists get_usage_by_tag(uuid, text, date, date);
drop function if exists get_tag_keys(uuid, date, date);
drop function if exists get_usage_over_time(uuid, date, date, text);
drop function if exists get_usage_comparison(uuid, date, date, date, date, timestamptz);
drop function if exists usage_of_part(uuid, date, timestamptz);
drop function if exists get_calls_since(uuid, timestamptz, integer);
drop function if exists get_named_calls_since(uuid, timestamptz, integer);
drop function if exists get_usage_by_minute(uuid, timestamptz, timestamptz);
