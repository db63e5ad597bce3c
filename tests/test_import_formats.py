"""What people have: each format is recognised, and its rows come to the right sums."""

import gzip
import json
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from analytics.calls.row import Row, row_of
from analytics.clients import read_client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.calls import calls_csv
from analytics.exports.focus import focus_csv
from analytics.exports.parquet import write_parquet
from analytics.importing import (
    FORMATS,
    CallReader,
    ImportPlan,
    Summary,
    import_files,
    plan_import,
    sources_of,
)
from analytics.pricing.price_list import DEFAULT_PRICES
from tests import factories

FILES = Path(__file__).parent / "import_files"
CLIENT = UUID(int=9)


class Told(NamedTuple):
    """What a row of a file comes to."""

    day: str
    source: str
    model: str | None
    prompt: int
    completion: int
    cost: str
    basis: str
    requests: int | None = None
    """Of the sum of a bucket; 0: it does not tell."""


GPT_4O = "gpt-4o-2024-08-06"
SONNET, SONNET_45 = "claude-sonnet-4-20250514", "claude-sonnet-4-5-20250929"
EXPECTED: dict[str, tuple[str, Sequence[Told]]] = {
    "openai_usage.csv": (
        "openai-usage",
        [
            Told("2025-10-05", "openai", GPT_4O, 1_000_000, 50_000, "2.5", "priced", 270),
            Told("2025-10-05", "openai", GPT_4O, 200_000, 10_000, "0.3", "priced", 30),
        ],
    ),
    "openai_usage_pages.json": (
        "openai-usage",
        [
            Told("2025-10-05", "openai", GPT_4O, 1_000_000, 50_000, "2.5", "priced", 270),
            Told("2025-10-07", "openai", "whisper-1", 0, 0, "0.06", "priced", 5),
        ],
    ),
    "openai_usage_v1.json": (
        "openai-usage-v1",
        [
            Told("2025-10-05", "openai", GPT_4O, 100_000, 5_000, "0.25", "priced", 12),
            Told("2025-10-05", "openai", GPT_4O, 100_000, 0, "0.125", "priced", 3),
            Told("2025-10-05", "openai", "whisper-1", 0, 0, "0.06", "priced", 5),
            Told("2025-10-05", "openai", "tts-1", 0, 0, "0.15", "priced", 2),
        ],
    ),
    "openai_costs.tsv": (
        "openai-costs",
        [
            Told("2025-10-05", "openai", GPT_4O, 0, 0, "0.895874", "given", 0),
            Told("2025-10-05", "openai", GPT_4O, 0, 0, "0.104126", "given", 0),
        ],
    ),
    "openai_costs.json": (
        "openai-costs",
        [
            Told("2025-10-05", "openai", "Image models", 0, 0, "0.06", "given", 0),
            Told("2025-10-06", "openai", None, 0, 0, "0.0015", "given", 0),
        ],
    ),
    "anthropic_usage.json": (
        "anthropic-usage",
        # 100,000 x 3 + 2,000 x 3.75 + 1,000 x 6 + 200,000 x 0.30 + 5,000 x 15 a million, and 10 searches.
        [Told("2025-10-05", "anthropic", SONNET, 303_000, 5_000, "0.5485", "priced", 0)],
    ),
    "anthropic_usage.csv": (
        "anthropic-usage",
        [
            Told("2025-10-05", "anthropic", SONNET_45, 1_000_000, 1_000, "3.015", "priced", 0),
            # Prompts of the long context window have prices of their own.
            Told("2025-10-05", "anthropic", SONNET_45, 1_000_000, 1_000, "6.0225", "priced", 0),
            Told("2025-10-05", "anthropic", SONNET_45, 1_000_000, 0, "1.5", "priced", 0),
        ],
    ),
    "anthropic_costs.json": (
        "anthropic-costs",  # of cents
        [
            Told("2025-10-05", "anthropic", SONNET, 0, 0, "1.2345", "given", 0),
            Told("2025-10-05", "anthropic", None, 0, 0, "10", "given", 0),
        ],
    ),
    "anthropic_costs.csv": (
        "anthropic-costs",
        [
            Told("2025-10-05", "anthropic", "Claude Haiku 4.5", 0, 0, "0.05", "given", 0),
            Told("2025-10-05", "anthropic", "Claude Haiku 4.5", 0, 0, "0.02", "given", 0),
        ],
    ),
    "openrouter.csv": (
        "openrouter",
        [
            Told("2026-06-28", "openrouter", "openai/gpt-oss-120b", 10_389, 137, "0.0123", "given"),
            # With what the provider took of a key of one's own.
            Told("2026-06-28", "openrouter", "anthropic/claude-sonnet-4", 40, 20, "0.0017", "given"),
        ],
    ),
    "openrouter_activity.json": (
        "openrouter-activity",
        [Told("2025-08-24", "openrouter", "openai/gpt-4.1-2025-04-14", 50, 125, "0.027", "given", 5)],
    ),
    "litellm.csv": (
        "litellm",
        [
            Told("2025-10-05", "openai", "gpt-4o", 1_000, 300, "0.00125", "given"),
            # A spend of 0 is that of a model without a price: the lists have one.
            Told("2025-10-05", "azure", "text-embedding-3-small", 500, 0, "0.00001", "priced"),
            Told("2025-10-05", "openai", "gpt-4o", 0, 0, "0", "given"),
        ],
    ),
    "litellm.jsonl": ("litellm", [Told("2025-10-05", "openai", "gpt-4o", 1_000, 300, "0.00125", "given")]),
    "litellm_daily.json": (
        "litellm-daily",
        [
            Told("2025-10-05", "openai", "gpt-4o", 600, 1_000, "0.01", "given", 6),
            Told("2025-10-05", "openai", "gpt-4o", 400, 700, "0.007", "given", 5),
            Told("2025-10-05", "azure", "gpt-4o-mini", 100, 10, "0.0007072", "given", 2),
            # What no model has of the day.
            Told("2025-10-05", "litellm", None, 11, 1, "0", "unpriced", 1),
        ],
    ),
    "litellm_report.json": (
        "litellm-report",
        [
            Told("2025-10-05", "openai", "gpt-4o", 0, 0, "0.01", "given", 0),
            Told("2025-10-05", "openai", "gpt-4o-mini", 0, 0, "0.0007", "given", 0),
            # What no model has of a team's spend.
            Told("2025-10-05", "litellm", None, 0, 0, "0.001", "given", 0),
            Told("2025-10-05", "unknown", "my-own", 0, 0, "0", "unpriced", 0),
            Told("2025-10-06", "azure", "gpt-4o", 0, 0, "0.5", "given", 0),
        ],
    ),
    "langfuse_traces.json": (
        "langfuse",
        [
            Told("2025-10-05", "openai", GPT_4O, 1_000, 100, "0.0035", "given"),
            Told("2025-10-05", "openai", GPT_4O, 500, 50, "0.00175", "given"),
        ],
    ),
    "langfuse.csv": (
        "langfuse",
        [
            Told("2025-10-05", "openai", GPT_4O, 1_000, 100, "0.00275", "given"),
            Told("2025-10-05", "anthropic", SONNET, 0, 0, "0", "priced"),
        ],
    ),
    "langfuse.json": ("langfuse", [Told("2025-10-05", "openai", GPT_4O, 1_000, 100, "0.0035", "given")]),
    "helicone.csv": (
        "helicone",
        [
            Told("2025-10-05", "openai", "gpt-4o", 1_000, 100, "0.0035", "given"),
            Told("2025-10-05", "openai", "gpt-4o", 0, 0, "0", "given"),
        ],
    ),
    "helicone.jsonl": (
        "helicone",
        [Told("2025-10-05", "anthropic", SONNET, 1_100, 50, "0.00135", "given")],
    ),
    "claude_projects": (
        "claude-code",
        [
            # The same request on three lines, of which the first came before its answer was whole.
            # 10 x 3 + 2,000 x 3.75 + 15,000 x 0.30 + 250 x 15 a million.
            Told("2025-10-05", "anthropic", SONNET_45, 17_010, 3, "0.012075", "priced"),
            Told("2025-10-05", "anthropic", SONNET_45, 17_010, 250, "0.01578", "priced"),
            Told("2025-10-05", "anthropic", SONNET_45, 17_010, 250, "0.01578", "priced"),
            Told("2025-10-05", "anthropic", "claude-haiku-4-5-20251001", 100, 10, "0.00015", "priced"),
        ],
    ),
    "focus.csv": (
        "focus",
        [
            Told("2025-10-05", "azure", "gpt-4o-1120", 1_000_000, 0, "2.5", "given", 0),
            Told("2025-10-05", "azure", "gpt-4o-1120", 0, 100_000, "1", "given", 0),
        ],
    ),
    "azure_costs.csv": (
        "azure-costs",
        [Told("2025-10-05", "azure", "gpt-4o-0806", 1_000_000, 0, "2.5", "given", 0)],
    ),
    "array.json": (
        "columns",
        [
            Told("2025-10-05", "openai", "gpt-4o", 1_000, 100, "0.0035", "priced"),
            Told("2025-10-05", "groq", "llama-3.3-70b-versatile", 10, 5, "0", "priced"),
        ],
    ),
}
# Rows that are no calls, by what they are.
PASSED_OVER = {
    "openai_usage.csv": {"buckets without use": 1},
    "openai_costs.tsv": {"buckets without costs": 1},
    "openai_usage_v1.json": {"buckets without use": 1},
    "litellm_daily.json": {"days without use": 1},
    "litellm_report.json": {"days without use": 1},
    "langfuse_traces.json": {"observations of type SPAN": 1},
    "anthropic_usage.json": {"buckets without use": 1},
    "langfuse.csv": {"observations of type SPAN": 1},
    "langfuse.json": {"observations of type EVENT": 1},
    "claude_projects": {
        "lines of type summary": 1,
        "lines of type user": 1,
        "messages that Claude Code wrote itself, about errors for example": 1,
    },
    "focus.csv": {"charges of other services, such as Virtual Machines": 1, "charges of the category Tax": 1},
    "azure_costs.csv": {"charges of other services, such as Storage": 1},
}


