"""Query parameters: checked by a model, which also describes them in the OpenAPI document; and filters."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from analytics.errors import InvalidInput
from analytics.queries import TAG, Filters, is_filter
from analytics.queries.filters import BASES, DIMENSIONS, FACTS, HAS, WEEKDAYS
from analytics.queries.ranges import RANGES, shape_of

Parameters = TypeVar("Parameters", bound=BaseModel)


_VALUES = "empty for calls that do not tell it. A comma or backslash in a value has a backslash before it."
_VALUES_OF = {
    "hour": "0 to 23, of the client's clock",
    "weekday": ", ".join(WEEKDAYS),
    "basis": ", ".join(BASES),
    f"{HAS}<fact>": f"yes or no; a fact is {', '.join(FACTS)}",
}
_FILTERS = (*(name for name in DIMENSIONS if not name.startswith(HAS)), f"{HAS}<fact>", f"{TAG}<key>")


def parameters(request: Request, model: type[Parameters]) -> tuple[Parameters, Filters]:
    """The parameters of the request, and its filters.

    FastAPI could do the same for a parameter of the route, and would take a fifth of the request's time.

    Raises:
        InvalidInput: one is unknown or not valid.
    """
    pairs = request.query_params.multi_items()
    others = {name: value for name, value in pairs if not is_filter(name)}
    return checked(others, model, _FILTERS), Filters.parse(pairs)


def checked(given: Mapping[str, str], model: type[Parameters], further: Sequence[str] = ()) -> Parameters:
    """Parameters as their model has them; `further` names are allowed as well.

    Raises:
        InvalidInput: one is unknown or not valid.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(_reason(error, model, further)) from None


def described(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The parameters and filters, as FastAPI would describe them in the OpenAPI document."""
    return described_alone(model) + [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": description,
        }
        for filter in _FILTERS
        for name, description in (
            (filter, _what(filter)),
            *([] if filter in RANGES else [(f"{filter}!", "Only calls with none of these values")]),
        )
    ]


def _what(filter: str) -> str:
    if filter in RANGES:
        return f"Only calls in this range, of which the end is not a part: {shape_of(filter)}"
    return f"Only calls with one of these values, separated by commas; {_VALUES_OF.get(filter, _VALUES)}"


def described_alone(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The parameters, without filters."""
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            **({"description": schema["description"]} if "description" in schema else {}),
        }
        for name, schema in model.model_json_schema()["properties"].items()
    ]


def _reason(error: ValidationError, model: type[BaseModel], further: Sequence[str]) -> str:
    problem = error.errors()[0]
    name = str(problem["loc"][-1])
    if problem["type"] == "extra_forbidden":
        allowed = (field.alias or name for name, field in model.model_fields.items())
        return f'unknown parameter "{name[:60]}"; allowed: {", ".join([*allowed, *further])}'
    message = problem["msg"]
    return f"{name}: {message[:1].lower()}{message[1:]}, not {str(problem['input'])[:60]!r}"
