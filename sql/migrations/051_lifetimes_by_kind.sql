-- What a conversation had in its lifetime is also kept by provider, model, operation and outcome, as bounds:
-- so that the first ones under a filter of these are found without reading all calls.

drop function if exists kinds_of_conversations(uuid, usage_filter, date, date, uuid[], numeric, boolean);

-- Kinds of a client's calls have numbers from 2 on. Number 1 is of calls whose kind has none, and of those
-- that were gone when it was summed.
create table if not exists usage_kinds (
    client_id uuid not null,
    number smallint not null,
    source text not null,
    model text,
    operation text,
    outcome text,
    constraint usage_kinds_key unique nulls not distinct (client_id, source, model, operation, outcome)
);

call read_one_client_only('usage_kinds', 'client_id');

grant select on usage_kinds to analytics_reader;

-- Of kind n its tokens, at 2n - 1, and what it cost, at 2n, in billionths of a dollar, rounded up: with what
-- is under number 1 never less than its calls have. Null where that is not known, and of phones alone: of
-- conversations from before, sum_lifetimes_by_kind() makes it while everybody goes on.
alter table usage_conversation_rollup add column if not exists kind_amounts bigint[];

insert into usage_kinds (client_id, number, source, model, operation, outcome)
select client_id, number, source, model, operation, outcome
from (
    select
        client_id, source, model, operation, outcome,
        1 + row_number() over (partition by client_id order by sum(total_tokens) desc) as number
    from usage_daily_rollup
    group by client_id, source, model, operation, outcome
) as kinds
where number <= 200
on conflict do nothing;