def plans_of(path: Path, **options: Any) -> list[ImportPlan]:
    return [plan_import(source, **options) for source in sources_of([path])]


def rows_of(path: Path, **options: Any) -> list[Row]:
    read = list(CallReader(DEFAULT_PRICES, CLIENT).read(plans_of(path, **options)))
    assert [row.reason for row in read if row.reason] == []
    return [row_of(row.call.line) for row in read if row.call]


def told(row: Row) -> Told:
    bucket = (row.metadata or {}).get("bucket")
    return Told(
        f"{row.created_at:%Y-%m-%d}",
        row.source,
        row.model,
        row.prompt_tokens,
        row.completion_tokens,
        f"{row.cost_usd.normalize():f}",
        row.cost_basis,
        None if bucket is None else bucket.get("requests", 0),
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_a_format_comes_to_the_right_sums(name: str) -> None:
    format_name, expected = EXPECTED[name]

    plans = plans_of(FILES / name)
    found = {plan.format.name if plan.format else "columns" for plan in plans}
    summary = Summary(timezone=ZoneInfo("UTC")).add(CallReader(DEFAULT_PRICES, CLIENT).read(plans))

    assert found == {format_name}
    assert [told(row) for row in rows_of(FILES / name)] == expected
    assert summary.passed_over == PASSED_OVER.get(name, {})
    # What it became is said of each column that it has, and what is not used.
    for plan in plans:
        assert {column for column, _ in plan.became()}.isdisjoint(plan.unused())


ODD: Sequence[Any] = (
    *(None, "", "x", -1, 1e400, float("nan"), [], {}, True, "NaN", "1e999", 10**30, ["b"], "\0", "\ud800"),
    *("9" * 400, {"total": "x", "input": "y"}, {"total": None, "input": [1]}, {"value": "x", "currency": 5}),
    *([{"a": 1}], {"model": 5, "usage": []}, {"usage": {"input_tokens": "x"}}),
)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "array.json"])
def test_odd_values_end_no_import(name: str) -> None:
    reader = CallReader(DEFAULT_PRICES, CLIENT)
    for plan in plans_of(FILES / name):
        [first, *_] = plan.file.records(None)
        for column in (*first.values, "usage", "metadata", "amount", "message"):
            for odd in ODD:
                values = {**first.values, column: odd}
                row = reader.read_row(plan, plan.parser(), first._replace(values=values), values)
                assert row.call or row.reason or row.passed_over


