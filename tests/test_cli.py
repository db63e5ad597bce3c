"""The command line as a person meets it: what it prints, and with which exit code it ends."""

import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analytics.__main__ import main
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database, Query
from tests import factories
from tests.processes import answers, await_start, free_port
from tests.test_migrations import MIGRATIONS

FILES = Path(__file__).parent / "import_files"
LOG = "when,tokens\n2025-03-18T12:00:00Z,150\n2025-03-18T13:00:00Z,many\n"
IMPORT = ("--column", "created_at=when", "--column", "prompt_tokens=tokens", "--source", "openai")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return path


def run(database: Database, *arguments: object, stdin: str | None = None) -> Result:
    url = database.url.render_as_string(hide_password=False)
    words = [str(each) for each in arguments]
    return CliRunner().invoke(main, words, env={"DATABASE_URL": url}, input=stdin)


def count(database: Database, table: str) -> int:
    (rows,) = database.read(Query(statement=f"select count(*) from {table}"))  # noqa: S608 - a test's own words
    return int(rows.records[0][0])


def test_migrate(empty_database: Database) -> None:
    first = run(empty_database, "migrate")
    second = run(empty_database, "migrate")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "applying 010_clients\n" in first.output
    assert f"applied {len(MIGRATIONS)} files of sql/" in first.output
    assert second.output.splitlines() == [
        "nothing to do: all files of sql/ are applied",
        "next: python -m analytics client Acme    # makes a client and prints its id",
    ]


def test_demo_refuses_real_clients_in_one_line(database: Database) -> None:
    factories.client(database, name="Real")

    result = run(database, "demo")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert '"Real"' in result.stderr


def test_import(database: Database, log: Path) -> None:
    first = run(database, "import", log, "--client", "New", *IMPORT, "--client-timezone", "Asia/Kolkata")
    again = run(database, "import", log, "--client", "New", *IMPORT, "--model", "gpt-4")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert 'created client "New" (' in first.output
    assert "with the time zone Asia/Kolkata" in first.output
    assert "2 rows read: 1 stored, 0 already there, 1 rejected\n" in first.output
    assert "calls from 2025-03-18 12:00 to 2025-03-18 12:00 UTC\n" in first.output
    assert "1 call stored without a cost" in first.output
    assert f"see {log}.rejects.csv for what was rejected and why\n" in first.output
    assert "created client" not in again.output
    assert "2 rows read: 0 stored, 1 updated, 0 already there, 1 rejected\n" in again.output


def test_a_dry_run_says_what_it_would_be(database: Database) -> None:
    result = run(database, "import", FILES / "openai_usage.csv", "--client", "New", "--dry-run")

    assert result.exit_code == 0
    for said in (
        "openai_usage.csv: OpenAI usage (export, or /v1/organization/usage/*), CSV\n",
        "  num_model_requests         bucket_request_count\n",
        "  not used: input_uncached_tokens, input_cached_text_tokens (keep one with",
        "2025-10-05  openai    gpt-4o-2024-08-06       300  1,260,000  ",
        "3 rows: 300 requests, 1,260,000 tokens, ",
        "1 row is no call: buckets without use (1)\n",
    ):
        assert said in result.stdout
    assert (count(database, "clients"), count(database, "usage_logs")) == (0, 0)


def test_a_report_of_what_is_there_already_is_refused(database: Database) -> None:
    at = datetime(2025, 10, 5, 9, tzinfo=UTC)
    factories.insert_usage(database, factories.usage_log(factories.client(database), created_at=at))
    report = FILES / "openai_usage.csv"

    tried = run(database, "import", report, "--client", "Acme", "--dry-run")
    refused = run(database, "import", report, "--client", "Acme")
    without = run(database, "import", report, "--client", "Acme", "--from", "2025-10-06")
    beside = run(database, "import", report, "--client", "Acme, reported")

    both = run(database, "import", report, FILES / "openai_costs.tsv", "--client", "Both")

    told = "openai has other calls on 1 day of openai-usage, from 2025-10-05 to 2025-10-05 (UTC)"
    assert f"would count twice: {told}\n" in tried.stdout
    assert (refused.exit_code, told in refused.stderr) == (1, True)
    assert "3 rows read: 0 stored, 0 already there, 0 rejected\n2 rows left out" in without.stdout
    assert "3 rows read: 2 stored" in beside.stdout
    assert "openai is in openai-costs and in openai-usage on 1 day, from 2025-10-05 to" in both.stderr
    assert count(database, "clients") == 2  # one was refused


