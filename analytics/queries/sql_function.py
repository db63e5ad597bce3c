"""A SQL function as Python calls it: each is described once, in the module of its topic."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from analytics.database import Database, Query, Rows

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["tokens", "cost"]
"""What is measured, and what orders the first of a list."""

# The functions count days back from a moment: noon of the last day, if one is given, else now. Every day of
# every time zone has a noon.
MOMENT = (
    "coalesce((select (%(last_date)s::date + time '12:00') at time zone timezone"
    " from clients where id = %(client_id)s), %(now)s)"
)


def _known(name: str, columns: Iterable[str]) -> str:
    """The column, or null where it is a sum of costs and no cost is known."""
    whose = name.removesuffix("total_cost").removesuffix("cost")
    unpriced, requests = f"{whose}unpriced_count", f"{whose}request_count"
    if not name.endswith("cost") or unpriced not in columns or requests not in columns:
        return name
    return f"case when {unpriced} = 0 or {unpriced} <> {requests} then {name} end as {name}"


# How an argument is written that is not a parameter as it is.
_ARGUMENTS = {
    "now": MOMENT,
    "asked_at": "%(now)s::timestamptz",
    "last_date": "%(last_date)s::date",
    "previous_first_date": "%(previous_first_date)s::date",
    "previous_last_date": "%(previous_last_date)s::date",
    "filters": "%(filters)s::jsonb",
    "phone": "phone_of(%(client_id)s, %(phone_handle)s, %(first_date)s, %(last_date)s::date)",
}

_DEFAULTS = {
    **dict.fromkeys(("last_date", "previous_first_date", "previous_last_date")),
    "filters": "[]",
}

_NUMPY_DTYPES = ("int64", "float64", "bool", "datetime64[s]")

PHONE_HANDLE = {
    "phone_handle": "case when conversation_id is null then"
    " phone_handle(read_phone_secret(), %(client_id)s, phone) end"
}
"""The column that stands for a phone without telling it, for calls without a conversation."""


@dataclass(frozen=True, kw_only=True)
class SqlFunction:
    """A SQL function, its arguments, and the columns (with dtypes) that its frame has."""

    function: str
    arguments: Sequence[str]
    columns: Mapping[str, str]
    expressions: Mapping[str, str] = field(default_factory=dict)
    """Columns that are made of the function's own."""

    def query(self, **parameters: Any) -> Query:
        return Query(statement=self._statement(), parameters={**_DEFAULTS, **parameters})

    def ask(
        self,
        database: Database,
        *,
        client_id: UUID,
        sees_phones: bool = False,
        finds_phones: bool = False,
        **parameters: Any,
    ) -> "pd.DataFrame":
        """The function's rows for a client, read under row-level security."""
        [rows] = database.read(
            self.query(client_id=client_id, **parameters),
            client_id=client_id,
            sees_phones=sees_phones,
            finds_phones=finds_phones,
        )
        return self.frame(rows)

    def records(self, rows: Rows) -> Iterator[Mapping[str, Any]]:
        """The rows as mappings of their columns, for whoever needs no frame."""
        return (dict(zip(rows.columns, record, strict=True)) for record in rows.records)

    def json_query(self, **parameters: Any) -> Query:
        """The same rows as one text: a JSON array of objects, in which money keeps all its digits.

        An unknown cost is null.
        """
        rows = self.known_statement()
        statement = f"select coalesce(json_agg(answer), '[]')::text from ({rows}) as answer"  # noqa: S608
        return Query(statement=statement, parameters={**_DEFAULTS, **parameters})

    def known_statement(self) -> str:
        """The function's rows, where the cost of calls without any price is null instead of 0."""
        columns = ", ".join(_known(name, self.columns) for name in self.columns)
        return f"select {columns} from ({self._statement()}) as answer"  # noqa: S608

    def _statement(self) -> str:
        arguments = ", ".join(_ARGUMENTS.get(name, f"%({name})s") for name in self.arguments)
        columns = ", ".join(f"{self._expression(name)} as {name}" for name in self.columns)
        # Names come from constants, values are bound.
        return f"select {columns} from {self.function}({arguments})"  # noqa: S608

    def _expression(self, column: str) -> str:
        """Phones, and names with a phone in them, are masked unless the viewer may see them."""
        if column == "phone":
            return "shown_phone(phone)"
        if column == "conversation_name":
            return f"shown_name(conversation_name, {'phone' if 'phone' in self.columns else 'null'})"
        return self.expressions.get(column, column)

    def frame(self, rows: Rows) -> "pd.DataFrame":
        """The rows as a frame with the columns' dtypes, also where there are none."""
        return frame_of(rows.columns, rows.records, self.columns)


def frame_of(
    columns: Sequence[str], records: Sequence[Sequence[Any]], dtypes: Mapping[str, str]
) -> "pd.DataFrame":
    """Records as a frame, each column with its dtype, or as the objects that it has.

    Column by column, as a frame of objects that is cast afterwards takes some seven times as long.
    """
    # Imported here: what reads no frame runs where only the tracker is installed.
    import pandas as pd

    values = zip(*records, strict=True) if records else ((),) * len(columns)
    index = pd.RangeIndex(len(records))
    arrays = {
        name: _array(list(each), dtypes[name], index) for name, each in zip(columns, values, strict=True)
    }
    return pd.DataFrame(arrays, index=index, copy=False)


def _array(values: list[Any], dtype: str, index: "pd.RangeIndex") -> Any:
    import numpy as np
    import pandas as pd

    if dtype == "object":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        # pandas would guess text, or float where there are only None or Decimal.
        return pd.Series(array, index=index, dtype=object, copy=False)
    if dtype in _NUMPY_DTYPES:
        return np.array(values, dtype=dtype)
    extension: Any = dtype  # the stubs list each name
    return pd.array(values, dtype=extension)