def test_every_format_has_a_file() -> None:
    assert {each.name for each in FORMATS} == {name for name, _ in EXPECTED.values()} - {"columns"}


def test_what_else_a_row_tells() -> None:
    first, failed = rows_of(FILES / "litellm.csv")[::2]
    assert (first.facts.response_id, first.facts.operation, first.facts.outcome) == (
        "chatcmpl-A1",
        "chat",
        "ok",
    )
    assert (first.facts.latency_ms, first.facts.time_to_first_token_ms) == (1_500, 400)
    assert (first.details["cached_tokens"], first.conversation_name) == (600, "session-1")
    assert first.tags == {
        "api_key": "shop",
        "end_user": "ana",
        "tags": "beta",
        "team": "team-1",
        "user": "default_user_id",
    }
    assert failed.facts.outcome == "error"

    [searched, refused] = rows_of(FILES / "helicone.csv")
    assert (searched.conversation_name, searched.tags) == ("chat-7", {"Feature": "search", "user": "ana"})
    assert refused.facts.outcome == "refused"

    [whole, cancelled] = rows_of(FILES / "openrouter.csv")
    assert (whole.facts.outcome, cancelled.facts.outcome) == ("ok", "cut")
    assert (whole.details["cached_tokens"], whole.details["reasoning_tokens"]) == (9_000, 37)

    generation = rows_of(FILES / "langfuse.csv")[0]
    assert generation.details == {"cached_tokens": 600, "reasoning_tokens": 20}
    assert (generation.facts.latency_ms, generation.facts.time_to_first_token_ms) == (2_000, 500)

    message = rows_of(FILES / "claude_projects")[0]
    assert (message.facts.response_id, message.tags) == (
        "req_011A",
        {"project": "shop", "tool": "claude-code"},
    )

    paid = rows_of(FILES / "claude_projects", forced={"plan": "max"})
    assert {(row.cost_usd, row.cost_basis) for row in paid} == {(Decimal(0), "plan")}

    usage = rows_of(FILES / "openai_usage.csv")
    assert [row.facts.service_tier for row in usage] == ["default", "batch"]
    assert (usage[0].facts.account, usage[0].tags) == ("proj_shop", {"api_key": "key_1"})
    assert (usage[0].metadata or {})["bucket"] == {
        "requests": 270,
        "from_at": "2025-10-05T00:00:00+00:00",
        "until_at": "2025-10-06T00:00:00+00:00",
        "by": ["API key", "batch", "model", "project", "service tier"],
    }


