-- What is known of a call beside its tokens has columns of its own, and the sums have it, too. A fact that is
-- not known is null; 0 is known to be none. Sums have null in place of 0, which takes no room.
--
-- *_tokens are tokens, *_count pieces or calls, *_usd US dollars, *_ms milliseconds.

-- Not where the guide's original is: adopt_original.sql makes its usage_logs this one.
do $$
begin
    if not exists (
        select from pg_attribute where attrelid = 'usage_logs'::regclass and attname = 'cost_basis'
    ) then
        return;
    end if;
    alter table usage_logs
        -- Who leaves it out means the sum of both parts: complete_usage_log() adds them.
        alter column total_tokens drop default,
        add column if not exists operation text,
        add column if not exists outcome text,
        add column if not exists service_tier text,
        add column if not exists cached_tokens bigint,
        add column if not exists cache_write_tokens bigint,
        add column if not exists cache_write_1h_tokens bigint,
        add column if not exists reasoning_tokens bigint,
        add column if not exists prompt_audio_tokens bigint,
        add column if not exists cached_audio_tokens bigint,
        add column if not exists completion_audio_tokens bigint,
        add column if not exists prompt_image_tokens bigint,
        add column if not exists cached_image_tokens bigint,
        add column if not exists completion_image_tokens bigint,
        add column if not exists character_count bigint,
        add column if not exists image_count bigint,
        add column if not exists web_search_count bigint,
        add column if not exists file_search_count bigint,
        add column if not exists code_run_count bigint,
        add column if not exists duration_seconds numeric,
        add column if not exists latency_ms integer,
        add column if not exists time_to_first_token_ms integer,
        -- What retries and fallbacks of one operation share, and which of them this one was.
        add column if not exists operation_id text,
        add column if not exists attempt integer,
        add column if not exists response_id text,
        add column if not exists account text,
        -- What the provider or a gateway says that the call cost; cost_usd is by the price lists.
        add column if not exists stated_cost_usd numeric,
        -- Of tag_sets; 0 where the client has too many sets: the tags are then in the metadata.
        add column if not exists tag_set_id integer;
    -- "not valid": no row has any of these yet, and looking at all would keep writers waiting.
    if not exists (select from pg_constraint where conname = 'usage_logs_outcome_is_known') then
        alter table usage_logs
            add constraint usage_logs_outcome_is_known
                check (outcome in ('ok', 'error', 'refused', 'cut')) not valid,
            add constraint usage_logs_facts_are_amounts check (
                least(
                    cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
                    prompt_audio_tokens, cached_audio_tokens, completion_audio_tokens, prompt_image_tokens,
                    cached_image_tokens, completion_image_tokens, character_count, image_count,
                    web_search_count, file_search_count, code_run_count, latency_ms, time_to_first_token_ms
                ) >= 0
                and greatest(
                    cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
                    prompt_audio_tokens, cached_audio_tokens, completion_audio_tokens, prompt_image_tokens,
                    cached_image_tokens, completion_image_tokens, character_count, image_count,
                    web_search_count, file_search_count, code_run_count
                ) <= 1000000000000
                and duration_seconds between 0 and 1000000000
                and stated_cost_usd >= 0 and stated_cost_usd < 'Infinity'
                and attempt >= 1
            ) not valid;
    end if;
end
$$;

-- Tags of calls, each set once; what a team groups by.
create table if not exists tag_sets (
    client_id uuid not null,
    id integer not null check (id > 0),
    tags jsonb not null,
    created_at timestamptz not null default now(),
    primary key (client_id, id),
    constraint tag_sets_tags_are_an_object check (jsonb_typeof(tags) = 'object')
);

-- A set may be larger than an entry of an index.
create unique index if not exists tag_sets_client_id_md5_key on tag_sets (client_id, md5(tags::text));

alter table usage_pending
    -- Of the client's clock, and the day of UTC; null in rows from before 022.
    add column if not exists hour smallint,
    add column if not exists utc_date date,
    add column if not exists operation text,
    add column if not exists outcome text,
    add column if not exists tag_set_id integer,
    -- One bucket of latency_bucket() for each call that was answered; negative where it was removed.
    add column if not exists latency_buckets smallint[];