def test_a_report_that_is_grouped_in_another_way_is_refused(database: Database, tmp_path: Path) -> None:
    def report(name: str, model: str, tokens: int, day: int = 5) -> Path:
        path = tmp_path / name
        start = datetime(2025, 10, day, tzinfo=UTC)
        path.write_text(
            "start_time,end_time,num_model_requests,model,user_id,input_tokens,output_tokens,batch\n"
            f"{start:%s},{start + timedelta(days=1):%s},3,{model},,{tokens},1,\n"
        )
        return path

    by_day, by_model = report("by_day.csv", "", 50), report("by_model.csv", "gpt-4o", 40)
    other_day = report("other_day.csv", "gpt-4o", 9, day=6)

    at_once = run(database, "import", by_day, by_model, "--client", "New")
    first = run(database, "import", by_day, "--client", "New")
    tried = run(database, "import", by_model, "--client", "New", "--dry-run")
    refused = run(database, "import", by_model, "--client", "New")
    later = run(database, "import", report("by_day.csv", "", 60), "--client", "New")
    beside = run(database, "import", other_day, "--client", "New")

    told = f"{by_model} has openai-usage by day, model, and "
    before = f"{told}what was imported before is by day, on 1 day, from 2025-10-05 to 2025-10-05 (UTC)"
    assert f"{told}{by_day} by day, on 1 day" in at_once.stderr
    assert (first.exit_code, f"would count twice: {before}\n" in tried.stdout) == (0, True)
    assert (refused.exit_code, refused.stderr) == (
        1,
        f'error: "New": {before}: the same usage would count twice. Export it grouped as before, or leave '
        "those days out with --from or --to\n",
    )
    assert "1 row read: 0 stored, 1 updated" in later.stdout
    assert "1 row read: 1 stored" in beside.stdout
    assert count(database, "usage_logs") == 2


def test_a_folder_and_standard_input(database: Database, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("created_at,source,cost_usd\n2025-10-05,x,1\n")
    (tmp_path / "two.json").write_text('[{"created_at": "2025-10-05", "source": "x", "cost_usd": 2}]')
    (tmp_path / "notes.txt").write_text("remember the milk\n")

    folder = run(database, "import", tmp_path, "--client", "New")
    log = "created_at,source,cost_usd\n2025-10-06,x,4\n"
    piped = run(database, "import", "-", "--client", "New", stdin=log)

    assert "2 rows read: 2 stored" in folder.stdout
    assert f"not read: {tmp_path / 'notes.txt'}: no column fills created_at" in folder.stdout
    assert "standard input: columns by their names, CSV\n" in piped.stdout
    (rows,) = database.read(Query(statement="select sum(cost_usd) from usage_logs"))
    assert rows.records[0][0] == 7


def test_import_shifted_to_now(database: Database, log: Path, tmp_path: Path) -> None:
    before = datetime.now(UTC)

    result = run(
        database,
        "import",
        log,
        "--client",
        "New",
        *IMPORT,
        "--shift-to",
        "now",
        "--rejects",
        tmp_path / "bad",
    )

    assert result.exit_code == 0
    assert (tmp_path / "bad").exists()
    (rows,) = database.read(Query(statement="select created_at from usage_logs"))
    assert before <= rows.records[0][0] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--column", "created_at"), '--column must be like created_at=TIMESTAMP, not "created_at"'),
        (("--column", "created_at=When"), 'has no column "When" for created_at: it has "when", "tokens"'),
        ((*IMPORT, "--client-timezone", "Nowhere"), 'unknown time zone "Nowhere"'),
    ],
)
def test_an_import_that_cannot_begin_creates_no_client(
    database: Database, log: Path, options: tuple[str, ...], message: str
) -> None:
    result = run(database, "import", log, "--client", "New", *options)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert count(database, "clients") == 0


def test_fold(database: Database) -> None:
    factories.insert_usage(database, factories.usage_log(factories.client(database)))

    assert run(database, "fold").output == "folded 1 pending row\n"
    assert run(database, "fold").output == "folded 0 pending rows\n"