def test_the_same_files_twice_and_in_an_archive_are_stored_once(database: Database, tmp_path: Path) -> None:
    client_id = factories.client(database)
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(FILES.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(FILES))
    plans, again = plans_of(FILES), plans_of(archive)
    rejects = tmp_path / "rejects.csv"

    first = import_files(database, plans, client_id=client_id, rejects_path=rejects)
    second = import_files(database, again, client_id=client_id, rejects_path=rejects)

    assert (first.rejected, second.rejected, second.stored, second.updated) == (0, 0, 0, 0)
    # Some files tell the same: OpenAI's usage as CSV and as pages, LiteLLM's and Helicone's logs.
    [[requests]] = read(
        database, "select request_count from usage_daily where model = %(model)s", model=GPT_4O
    )[:1]
    # Usage once, and as it was before, two lines of costs, and four of Langfuse's.
    assert requests == 270 + 30 + 15 + 2 + 4
    [repeated] = read(
        database,
        "select count(*), max(completion_tokens) from usage_logs where response_id = 'req_011A'",
    )
    assert repeated == (1, 250)
    assert (
        read(database, "select * from check_usage_sums(%(id)s, '2025-01-01', '2026-12-31')", id=client_id)
        == []
    )


def test_a_report_that_has_grown_replaces_what_it_told(database: Database, tmp_path: Path) -> None:
    client_id = factories.client(database)
    page = json.loads((FILES / "openai_costs.json").read_text("utf-8"))
    result = page["data"][0]["results"][0]
    path = tmp_path / "costs.json"
    reports = []
    for value in (0.01, 0.06):
        result["amount"]["value"] = value
        path.write_text(json.dumps(page), "utf-8")
        reports.append(
            import_files(database, plans_of(path), client_id=client_id, rejects_path=tmp_path / "rejects.csv")
        )

    assert [(report.stored, report.updated, report.already_there) for report in reports] == [
        (2, 0, 0),
        (0, 1, 1),
    ]
    assert read(database, "select sum(cost_usd) from usage_logs") == [(Decimal("0.0615"),)]


