-- Conversations are read without looking at each row of their sums, and the calls of one without looking at
-- all the client's. "migrate" makes the indexes of this file beforehand, while everybody goes on writing.

drop function if exists conversation_days(uuid, uuid, text, date, date);
drop function if exists folded_conversation_usage(uuid, uuid, text, date, date);
drop function if exists get_conversation_calls(uuid, uuid, text, date, date, integer);
drop function if exists search_conversations(uuid, date, date, text, text, boolean, integer, integer);

-- A call is in one of these two. Without the client where the conversation is named: its id is as good.
create index if not exists usage_logs_conversation_id_created_at_idx
    on usage_logs (conversation_id, created_at) where conversation_id is not null;
create index if not exists usage_logs_client_id_phone_created_at_idx
    on usage_logs (client_id, phone, created_at) where conversation_id is null;

-- Ids that are made one after the other fill their pages, if no client stands before them.
create unique index if not exists usage_logs_id_client_id_key on usage_logs (id, client_id);

-- A day's conversations lie together, with all that they are ordered by: no row has to be looked at. The day
-- comes first, so that new ones fill the end of the index.
create unique index if not exists usage_conversation_daily_rollup_appended_key
    on usage_conversation_daily_rollup (usage_date, client_id, conversation_id, phone)
    include (total_tokens, cost_usd, request_count) nulls not distinct;

-- The first of a period are among the first of all times, or nearly. Under row-level security an index is
-- looked up by whole numbers, but not by numeric ones: millionths of a dollar, rounded up.
alter table usage_conversation_rollup add column if not exists cost_bound bigint
    generated always as (
        ceil(1000000 * greatest(least(cost_usd, 9000000000000), -9000000000000))::bigint
    ) stored;
create index if not exists usage_conversation_rollup_client_id_total_tokens_idx
    on usage_conversation_rollup (client_id, total_tokens);
create index if not exists usage_conversation_rollup_client_id_cost_bound_idx
    on usage_conversation_rollup (client_id, cost_bound);
drop index if exists usage_conversation_rollup_client_id_last_date_idx;

do $$
declare
    key record;
begin
    for key in
        select *
        from (
            values
            ('usage_logs', 'usage_logs_pkey', 'usage_logs_id_client_id_key', 'primary key'),
            (
                'usage_conversation_daily_rollup', 'usage_conversation_daily_rollup_key',
                'usage_conversation_daily_rollup_appended_key', 'unique'
            )
        ) as keys (table_name, old_name, name, kind)
        where
            not exists (
                select from pg_constraint where conrelid = table_name::regclass and conname = name
            )
            -- A table of somebody else's that refers to the key keeps it.
            and not exists (
                select from pg_constraint where contype = 'f' and confrelid = table_name::regclass
            )
    loop
        execute format(
            'alter table %1$I drop constraint %2$I, add constraint %3$I %4$s using index %3$I',
            key.table_name, key.old_name, key.name, key.kind
        );
    end loop;
end
$$;

-- One row per conversation, whatever phones its calls have beside its id: fold_usage() adds to that alone.
-- Its days may have further rows from before.
with taken as (
    delete from usage_conversation_rollup
    where conversation_id is not null and phone is not null
    returning *
)

insert into usage_conversation_rollup as kept (
    client_id, conversation_id, first_date, last_date,
    total_tokens, openai_tokens, groq_tokens, cost_usd, request_count, unpriced_count
)
select
    client_id, conversation_id,
    min(first_date) as first_date,
    max(last_date) as last_date,
    sum(total_tokens) as total_tokens,
    sum(openai_tokens) as openai_tokens,
    sum(groq_tokens) as groq_tokens,
    sum(cost_usd) as cost_usd,
    sum(request_count) as request_count,
    sum(unpriced_count) as unpriced_count
from taken
group by client_id, conversation_id
on conflict on constraint usage_conversation_rollup_key do update set
    first_date = least(kept.first_date, excluded.first_date),
    last_date = greatest(kept.last_date, excluded.last_date),
    total_tokens = kept.total_tokens + excluded.total_tokens,
    openai_tokens = kept.openai_tokens + excluded.openai_tokens,
    groq_tokens = kept.groq_tokens + excluded.groq_tokens,
    cost_usd = kept.cost_usd + excluded.cost_usd,
    request_count = kept.request_count + excluded.request_count,
    unpriced_count = kept.unpriced_count + excluded.unpriced_count;

-- What is read from indexes alone wants a vacuum soon after it was written.
alter table usage_conversation_daily_rollup set (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.005,
    autovacuum_vacuum_insert_threshold = 5000
);