def test_a_database_without_our_tables(empty_database: Database) -> None:
    result = run(empty_database, "fold")

    assert result.exit_code == 1
    assert 'run "python -m analytics migrate"' in result.stderr


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "postgresql://nobody@127.0.0.1:1/none"])
@pytest.mark.parametrize("command", [["migrate"], ["demo"], ["fold"]])
def test_a_database_that_is_not_there_is_one_line_too(command: list[str], url: str) -> None:
    result = CliRunner().invoke(main, command, env={"DATABASE_URL": url})

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_on_a_fresh_machine_the_embedded_database_is_made_ready(tmp_path: Path) -> None:
    # A process of its own, because the server stops with its last user.
    answer = subprocess.run(
        [sys.executable, "-m", "analytics", "fold"],
        cwd=PROJECT_DIRECTORY,
        env={**os.environ, "USAGE_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.endswith("folded 0 pending rows\n")


def test_help() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert [word in result.output for word in ("migrate", "demo", "import", "fold")] == [True] * 4


def test_an_installed_package_opens_its_dashboard(tmp_path: Path) -> None:
    """From another directory, with nothing of the clone: pages, settings and SQL are in the wheel."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT_DIRECTORY, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(installed), "USAGE_DATA_DIR": str(tmp_path / "data")}
    options = [f"--server.port={port}", "--server.headless=true"]
    command = [sys.executable, "-m", "analytics", "dashboard", "--api", *options]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=elsewhere, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://localhost:{port}"
        await_start(process, tmp_path / "log", lambda: answers(f"{address}/_stcore/health"))
        assert answers(f"{address}/api/docs")
        asked = (
            "from analytics.config import dashboard_script; from analytics.migrations import SQL_DIRECTORY;"
        )
        asked += "print(dashboard_script().parent); print(SQL_DIRECTORY)"
        told = subprocess.run(
            [sys.executable, "-c", asked], cwd=elsewhere, env=environment, capture_output=True, text=True
        )
        assert told.stdout.split() == [str(installed / "analytics"), str(installed / "analytics" / "sql")]
        assert (installed / "analytics" / ".streamlit" / "config.toml").is_file()
        assert (installed / "analytics" / "docs" / "connect.md").is_file()
        assert {path.name for path in (installed / "analytics" / "pages").glob("*.py")} == {
            path.name for path in (PROJECT_DIRECTORY / "pages").glob("*.py")
        }
    finally:
        process.terminate()
        process.wait()


def test_the_shell_completes_commands() -> None:
    completing = {"_USAGE_ANALYTICS_COMPLETE": "bash_complete", "COMP_WORDS": "usage-analytics bud"}
    run = "from analytics.__main__ import run; run()"
    told = subprocess.run(
        [sys.executable, "-c", run],
        env={**os.environ, **completing, "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
    )
    assert told.stdout == "plain,budgets\n"


SPEND_LOGS = """
    create table "LiteLLM_SpendLogs" (
        request_id text primary key, call_type text, spend float8, total_tokens int, prompt_tokens int,
        completion_tokens int, "startTime" timestamp(3), "endTime" timestamp(3), model text,
        custom_llm_provider text, session_id text, status text, metadata jsonb,
        messages text default 'secret words'
    );
    insert into "LiteLLM_SpendLogs" (
        request_id, call_type, spend, total_tokens, prompt_tokens, completion_tokens, "startTime", "endTime",
        model, custom_llm_provider, session_id, status
    )
    select
        'chatcmpl-' || n, 'acompletion', 0.0005, 120, 100, 20,
        '2026-03-01'::timestamp + n * interval '1 hour',
        '2026-03-01'::timestamp + n * interval '1 hour 2 s', 'gpt-4o', 'openai', null,
        case when n % 10 = 0 then 'failure' else 'success' end
    from generate_series({first}, {last}) as n
"""


def test_litellms_database_is_read_again_and_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = ("import", "litellm", "--client", "Acme", "--url", url)
    with database.transaction() as connection:
        connection.execute(SPEND_LOGS.format(first=1, last=100))

    assert run(database, *command, "--dry-run").exit_code == 0
    assert count(database, "usage_logs") == 0
    first = run(database, *command)
    assert (first.exit_code, count(database, "usage_logs")) == (0, 100)
    assert "secret words" not in first.output
    with database.transaction() as connection:
        # One that is told of late, and new ones.
        connection.execute(SPEND_LOGS.split(";")[1].format(first=101, last=130))
        late = """update "LiteLLM_SpendLogs" set "startTime" = '2026-03-05 03:30' where request_id = %s"""
        connection.execute(late, ["chatcmpl-130"])
    assert run(database, *command).exit_code == 0
    (rows,) = database.read(
        Query(
            statement="select count(*), count(distinct response_id), sum(prompt_tokens),"
            " count(*) filter (where outcome = 'error'), count(*) filter (where metadata::text ~ 'secret')"
            " from usage_logs"
        )
    )
    assert rows.records == [(130, 130, 13_000, 13, 0)]
    # Another client has read nothing yet.
    other = run(database, "import", "litellm", "--client", "Other", "--url", url, "--dry-run")
    assert "130" in other.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ("log.csv", "--url", "postgresql://localhost/none"),
            "error: --url is of LiteLLM's database: write \"import",
        ),
        (("litellm", "--url", "mysql://localhost/x"), "error: --url names 'mysql', but only PostgreSQL"),
        (
            ("litellm", "--url", "postgresql://me:s3cret@127.0.0.1:1/x"),
            "error: the database of LiteLLM cannot be read",
        ),
    ],
)
def test_a_database_that_is_not_litellms(database: Database, words: tuple[str, ...], reason: str) -> None:
    result = run(database, "import", *words, "--client", "Acme")
    assert result.exit_code == 1
    assert result.stderr.startswith(reason)
    assert "s3cret" not in result.output


def test_a_database_without_spend_logs(database: Database) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    result = run(database, "import", "litellm", "--client", "Acme", "--url", url)
    assert result.exit_code == 1
    assert 'has no table "LiteLLM_SpendLogs"' in result.stderr