def test_lines_of_a_report_that_look_alike_are_two(tmp_path: Path) -> None:
    header, line, *_ = (FILES / "focus.csv").read_text("utf-8").splitlines()
    path = tmp_path / "focus.csv"
    path.write_text("\n".join([header, line, line]), "utf-8")

    first, second = rows_of(path)

    assert first.id != second.id
    assert [row.id for row in rows_of(path)] == [first.id, second.id]


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"input": 100, "output": 20, "input_cached_tokens": 900, "total": 1_020}, (1_000, 20)),
        ({"input": 1_000, "output": 20, "input_cached_tokens": 900, "total": 1_020}, (1_000, 20)),
        ({"input": 10, "output": 20, "output_reasoning": 7, "input_modality_1": 10, "total": 37}, (10, 27)),
        ({"input": 10, "output": 20, "output_reasoning": 7, "input_modality_1": 10, "total": 47}, (20, 27)),
        (
            {"input": 10, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50, "output": 5},
            (960, 5),
        ),
    ],
)
def test_parts_of_langfuses_usage_count_once(
    tmp_path: Path, details: dict[str, int], expected: tuple[int, int]
) -> None:
    path = tmp_path / "observations.json"
    observation = {"id": "o", "traceId": "t", "type": "GENERATION", "startTime": "2025-10-05T10:00:00Z"}
    path.write_text(json.dumps([{**observation, "model": "gpt-4o", "usageDetails": details}]), "utf-8")

    [row] = rows_of(path)

    assert (row.prompt_tokens, row.completion_tokens, row.cost_basis) == (*expected, "priced")


@pytest.mark.parametrize(
    "text",
    [
        "Timestamp,Provider,Model,Prompt Tokens,Completion Tokens\n2025-10-05,openai,gpt-4,150,80\n",
        "sep=;\ncreatedAt;source;model;promptTokens;completionTokens\n2025-10-05;openai;gpt-4;150;80\n",
        '{"ts": 1759622400, "provider": "openai", "model": "gpt-4", "inputTokens": 150, "output_tokens": 80}',
        '[{"date": "2025-10-05", "source": "openai", "model": "gpt-4", '
        '"token_usage": {"prompt_tokens": 150, "completion_tokens": 80}}]',
        'time,source,model,usage\n2025-10-05,openai,gpt-4,"{""input_tokens"": 150, ""output_tokens"": 80}"\n',
    ],
)
def test_columns_are_known_however_they_are_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text, "utf-8")

    assert [told(row) for row in rows_of(path)] == [
        Told("2025-10-05", "openai", "gpt-4", 150, 80, "0.0093", "priced")
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("name", ["file.csv", "file.csv.gz"])
def test_encodings_are_seen(tmp_path: Path, encoding: str, name: str) -> None:
    text = "created_at;source;model;prompt_tokens;tag.team\n2025-10-05;openai;gpt-4;1.000;Günther\n"
    raw = text.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)

    [row] = rows_of(tmp_path / name, decimal=",")

    assert (row.prompt_tokens, row.tags) == (1_000, {"team": "Günther"})