-- One row per client, day, source, model, operation and outcome, from now on.
alter table usage_daily_rollup
    add column if not exists operation text,
    add column if not exists outcome text;

-- One row per client, hour of its clock, source and model. An hour of some zones has parts of two UTC days.
create table if not exists usage_hour_rollup (
    client_id uuid not null,
    usage_date date not null,
    hour smallint not null,
    utc_date date not null,
    source text not null,
    model text,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    total_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    constraint usage_hour_rollup_key
        unique nulls not distinct (client_id, usage_date, hour, utc_date, source, model)
);

-- One row per client, day, tag set, source, model, operation and outcome, of the calls that have tags.
create table if not exists usage_tag_rollup (
    client_id uuid not null,
    usage_date date not null,
    tag_set_id integer not null,
    source text not null,
    model text,
    operation text,
    outcome text,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    total_tokens bigint not null,
    cost_usd numeric not null,
    request_count bigint not null,
    unpriced_count bigint not null,
    constraint usage_tag_rollup_key
        unique nulls not distinct (client_id, usage_date, tag_set_id, source, model, operation, outcome)
);

-- One row per client, day, source and model: how many of the calls that were answered are in each bucket of
-- latency_bucket(). As arrays, because rows of a bucket each would take twenty times the room.
create table if not exists usage_latency_rollup (
    client_id uuid not null,
    usage_date date not null,
    source text not null,
    model text,
    buckets smallint[] not null,
    counts bigint[] not null,
    constraint usage_latency_rollup_key unique nulls not distinct (client_id, usage_date, source, model)
);

-- One row per client and day of which the facts are still in the metadata of calls from before, and the sums
-- have none: sum_days_anew() of functions/sums.sql brings them over. Empty from then on.
create table if not exists usage_days_to_sum (
    client_id uuid not null,
    usage_date date not null,
    primary key (client_id, usage_date)
);

do $$
declare
    meter record;
begin
    -- Each sum of the facts, in all that keeps sums of them.
    for meter in
        select rollup.name as rollup, column_name, column_type
        from
            unnest(array['usage_pending', 'usage_daily_rollup', 'usage_hour_rollup', 'usage_tag_rollup'])
            as rollup (name),
            unnest(
                array[
                    'estimated_count', 'zero_token_count', 'without_conversation_count',
                    'cached_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens',
                    'prompt_audio_tokens', 'cached_audio_tokens', 'completion_audio_tokens',
                    'prompt_image_tokens', 'cached_image_tokens', 'completion_image_tokens',
                    'character_count', 'image_count', 'web_search_count', 'file_search_count',
                    'code_run_count', 'stated_count',
                    'duration_seconds', 'stated_cost_usd', 'cost_of_stated_usd'
                ],
                array_fill('bigint'::text, array[19]) || array_fill('numeric'::text, array[3])
            ) as meter (column_name, column_type)
        -- Hours keep few; 027 takes the others from who has them.
        where
            rollup.name <> 'usage_hour_rollup'
            or column_name in ('cached_tokens', 'cache_write_tokens', 'reasoning_tokens', 'duration_seconds')
    loop
        execute format(
            'alter table %I add column if not exists %I %s', meter.rollup, meter.column_name,
            meter.column_type
        );
    end loop;

    if not exists (
        select from pg_constraint
        where conname = 'usage_daily_rollup_key' and pg_get_constraintdef(oid) like '%operation%'
    ) then
        alter table usage_daily_rollup
            drop constraint usage_daily_rollup_key,
            add constraint usage_daily_rollup_key
                unique nulls not distinct (client_id, usage_date, source, model, operation, outcome);
        insert into usage_days_to_sum (client_id, usage_date)
        select client_id, usage_date from usage_daily_rollup
        union
        select client_id, usage_date from usage_pending;
    end if;
end
$$;

call read_one_client_only('tag_sets', 'client_id');
call read_one_client_only('usage_hour_rollup', 'client_id');
call read_one_client_only('usage_tag_rollup', 'client_id');
call read_one_client_only('usage_latency_rollup', 'client_id');
call read_one_client_only('usage_days_to_sum', 'client_id');

grant select on
    tag_sets, usage_hour_rollup, usage_tag_rollup, usage_latency_rollup, usage_days_to_sum
    to analytics_reader;
