"""The values of a record as arguments of make_call(), which checks them like those of any other call.

Only the notations of files are read here: CSV has nothing but text, a phone may be a number in JSON, and
numbers and times are written in many ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from analytics import bounded_json
from analytics.calls.row import BUCKET, USAGE_MISSING, is_payer_unknown
from analytics.calls.validation import checked_count, number_in, quoted
from analytics.errors import InvalidInput
from analytics.importing.formats import Format, Row
from analytics.importing.notation import Notation
from analytics.importing.reader import at_path
from analytics.pricing.usage import DETAILS, Usage

OBJECTS = ("usage", "tags", "metadata")
"""Targets whose value is a JSON object."""
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
FACTS = (
    *("operation", "outcome", "service_tier", "latency_ms", "time_to_first_token_ms", "operation_id"),
    *("attempt", "response_id", "account", "stated_cost_usd", "plan"),
)
REQUESTS = "bucket_request_count"
"""Of a row that is the sum of several requests: how many."""
TARGETS = (
    *("id", "created_at", "source", "model", *COUNTS, "cost_usd", "conversation_id", "phone"),
    *("duration_seconds", *DETAILS, *FACTS, *OBJECTS, "cost_basis", "conversation_name", REQUESTS),
)
"""What a column or a constant may fill, beside tag.<key> and metadata.<key>."""
TAG, METADATA = "tag.", "metadata."
"""Before the key of a tag, or of a part of the metadata, that has a column of its own."""

# Of a priced call in an export of our own: they are made anew.
_MADE_ANEW = ("price", "tokens_estimated")
_AMOUNTS = ("latency_ms", "time_to_first_token_ms", "stated_cost_usd")
AMOUNTS = ("cost_usd", "duration_seconds", *_AMOUNTS)
"""Targets that are numbers, and no counts."""


def is_target(name: str) -> bool:
    """Whether a column or a constant may fill it."""
    return name in TARGETS or any(name.startswith(begin) and name != begin for begin in (TAG, METADATA))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the values of a record become targets."""

    columns: Mapping[str, str]
    """Target -> column, of those that are taken as they are."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Target -> value where the record has none."""
    forced: Mapping[str, str] = field(default_factory=dict)
    """Target -> value, whatever the format says."""
    format: Format | None = None
    """Without one the columns are all there is."""
    names: Mapping[str, str] = field(default_factory=dict)
    """simple() name of a column -> the column, for the format."""
    is_own_export: bool = False