def test_patterns_and_folders_take_what_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("logs/a/1.csv", "logs/b/2.csv.gz", "logs/b/1.csv.rejects.csv", "logs/b/notes.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"x") if name.endswith(".gz") else b"x")

    def names(given: str) -> list[str]:
        return [source.name for source in sources_of([given])]

    assert names("logs") == ["logs/a/1.csv", "logs/b/2.csv.gz"]
    assert names("logs/**/*.csv.gz") == ["logs/b/2.csv.gz"]
    assert names(str(tmp_path / "logs" / "a" / "*")) == [str(tmp_path / "logs/a/1.csv")]
    with pytest.raises(InvalidInput, match="no file is named"):
        sources_of(["none*"])
    with pytest.raises(InvalidInput, match="No such file"):
        sources_of(["nowhere.csv"])


def test_rows_are_chosen_and_columns_refined(tmp_path: Path) -> None:
    path = tmp_path / "litellm.csv"
    path.write_bytes((FILES / "litellm.csv").read_bytes())
    options = {
        "where": ["status=success", "custom_llm_provider!=azure"],
        "columns": {"stated_cost_usd": "spend", "metadata.key": "api_key"},
        "forced": {"tag.env": "prod", "source": "azure"},
    }

    [row] = rows_of(path, **options)

    # The spend is no longer the cost, which is that of the lists: 400 x 2.50 + 600 x 1.25 + 300 x 10.
    assert (row.source, row.cost_usd, row.cost_basis) == ("azure", Decimal("0.00475"), "priced")
    assert row.facts.stated_cost_usd == Decimal("0.00125")
    assert (row.tags or {})["env"] == "prod"
    assert (row.metadata or {})["key"] == "88dc28d0"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("created_at,source,prompt_tokens\n2025-10-05,x,12.000", {}, "'12.000' may be 12.000 or 12,000"),
        ("created_at;source;cost_usd\n2025-10-05;x;1,234", {}, "'1,234' may be 1.234 or 1,234"),
        ("created_at;source;cost_usd\n2025-10-05;x;0,5\n2025-10-05;x;0.5", {}, "written in two ways"),
        ("created_at,source,cost_usd\n2025-10-05,x,1", {"decimal": ";"}, "--decimal must be . or ,"),
        (
            "created_at,source,cost_usd\n2025-10-05,x,1",
            {"format": "x"},
            'unknown format "x"; allowed: openai-',
        ),
        (
            "created_at,source,cost_usd\n2025-10-05,x,1",
            {"where": ["status=ok"]},
            'no column "status" for --where',
        ),
        ("created_at,source,cost_usd\n2025-10-05,x,1", {"where": ["status"]}, "--where must be like"),
        (
            "created_at,source,cost_usd\n2025-10-05,x,1",
            {"format": "litellm"},
            "has no column of LiteLLM spend",
        ),
        ("when\n1", {"columns": {"When": "created_at"}}, "; it may be created_at=When that is meant"),
        ("when,what\n1,2", {}, "or name its format with --format: openai-usage,"),
        ("[1, 2]", {}, "no record at the beginning of"),
        ("PK\x03\x04...", {}, "is an Excel workbook or another archive: save its sheet as CSV"),
        ("<!doctype html>", {}, "is HTML or XML, and no data"),
        ('{"error": {"message": "Incorrect API key"}}', {}, 'answered with: "Incorrect API key"'),
        ('{"a": [\n', {}, "no JSON from line 2 on"),
        ('{"object": "page", "data": [], "has_more": false}', {}, "no record at the beginning of"),
    ],
)
def test_files_that_are_not_guessed(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    path = tmp_path / "file"
    path.write_text(text, "utf-8")

    with pytest.raises(InvalidInput) as caught:
        plan_import(path, **options)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("openai_usage.csv", "soon,,,,p,1,,,m,False,,1,1,,,,,,,,,,,", "created_at must be a time such as"),
        (
            "openai_usage.csv",
            "1759622400,,,,p,1,,,m,False,,many,1,,,,,,,,,,,",
            "input_tokens must be a whole",
        ),
        ("openai_costs.tsv", "1759622400\t\t\t\t1.5\teur\t\t\t\t", 'the amount is in "eur": only US dollars'),
        (
            "openrouter.csv",
            "gen-1,2026-06-28,x,,,,,1,1,,,m,,,,,,,,,,,,",
            "cost_total must be a number, not 'x'",
        ),
    ],
)
def test_rows_that_cannot_be_read_say_why(tmp_path: Path, name: str, line: str, reason: str) -> None:
    path = tmp_path / name
    header = (FILES / name).read_text("utf-8").splitlines()[0]
    path.write_text(f"{header}\n{line}\n", "utf-8")

    [row] = CallReader(DEFAULT_PRICES, CLIENT).read(plans_of(path))

    assert (row.record.line_number, row.reason[: len(reason)]) == (2, reason)


