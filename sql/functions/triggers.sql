-- What watches over the tables. A trigger that goes is dropped by a migration.


create or replace trigger check_client_timezone_on_insert
    before insert on clients
    for each row when (new.timezone <> 'UTC')
    execute function check_client_timezone();

create or replace trigger check_client_timezone_on_update
    before update of timezone on clients
    for each row when (new.timezone is distinct from old.timezone)
    execute function check_client_timezone();

create or replace trigger check_raw_since_on_insert
    before insert on clients
    for each row when (new.raw_since is not null or new.raw_since_at is not null)
    execute function check_raw_since();

create or replace trigger check_raw_since_on_update
    before update of raw_since, raw_since_at on clients
    for each row
    when (
        new.raw_since is distinct from old.raw_since or new.raw_since_at is distinct from old.raw_since_at
    )
    execute function check_raw_since();

create or replace trigger rebuild_client_usage
    after update of timezone on clients
    for each row when (old.timezone is distinct from new.timezone)
    execute function rebuild_client_usage();

create or replace trigger forget_usage_of_clients
    after delete on clients
    referencing old table as removed
    for each statement execute function forget_usage_of_clients();

create or replace trigger complete_usage_log
    before insert or update on usage_logs
    for each row
    when (
        new.client_id is null or new.id is null
        or new.source <> lower(btrim(new.source, E' \t\n\r\f\v\u00a0'))
        or new.prompt_tokens is null or new.completion_tokens is null or new.total_tokens is null
        or new.cost_usd is null or new.cost_basis is null or new.created_at is null
        or new.metadata ? 'bucket'
        -- Writers from before 022.
        or new.operation is null and new.cached_tokens is null and new.duration_seconds is null
        and new.metadata ?| array[
            'operation', 'service_tier', 'cached_tokens', 'cache_write_tokens', 'reasoning_tokens',
            'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens', 'prompt_image_tokens',
            'duration_seconds'
        ]
    )
    execute function complete_usage_log();

create or replace trigger keep_tags_of_moved_log
    before update on usage_logs
    for each row
    when (
        new.client_id is distinct from old.client_id
        and new.tag_set_id is not null and new.tag_set_id is not distinct from old.tag_set_id
    )
    execute function keep_tags_of_moved_log();

create or replace trigger record_inserted_usage
    after insert on usage_logs
    referencing new table as added
    for each statement execute function record_pending_usage();

create or replace trigger record_deleted_usage
    after delete on usage_logs
    referencing old table as removed
    for each statement execute function record_pending_usage();

create or replace trigger record_updated_usage
    after update on usage_logs
    referencing new table as added old table as removed
    for each statement execute function record_pending_usage();

create or replace trigger forget_all_usage
    before truncate on usage_logs
    for each statement execute function forget_all_usage();

create or replace trigger renew_price_list
    after insert or update or delete on model_prices
    for each statement execute function renew_price_list();

create or replace trigger renew_price_list_truncated
    after truncate on model_prices
    for each statement execute function renew_price_list();
