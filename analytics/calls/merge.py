"""Calls that come again: later and fuller replaces earlier and poorer, and less never replaces more.

For lines in the temporary table incoming_usage of store.py. Of all that is told of one call the fullest
decides: that which has usage, then the most tokens, seconds, characters, images, then a cost that was
corrected or that the application gave, then the most known parts of the usage, then whatever knows most. What
it does not know comes from the others. Id and time stay those of the first. A repeat that says nothing new
writes nothing.
"""

from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple
from uuid import UUID

from analytics.calls.row import BUCKET, COST_NOTHING, LINE_COLUMNS, NOT_UNDERSTOOD, USAGE_MISSING, Facts
from analytics.calls.twins import SEEN_BY
from analytics.pricing.price_list import DETAILS

if TYPE_CHECKING:
    import psycopg

FACTS: LiteralString = ", ".join(name for name in LINE_COLUMNS if name not in ("tags", "conversation_name"))
"""The columns of usage_logs that a line has."""

# Of the usage and its price: what another one says of them does not go with these.
_OWN_KEYS: LiteralString = ", ".join(
    f"'{key}'"
    for key in ("price", "usage", "tokens_estimated", USAGE_MISSING, NOT_UNDERSTOOD, SEEN_BY, BUCKET)
)
_OWN = ("prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "cost_basis", "source")
_PARTS = (*DETAILS, "duration_seconds")
_BUT_METADATA = tuple(
    name for name in FACTS.split(", ") if name not in ("id", "client_id", "created_at", "metadata")
)
_FILLED = ("model", "phone", *(name for name in Facts._fields if name != "latency_ms"))
_DECIDED = ("cost_usd", "cost_basis", "metadata")


def _first(column: str, condition: str = "") -> str:
    is_known = f"{column} is not null{condition}"
    return f"(array_agg({column} order by rank) filter (where {is_known}))[1] as {column}"


def _row(table: str) -> str:
    return f"row({', '.join(f'{table}.{name}' for name in _BUT_METADATA)})"


def _words(table: str) -> str:
    """The metadata without what we note there ourselves."""
    metadata = f"{table}.metadata"
    return f"case when jsonb_typeof({metadata}) = 'object' then {metadata} - '{SEEN_BY}' else {metadata} end"


# The calls among incoming_usage that are there already, or that come more than once. "offset 0", as one
# look-up for each line is fast however large the table is.
_REPEATED: LiteralString = """
    select coalesce(client_id, unassigned_client_id()) as client_id, id
    from incoming_usage
    group by 1, 2
    having count(*) > 1
    union
    select stored.client_id, stored.id
    from incoming_usage as incoming
    cross join lateral (
        select log.client_id, log.id
        from usage_logs as log
        where log.client_id = coalesce(incoming.client_id, unassigned_client_id()) and log.id = incoming.id
        offset 0
    ) as stored
"""
ARE_REPEATED: LiteralString = f"select exists ({_REPEATED})"
"""Whether there are calls among incoming_usage that are there already, or that come more than once."""

# Most repeats are a line that was sent before, word for word.
_FORGET_EQUAL: LiteralString = f"""
    delete from incoming_usage
    where
        ctid in (
            select incoming.ctid
            from incoming_usage as incoming
            cross join lateral (
                select log.tag_set_id
                from usage_logs as log
                where
                    log.client_id = coalesce(incoming.client_id, unassigned_client_id())
                    and log.id = incoming.id
                    and {_row("log")} is not distinct from {_row("incoming")}
                    and log.metadata is not distinct from incoming.metadata
                offset 0
            ) as stored
            left join tag_sets
                on tag_sets.client_id = coalesce(incoming.client_id, unassigned_client_id())
                and tag_sets.id = stored.tag_set_id
            where incoming.tags is not distinct from tag_sets.tags
        )
    returning id
"""  # noqa: S608 - names of this project

# What comes again of a person who was erased stays erased.
_FORGET_ERASED = """
    delete from incoming_usage
    where
        ctid in (
            select incoming.ctid
            from incoming_usage as incoming
            cross join lateral (
                select
                from usage_logs as log
                where
                    log.client_id = coalesce(incoming.client_id, unassigned_client_id())
                    and log.id = incoming.id
                    and log.metadata ? 'erased'
                offset 0
            ) as stored
        )
    returning id
"""

_MERGE: LiteralString = f"""
    with repeated as materialized ({_REPEATED}),

    stored as materialized (
        select log.*
        from (select client_id, id from repeated order by id, client_id) as repeated
        cross join lateral (
            select {FACTS}, tag_set_id
            from usage_logs
            where usage_logs.client_id = repeated.client_id and usage_logs.id = repeated.id
            offset 0
            for no key update
        ) as log
    ),

    taken as (
        delete from incoming_usage as incoming
        using repeated
        where
            incoming.id = repeated.id
            and coalesce(incoming.client_id, unassigned_client_id()) = repeated.client_id
        returning incoming.*, incoming.ctid as line
    ),

    told as (
        select
            {FACTS}, tag_set_id,
            coalesce(
                (
                    select tag_sets.tags
                    from tag_sets
                    where tag_sets.client_id = stored.client_id and tag_sets.id = stored.tag_set_id
                ),
                case when tag_set_id = 0 then metadata -> 'tags' end
            ) as tags,
            null::text as conversation_name, 0 as place,
            exists (
                select
                from cost_corrections as correction
                inner join cost_correction_items as item
                    on item.client_id = correction.client_id and item.correction_id = correction.id
                where correction.client_id = stored.client_id and item.usage_log_id = stored.id
            ) as is_corrected
        from stored
        union all
        select
            {FACTS.replace(" client_id,", " coalesce(client_id, unassigned_client_id()),")},
            tag_set_id, tags, conversation_name, row_number() over (order by line), false
        from taken
    ),

    weighed as (
        select
            *,
            -- Tags that were too many to keep apart are ours, and no metadata.
            case when jsonb_typeof(metadata) = 'object' then metadata else '{{}}' end
            - case when tag_set_id = 0 then 'tags' else '' end as known,
            -- As span_of() has it.
            total_tokens > 0
            or coalesce(greatest(duration_seconds, character_count, image_count), 0) > 0
            or (
                not coalesce(jsonb_typeof(metadata) = 'object' and metadata ? '{USAGE_MISSING}', false)
                and coalesce(outcome, '') not in {COST_NOTHING}
            ) as has_usage
        from told
    ),

    ranked as (
        select
            *,
            known ->> 'scope' as scope,
            row_number() over (
                partition by client_id, id
                order by
                    has_usage desc,
                    coalesce(known -> 'tokens_estimated' = 'true', false),
                    total_tokens desc,
                    coalesce(duration_seconds, 0) desc,
                    coalesce(character_count, 0) desc,
                    coalesce(image_count, 0) desc,
                    is_corrected desc,
                    -- Of a bucket that only costs are told of: the later report has more of the day.
                    case when known ? '{BUCKET}' then cost_usd else 0 end desc,
                    cost_basis in ('given', 'plan')
                    and known #>> '{{price,list}}' is distinct from 'stated' desc,
                    num_nonnulls({", ".join(_PARTS)}) desc,
                    case cost_basis when 'unpriced' then 0 when 'given' then 1 else 2 end desc,
                    num_nonnulls(service_tier, model) desc,
                    num_nonnulls(
                        {", ".join(Facts._fields)}, conversation_id, phone, tags
                    ) desc,
                    place
            ) as rank
        from weighed
    ),

    compared as (
        select
            *,
            first_value(has_usage) over of_call = has_usage as is_as_full,
            first_value(scope) over of_call as scope_of_fullest,
            first_value(prompt_tokens) over of_call = prompt_tokens
            and first_value(completion_tokens) over of_call = completion_tokens as is_same_usage
        from ranked
        window of_call as (partition by client_id, id order by rank)
    ),

    filled as (
        select
            client_id,
            id,
            min(place) = 0 as is_known,
            (array_agg(place order by rank))[1] > min(place) as is_replaced,
            (array_agg(created_at order by place))[1] as created_at,
            {", ".join(f"(array_agg({name} order by rank))[1] as {name}" for name in _OWN)},
            {", ".join(_first(name, " and is_same_usage") for name in _PARTS)},
            {", ".join(_first(name) for name in _FILLED)},
            -- Of another view's clock it would say when another span began.
            case
                when count(distinct scope) > 1
                    then (array_agg(latency_ms order by place) filter (where latency_ms is not null))[1]
                else (array_agg(latency_ms order by rank) filter (where latency_ms is not null))[1]
            end as latency_ms,
            {_first("conversation_id")},
            (array_agg(conversation_name order by rank) filter (where conversation_id is not null))[1]
                as conversation_name,
            min(tag_set_id) filter (where place = 0) as stored_tag_set_id,
            (array_agg(tags) filter (where place = 0))[1] as stored_tags,
            (array_agg(metadata order by rank))[1] as metadata,
            coalesce(
                jsonb_object_agg(
                    scope, concat_ws('-', known ->> 'trace_id', known ->> 'span_id') order by place desc
                ) filter (
                    where is_as_full and scope <> scope_of_fullest
                ),
                '{{}}'
            )
            || coalesce(
                (array_agg(known -> '{SEEN_BY}' order by place) filter (
                    where is_as_full and jsonb_typeof(known -> '{SEEN_BY}') = 'object'
                ))[1],
                '{{}}'
            )
            - coalesce(min(scope_of_fullest), '') as seen_by
        from compared
        group by client_id, id
    ),

    -- Of a key or a tag that several have, that of the fullest.
    labels as (
        select
            compared.client_id, compared.id, jsonb_object_agg(pair.key, pair.value order by rank desc) as tags
        from compared
        cross join lateral jsonb_each(compared.tags) as pair (key, value)
        group by compared.client_id, compared.id
    ),

    keys as (
        select
            compared.client_id, compared.id,
            jsonb_object_agg(pair.key, pair.value order by rank desc) as known
        from compared
        cross join lateral jsonb_each(compared.known) as pair (key, value)
        where pair.key <> '{SEEN_BY}' and (compared.rank = 1 or pair.key not in ({_OWN_KEYS}))
        group by compared.client_id, compared.id
    ),

    merged as materialized (
        select
            {", ".join(f"filled.{name}" for name in FACTS.split(", ") if name not in _DECIDED)},
            case when costs.are_stated then filled.stated_cost_usd else filled.cost_usd end as cost_usd,
            case when costs.are_stated then 'given' else filled.cost_basis end as cost_basis,
            case
                when jsonb_typeof(filled.metadata) <> 'object' then filled.metadata
                when ours.known <> '{{}}' then coalesce(keys.known, '{{}}') || ours.known
                else coalesce(keys.known, case when filled.metadata = '{{}}' then filled.metadata end)
            end as metadata,
            case when same.tags then filled.stored_tag_set_id end as tag_set_id,
            case when not same.tags then labels.tags end as tags,
            filled.conversation_name, filled.is_known, filled.is_replaced
        from filled
        left join keys on keys.client_id = filled.client_id and keys.id = filled.id
        left join labels on labels.client_id = filled.client_id and labels.id = filled.id
        cross join lateral (select labels.tags is not distinct from filled.stored_tags as tags) as same
        cross join lateral (
            -- The provider's word is the cost where no list has one.
            select filled.cost_basis = 'unpriced' and filled.stated_cost_usd is not null as are_stated
        ) as costs
        cross join lateral (
            select
                case
                    when filled.seen_by <> '{{}}' then jsonb_build_object('{SEEN_BY}', filled.seen_by)
                    else '{{}}'
                end
                || case
                    when same.tags and filled.stored_tag_set_id = 0
                        then jsonb_build_object('tags', filled.stored_tags)
                    else '{{}}'
                end
                || case
                    when costs.are_stated
                        then jsonb_build_object(
                            'price', coalesce(keys.known -> 'price', '{{}}') || '{{"list": "stated"}}'
                        )
                    else '{{}}'
                end as known
        ) as ours
    ),

    changed as materialized (
        select
            merged.*,
            not merged.is_known
            or {_row("merged")} is distinct from {_row("stored")}
            or merged.metadata is distinct from stored.metadata
            or merged.tags is not null as is_to_write,
            case
                when merged.is_known
                    then {_row("merged")} is distinct from {_row("stored")}
                    or {_words("merged")} is distinct from {_words("stored")}
                    or merged.tags is not null
                else merged.is_replaced
            end as is_updated
        from merged
        left join stored on stored.client_id = merged.client_id and stored.id = merged.id
    ),

    kept as (
        insert into incoming_usage ({FACTS}, tag_set_id, tags, conversation_name, is_known)
        select
            {FACTS.replace(" client_id,", " nullif(client_id, unassigned_client_id()),")},
            tag_set_id, tags, conversation_name, is_known
        from changed
        where is_to_write
    )

    select
        coalesce(array_agg(id) filter (where is_known), '{{}}'),
        coalesce(array_agg(id) filter (where is_updated), '{{}}')
    from changed
"""  # noqa: S608 - names of this project


class Merged(NamedTuple):
    """Calls that came again."""

    known: list[UUID]
    """Those that were in the database."""
    updated: list[UUID]
    """Those of which a later line says more than what was there, or than the lines before."""


def forget_equal(connection: "psycopg.Connection[Any]") -> list[UUID]:
    """Takes lines out of incoming_usage that say what is there already, word for word; their ids."""
    return [call_id for (call_id,) in connection.execute(_FORGET_EQUAL).fetchall()]


def forget_erased(connection: "psycopg.Connection[Any]") -> list[UUID]:
    """Takes lines out of incoming_usage whose call's person was erased since; their ids."""
    return [call_id for (call_id,) in connection.execute(_FORGET_ERASED).fetchall()]


def merge_repeated(connection: "psycopg.Connection[Any]") -> Merged:
    """Leaves one line in incoming_usage of each call that comes again, none where it says nothing new.

    The rows of calls that are there are locked, in the order of their ids.
    """
    with connection.pipeline():
        connection.execute("set local jit = off")  # compiling takes longer than running
        merged = connection.execute(_MERGE)
    found = merged.fetchone()
    assert found is not None
    return Merged._make(found)