@pytest.mark.parametrize(
    ("numbers", "decimal", "expected"),
    [
        ("$0.0125;1,000", None, (Decimal("0.0125"), 1_000)),
        (".0125;1,000,000", None, (Decimal("0.0125"), 1_000_000)),
        ("0,0125;12.000", None, (Decimal("0.0125"), 12_000)),  # the cost shows what the point is
        ("1.234,5 USD;12.000", None, (Decimal("1234.5"), 12_000)),
        ("0.5;12.000", ".", (Decimal("0.5"), 12)),
        ("1'234.5;7", None, (Decimal("1234.5"), 7)),
        ("1e-5;7.0", None, (Decimal("0.00001"), 7)),
    ],
)
def test_numbers_as_people_write_them(
    tmp_path: Path, numbers: str, decimal: str | None, expected: tuple[Decimal, int]
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(f"created_at;source;cost_usd;prompt_tokens\n2025-10-05;openai;{numbers}", "utf-8")

    [row] = rows_of(path, decimal=decimal)

    assert (row.cost_usd, row.prompt_tokens) == expected


@pytest.mark.parametrize(
    ("text", "date_format", "moment"),
    [
        ("2025-10-05 10:00:00 UTC", None, "2025-10-05T10:00"),
        ("2025-10-05 10:00:00.5 +0200 CEST", None, "2025-10-05T08:00"),
        ("05.10.2025 10:00", None, "2025-10-05T10:00"),
        ("Oct 5, 2025, 1:00:00 PM", None, "2025-10-05T13:00"),
        ("Sun, 05 Oct 2025 10:00:00 GMT", None, "2025-10-05T10:00"),
        ("05/10/2025 10:00", "%d/%m/%Y %H:%M", "2025-10-05T10:00"),
    ],
)
def test_times_as_people_write_them(tmp_path: Path, text: str, date_format: str | None, moment: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(f"created_at;source;cost_usd\n{text};openai;1", "utf-8")

    [row] = rows_of(path, date_format=date_format)

    assert f"{row.created_at:%Y-%m-%dT%H:%M}" == moment


def test_days_that_may_be_two_are_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("created_at,source,cost_usd\n05/10/2025,openai,1", "utf-8")

    [row] = CallReader(DEFAULT_PRICES, CLIENT).read(plans_of(path))

    assert row.reason.startswith("created_at may be two days, '05/10/2025': say which with --date-format")


def test_an_array_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    whole = '{"created_at": "2025-10-05", "source": "openai", "cost_usd": 1}'
    path.write_text(f'[\n{whole},\n{whole},\n{{"created_at": "2025', "utf-8")

    *read, last = CallReader(DEFAULT_PRICES, CLIENT).read(plans_of(path))

    assert [row.record.line_number for row in read if row.call] == [2, 3]
    assert last.reason.startswith("no JSON from line 4 on, and nothing after it is read: Unterminated string")


def read(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    [rows] = database.read(Query(statement=statement, parameters=parameters))
    return [tuple(row) for row in rows.records]


def test_our_own_exports_come_back(database: Database, tmp_path: Path) -> None:
    acme, other = factories.client(database), factories.client(database, "Other")
    factories.insert_usage(
        database,
        factories.usage_log(acme, metadata={"bucket": {"requests": 7}}),
        factories.usage_log(acme, model="gpt-4o", cost_usd=Decimal("0.5"), cost_basis="given"),
    )
    days = Days(factories.NOW.date(), factories.NOW.date())
    costs, calls = tmp_path / "focus.csv", tmp_path / "calls.csv"
    costs.write_bytes(focus_csv(database, read_client(database, acme), days))
    calls.write_bytes(b"".join(calls_csv(database, acme, days, is_unmasked=True)))
    typed = tmp_path / "calls.parquet"
    with typed.open("wb") as file:
        write_parquet(database, acme, days, file, is_unmasked=True)

    billed = rows_of(costs)
    import_files(database, plans_of(calls), client_id=other, rejects_path=tmp_path / "rejects")
    again = import_files(database, plans_of(typed), client_id=other, rejects_path=tmp_path / "rejects")

    assert (again.already_there, again.rejected) == (2, 0)
    assert sum(row.cost_usd for row in billed) == Decimal("0.5093")
    assert {(row.source, row.model, row.prompt_tokens, row.completion_tokens) for row in billed} == {
        *(("openai", "gpt-4", 150, 0), ("openai", "gpt-4", 0, 80)),
        *(("openai", "gpt-4o", 150, 0), ("openai", "gpt-4o", 0, 80)),
    }
    sums = """
        select sum(request_count), sum(total_tokens), sum(cost_usd) from usage_daily where client_id = %(id)s
    """
    assert read(database, sums, id=other) == read(database, sums, id=acme) == [(8, 460, Decimal("0.5093"))]
