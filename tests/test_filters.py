"""The one text of filters: read and written in links, in the API and on the command line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analytics.errors import InvalidInput
from analytics.queries import NO_FILTERS, Condition, Filters, is_filter
from analytics.queries.filters import MAX_VALUES, TAG
from analytics.queries.ranges import RANGES

NAMES = st.sampled_from(["model", "operation", "outcome"]) | st.text(
    "a!\\,= %é\"'", min_size=1, max_size=5
).map(lambda key: TAG + key)
CONDITIONS = st.builds(
    lambda name, values, is_excluded: Condition(name=name, values=tuple(values), is_excluded=is_excluded),
    NAMES,
    st.lists(st.text("ab,\\! \"'%\n", max_size=4), min_size=1, max_size=3),
    st.booleans(),
)


@given(st.lists(CONDITIONS, max_size=3, unique_by=lambda condition: condition.name))
@example([Condition(name="tag.now!", values=("",)), Condition(name="tag.\\", values=("\\", ","))])
def test_what_is_written_is_read_again(conditions: list[Condition]) -> None:
    filters = Filters.of(conditions)
    assert Filters.parse(filters.query()) == filters
    assert all(map(is_filter, filters.query()))


@given(st.text("tag.!\\model,"))
@example("at")
@example("at!")
def test_any_name_is_a_filter_or_not(name: str) -> None:
    if name.removesuffix("!") in RANGES:
        with pytest.raises(InvalidInput):
            _names({name: "x"})
        assert is_filter(name)
    else:
        assert is_filter(name) == bool(_names({name: "x"}))


def _names(query: dict[str, str]) -> list[str]:
    return [condition.name for condition in Filters.parse(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], []),
        ([("page", "2"), ("tag.", "x"), ("model!!", "x"), ("models", "x")], []),
        ([("model", "b,a,a")], [("model", ("a", "b"), False)]),
        ([("model", "a"), ("model", "b")], [("model", ("a", "b"), False)]),
        ([("model", "a,b"), ("model!", "b")], [("model", ("a",), False)]),
        ([("model!", "a\\,b,c\\\\")], [("model", ("a,b", "c\\"), True)]),
        ([("model", "")], [("model", ("",), False)]),
        ([("tag.now\\!", "x")], [("tag.now!", ("x",), False)]),
        ([("provider", " OpenAI ")], [("provider", ("openai",), False)]),
        ([("hour", "23, 9,09,0")], [("hour", ("00", "09", "23"), False)]),
        ([("weekday!", "Sun,mon,fri")], [("weekday", ("mon", "fri", "sun"), True)]),
        (
            [("at", "2026-11-27T11:00:00+01:00..2026-11-27T10:05:07.5Z")],
            [("at", ("2026-11-27T10:00Z..2026-11-27T10:05:07.500000Z",), False)],
        ),
        (
            [("correction!", " 3F2504E0-4f89-41d3-9a0c-0305e82c3301")],
            [("correction", ("3f2504e0-4f89-41d3-9a0c-0305e82c3301",), True)],
        ),
        ([("latency", " 007..")], [("latency", ("7..",), False)]),
        ([("first-token", "..20"), ("first-token", "..20")], [("first-token", ("..20",), False)]),
    ],
)
def test_values_are_joined_and_sorted(
    query: list[tuple[str, str]], expected: list[tuple[str, tuple[str, ...], bool]]
) -> None:
    filters = Filters.parse(query)
    assert [(one.name, one.values, one.is_excluded) for one in filters] == expected
    assert bool(filters) == (filters != NO_FILTERS) == bool(expected)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("model", "," * MAX_VALUES)], "model takes at most 100 values, not 101"),
        (
            [("model", ",".join(map(str, range(60)))), ("model", ",".join(map(str, range(60, 120))))],
            "not 120",
        ),
        ([(f"tag.{number}", "x") for number in range(21)], "at most 20 filters hold at once, not 21"),
        ([("model", "x" * 10_000)], "model takes values of at most 500 characters"),
        ([("model", "a\0")], 'without NUL, not "a?"'),
        ([("tag.a\0", "x")], 'without NUL, not "a?"'),
        ([("tag." + "x" * 10_000, "x")], "the key of a tag has at most 500 characters"),
        ([("model", "\ud800")], 'model takes values of at most 500 characters, without NUL, not "?"'),
        ([("conversation", "5511999999999")], "conversation must be an id"),
        ([("correction", "")], "correction must be the id of one, such as 3f2504e0-"),
        ([("hour", "25")], 'hour must be 0 to 23, not "25"'),
        ([("hour", "9,")], 'hour must be 0 to 23, not ""'),
        ([("hour!", "9:00")], 'hour must be 0 to 23, not "9:00"'),
        ([("weekday", "1")], 'weekday must be mon, tue, wed, thu, fri, sat or sun, not "1"'),
        ([("weekday", "")], 'weekday must be mon, tue, wed, thu, fri, sat or sun, not ""'),
        (
            [("at", "2026-11-27T10:00..2026-11-27T11:00")],
            "at must be two moments in UTC, the earlier one first",
        ),
        ([("at", "2026-11-27T11:00Z..2026-11-27T11:00Z")], "such as 2026-11-27T10:00Z..2026-11-27T10:05Z"),
        ([("at", "0001-01-01T00:00+14:00..9999-12-31T00:00Z")], 'not "0001-01-01T00:00+14:00..9999'),
        ([("at", "now")], 'not "now"'),
        ([("at", "")], 'not ""'),
        (
            [("at!", "2026-11-27T10:00Z..2026-11-27T11:00Z")],
            "at takes one range, that of the calls that count",
        ),
        ([("latency", "5..,9..")], 'latency takes one range, that of the calls that count, not "5..,9.."'),
        ([("latency", "..")], "latency must be a range of milliseconds such as 500..2000, 500.. or ..2000"),
        ([("latency", "9..5")], 'not "9..5"'),
        ([("first-token", "-1..5")], "first-token must be a range of milliseconds"),
        ([("first-token", "9999999999..")], 'not "9999999999.."'),
        ([("model", "a"), ("model!", "a")], 'model cannot be and not be "a" at once'),
    ],
)
def test_what_cannot_be_is_said_in_few_words(query: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Filters.parse(query)
    assert message in str(error.value)
    assert len(str(error.value)) < 250
    assert str(error.value).isprintable()