class CallParser:
    """Makes the arguments of make_call() from the values of a record.

    Without a format these are the values of the columns in their order; with one all values by their names.
    """

    def __init__(self, reading: Reading, notation: Notation) -> None:
        self._reading, self._notation = reading, notation
        self._targets = list(reading.columns)
        self._given_up = {
            target
            for column in reading.columns.values()
            if reading.format is not None
            and (target := reading.format.becomes.get(column, "")) in TARGETS
            and target not in reading.columns
        }
        given = (*self._targets, *reading.constants, *reading.forced)
        self._details = [name for name in DETAILS if name in given]
        self._facts = [name for name in given if name in FACTS]
        self._keys = [name for name in given if name.startswith((TAG, METADATA))]
        more = {*OBJECTS, "cost_basis", REQUESTS}
        self._has_more = bool(self._details or self._facts or self._keys or more & {*given})

    def parse(self, values: Any) -> dict[str, Any]:
        """The arguments that the record has, `created_at` in UTC; empty values count as left out.

        `conversation_name` comes beside the id of the conversation, where the file has it.

        Raises:
            PassedOver: the row is no call.
            InvalidInput: a time or an object cannot be read, a count is none, a name is no text or number.
        """
        if self._reading.format is not None:
            return self._of_format(self._reading.format, values)
        fields: dict[str, Any] = dict(self._reading.constants)
        is_own_export = self._reading.is_own_export
        for target, value in zip(self._targets, values, strict=True):
            if type(value) is str:
                value = value.strip()
                if is_own_export and value.startswith("'"):
                    value = value[1:]  # from before what a spreadsheet would take for a formula
            if value is not None and value != "":
                fields[target] = value
        return self._arguments(fields, self._details, self._facts, self._keys, self._has_more)

    def _of_format(self, found: Format, values: Mapping[str, Any]) -> dict[str, Any]:
        row = Row(values, self._reading.names, self._notation)
        fields: dict[str, Any] = dict(found.call(row))
        for target in self._given_up:
            fields.pop(target, None)
        for target, column in self._reading.columns.items():
            value = at_path(values, column)
            if value is not None and value != "":
                fields[target] = value
        fields |= self._reading.forced
        for target, value in self._reading.constants.items():
            fields.setdefault(target, value)
        details = [name for name in DETAILS if name in fields]
        facts = [name for name in FACTS if name in fields]
        keys = [name for name in fields if name.startswith((TAG, METADATA))]
        return self._arguments(fields, details, facts, keys, True)

    def _arguments(
        self,
        fields: Mapping[str, Any],
        details: Sequence[str],
        facts: Sequence[str],
        keys: Sequence[str],
        has_more: bool,
    ) -> dict[str, Any]:
        given, number = fields.get, self._notation.number
        # Strict, other than with a provider's usage: an odd count is a column that was taken for another.
        counts = {name: self._count(name, fields[name]) for name in COUNTS if name in fields}
        at = given("created_at")
        if at is None:
            raise InvalidInput("created_at is missing")
        arguments: dict[str, Any] = {
            "created_at": self._notation.instant(at),
            "source": _text("source", given("source")),
            "model": _text("model", given("model")),
            "conversation_id": _text("conversation_id", given("conversation_id")),
            "phone": _text("phone", given("phone")),
            "id": _text("id", given("id")),
            "usage": counts,
            "cost_usd": self._amount("cost_usd", given("cost_usd")),
            "duration_seconds": self._amount("duration_seconds", given("duration_seconds")),
        }
        if has_more:
            told = {name: self._count(name, fields[name]) for name in details if name in fields}
            if told:
                arguments["usage"] = _usage(counts, told)
            if "usage" in fields:
                arguments["usage"] = _object("usage", fields["usage"])
            for name in facts:
                if name in fields:
                    value = fields[name]
                    arguments[name] = (
                        self._amount(name, value)
                        if name in _AMOUNTS
                        else number(value, is_count=True)
                        if name == "attempt"
                        else _text(name, value)
                    )
            self._parse_objects(fields, keys, arguments)
        if (name_given := given("conversation_name")) is not None:
            arguments["conversation_name"] = _text("conversation_name", name_given)
        return arguments

    def _parse_objects(
        self, fields: Mapping[str, Any], keys: Sequence[str], arguments: dict[str, Any]
    ) -> None:
        tags = dict(_object("tags", fields["tags"])) if "tags" in fields else {}
        tags |= {name[len(TAG) :]: fields[name] for name in keys if name.startswith(TAG) and name in fields}
        if tags:
            arguments["tags"] = tags
        metadata = dict(_object("metadata", fields["metadata"])) if "metadata" in fields else {}
        for name in keys:
            if name.startswith(METADATA) and name in fields:
                metadata[name[len(METADATA) :]] = _plain(fields[name])
        if (requests := fields.get(REQUESTS)) is not None:
            held = metadata.get(BUCKET)
            told = {"requests": self._count(REQUESTS, requests)}
            metadata[BUCKET] = {**held, **told} if isinstance(held, Mapping) else told
        if (basis := fields.get("cost_basis")) is not None:
            _take_back(str(basis), metadata, arguments)
        if metadata:
            arguments["metadata"] = metadata

    def _count(self, name: str, value: Any) -> int:
        if type(value) is str and len(value) <= 12 and value.isascii() and value.isdecimal():
            return int(value)  # the way of nearly all
        try:
            return checked_count(name, self._notation.number(value, is_count=True))
        except InvalidInput as error:
            raise error if str(error).startswith(name) else error.named(name) from None

    def _amount(self, name: str, value: Any) -> Any:
        if type(value) is str and len(value) <= 9 and value.isascii() and value.isdecimal():
            return int(value)
        if type(value) is not str or (self._notation.decimal != "," and number_in(value) is not None):
            return value  # as it is written, so that a message can say it
        try:
            return self._notation.number(value)
        except InvalidInput as error:
            raise error.named(name) from None


def _usage(counts: Mapping[str, int], details: Mapping[str, int]) -> Usage:
    prompt, completion, total = (counts.get(name) for name in COUNTS)
    # A missing part is what the other one leaves of the total.
    if prompt is None and completion is not None:
        prompt = max((total or 0) - completion, 0)
    elif completion is None and prompt is not None:
        completion = max((total or 0) - prompt, 0)
    together = (prompt or 0) + (completion or 0)
    return Usage(prompt or 0, completion or 0, max(total or 0, together), None, details)


def _take_back(basis: str, metadata: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Makes of an exported call the arguments that it was made of: a cost by the lists is calculated anew."""
    if basis not in ("given", "priced", "estimated", "unpriced", "plan"):
        raise InvalidInput(
            f"cost_basis must be given, priced, estimated, unpriced or plan, not {quoted(basis)}"
        )
    price = metadata.get("price")
    is_stated = isinstance(price, Mapping) and price.get("list") == "stated"
    if basis != "given" or is_stated:
        arguments["cost_usd"] = None
    if basis == "plan" or is_payer_unknown(price):
        named = price.get("plan") if isinstance(price, Mapping) else None
        arguments["plan"] = named if isinstance(named, str) else "subscription"
    if USAGE_MISSING in metadata:
        arguments["usage"] = None
    if metadata.get("tokens_estimated") is True:
        arguments["tokens_estimated"] = True
    for name in _MADE_ANEW:
        metadata.pop(name, None)


def _object(target: str, value: Any) -> Mapping[str, Any]:
    """The object that a column holds, as JSON in a CSV."""
    if isinstance(value, str):
        try:
            value = bounded_json.loads(value.encode())
        except ValueError:
            raise InvalidInput(f"{target} must be a JSON object, not {quoted(value)}") from None
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{target} must be a JSON object, not {quoted(value)}")
    plain: Mapping[str, Any] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    """The same with floats, which JSON can hold, where the file's numbers were taken as they are written."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _text(target: str, value: Any) -> str | None:
    """A name as text: a phone, say, may be a number in JSON."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise InvalidInput(f"{target} must be a text, not {type(value).__name__}")
    return str(value)
