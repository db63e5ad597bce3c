"""The rows of files as calls: each is one, or says why it is none.

A row's id comes only from its client and the content of the file up to that row, unless the file tells one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from analytics.calls.make import Call, make_call
from analytics.calls.row import conversation_uuid
from analytics.calls.usage_objects import read_usage
from analytics.errors import InvalidInput
from analytics.importing.formats import PassedOver
from analytics.importing.parsing import COUNTS, CallParser
from analytics.importing.plan import ImportPlan
from analytics.importing.quick import QuickRows
from analytics.importing.reader import Record, at_path, record_id
from analytics.pricing.price_list import PriceList

_COUNTS = frozenset(COUNTS)


class ReadRow(NamedTuple):
    """A row of a file, and what it is: a call, or why it is none."""

    plan: ImportPlan
    record: Record
    call: Call | None = None
    created_at: datetime | None = None
    reason: str = ""
    """Why it cannot be read."""
    passed_over: str = ""
    """What it is, where it is no call; nothing where a condition leaves it out."""


class CallReader:
    """The rows of files as calls of a client."""

    def __init__(self, prices: PriceList, client_id: UUID) -> None:
        self._prices, self._client_id = prices, client_id

    def read(
        self, plans: Iterable[ImportPlan], *, progress: Callable[[int], object] = lambda read_bytes: None
    ) -> Iterator[ReadRow]:
        """All rows in the order of the files."""
        for plan in plans:
            parser, repeats = plan.parser(), Counter[str]()
            conditions = [condition.column for condition in plan.where]
            by_name = plan.format is not None
            wanted = None if by_name else [*plan.columns.values(), *conditions]
            count = len(plan.columns)
            quick = QuickRows(plan, self._prices, self._client_id)
            for record in plan.file.records(wanted, salt=self._client_id.bytes, progress=progress):
                values = record.values
                if values is not None and conditions:
                    told = [at_path(values, name) for name in conditions] if by_name else values[count:]
                    taken = [each.takes(value) for each, value in zip(plan.where, told, strict=True)]
                    if not all(taken):
                        yield ReadRow(plan, record)
                        continue
                    values = values if by_name else values[:count]
                if not quick.are_possible or values is None:
                    yield self.read_row(plan, parser, record, values, repeats)
                elif found := quick.call(record.digest, values):
                    yield ReadRow(plan, record, *found)
                else:
                    row = self.read_row(plan, parser, record, values, repeats)
                    if row.call is not None:
                        quick.learn(values, row.call)
                    yield row

    def read_row(
        self,
        plan: ImportPlan,
        parser: CallParser,
        record: Record,
        values: Any,
        repeats: Counter[str] | None = None,
    ) -> ReadRow:
        """One row. `repeats` are the ids that the file had so far, where it is a report."""
        if values is None:
            return ReadRow(plan, record, reason=record.reason)
        try:
            arguments = parser.parse(values)
            if not plan.takes(arguments["created_at"]):
                return ReadRow(plan, record)
            if repeats is not None and plan.format is not None and plan.format.is_report:
                # Two lines that say the same of what they are of are two, in the order of the file.
                repeats[arguments["id"]] += 1
                if repeats[arguments["id"]] > 1:
                    arguments["id"] = f"{arguments['id']} {repeats[arguments['id']]}"
            # One that its response names is known by that, as whoever else tells of it knows it.
            if arguments["id"] is None and self._response_id(arguments) is None:
                arguments["id"] = UUID(record_id(record.digest))
            name, conversation = arguments.pop("conversation_name", None), arguments["conversation_id"]
            if name is not None and conversation == str(conversation_uuid(self._client_id, name)):
                arguments["conversation_id"] = name  # makes the same id, and is shown
            call = make_call(self._prices, self._client_id, **arguments)
            return ReadRow(plan, record, call, arguments["created_at"])
        except InvalidInput as error:
            return ReadRow(plan, record, reason=str(error))
        except PassedOver as passed:
            return ReadRow(plan, record, passed_over=str(passed))

    @staticmethod
    def _response_id(arguments: Mapping[str, Any]) -> str | None:
        told: str | None = arguments.get("response_id")
        usage = arguments["usage"]
        if told is None and isinstance(usage, Mapping) and not usage.keys() <= _COUNTS:
            told = read_usage(usage).facts.response_id
        return told
