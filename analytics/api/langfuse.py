"""What Langfuse's SDKs send in one request: read, described, and answered event by event."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import HTTPException

from analytics import bounded_json
from analytics.api.calls import Described, owned
from analytics.api.models import MAX_RECORDS
from analytics.api.service import RecordResult
from analytics.calls.row import MAX_TEXT
from analytics.tracking import passed_over
from analytics.tracking.langfuse import NO_CALL, Generations
from analytics.tracking.spans import PassedOver


class Ingested(NamedTuple):
    """The events of a request."""

    event_ids: list[str]
    malformed: dict[str, str]
    """Event -> what is wrong with it."""
    calls: list[Described]
    of_call: list[tuple[str, ...]]
    """The events that told of each call."""
    passed_over: Counter[PassedOver]


def read_events(body: bytes, generations: Generations, client_id: UUID) -> Ingested:
    """Reads `{"batch": [{"id", "type", "timestamp", "body"}, ...]}`.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too many events.
    """
    found = Ingested([], {}, [], [], Counter())
    events = []
    for number, event in enumerate(map(_storable, _batch(body))):
        name = event.get("id") if isinstance(event, Mapping) else None
        found.event_ids.append(name if isinstance(name, str) else f"event {number}")
        if not isinstance(event, Mapping) or not isinstance(event.get("body"), Mapping):
            found.malformed[found.event_ids[-1]] = "an event must have an id, a type and a body"
        elif len(str(event["body"].get("id"))) > MAX_TEXT:
            found.malformed[found.event_ids[-1]] = f"the id of a body is longer than {MAX_TEXT} characters"
        else:
            events.append({**event, "id": found.event_ids[-1]})
    calls, others = generations.take(str(client_id), events)
    for call in calls:
        if isinstance(call.described, PassedOver):
            found.passed_over[passed_over.count(str(client_id), call.described)] += 1
            for event_id in () if call.described.is_expected else call.event_ids:
                found.malformed[event_id] = f"the generation is no call: {call.described.reason}"
        else:
            found.calls.append(owned(call.described, client_id))
            found.of_call.append(call.event_ids)
    for kind in others:
        over = PassedOver.named(kind, NO_CALL, is_expected=True)
        found.passed_over[passed_over.count(str(client_id), over)] += 1
    return found


def ingestion_answer(ingested: Ingested, results: Sequence[RecordResult]) -> bytes:
    """What became of each event: 201, or 400 with a message."""
    wrong = dict(ingested.malformed)
    for event_ids, result in zip(ingested.of_call, results, strict=True):
        if result.status == "rejected":
            wrong |= dict.fromkeys(event_ids, str(result.reason))
    errors = [
        {"id": name, "status": 400, "message": message, "error": message} for name, message in wrong.items()
    ]
    successes = [{"id": name, "status": 201} for name in ingested.event_ids if name not in wrong]
    return json.dumps({"successes": successes, "errors": errors}).encode()


def _storable(value: Any) -> Any:
    """The value without what no text in PostgreSQL has: half characters, where JavaScript cut, and NUL."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


def _batch(body: bytes) -> list[Any]:
    try:
        content = bounded_json.loads(body)
    except bounded_json.TooMuch as error:
        raise HTTPException(413, f"the body has too many values: {error}") from None
    except ValueError as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from None
    batch = content.get("batch") if isinstance(content, dict) else None
    if not isinstance(batch, list):
        raise HTTPException(400, 'the body must be {"batch": [...]}, as Langfuse\'s SDKs send it')
    if len(batch) > MAX_RECORDS:
        raise HTTPException(413, f"at most {MAX_RECORDS:,} events at once, not {len(batch):,}")
    return batch
