"""`python -m analytics prices`, as a person meets it."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from analytics.database import Database
from tests import factories
from tests.test_price_switch import rows
from tests.test_repricing_command import run

GROQ = {"source": "groq", "model": "llama-3.3-70b-versatile", "cost_usd": Decimal(0)}


def test_the_list_is_shown_switched_and_switched_back(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, **GROQ), factories.usage_log(acme))
    before = rows(database)

    shown = run(database, "prices", "list").output.splitlines()
    assert shown[0] == "the guide's list decides, since always"
    assert "  groq *: $0.00 input, $0.00 output per 1M tokens, for all clients" in shown
    assert "  whisper whisper-1: $0.006 per minute, for all clients" in shown
    assert "the installation's own prices: none" in shown

    preview = run(database, "prices", "use", "public", "--from", "2026-03-18", "--preview")
    effect, promise = preview.output.splitlines()
    # 150 x 0.59 and 80 x 0.79 dollars a million.
    assert re.fullmatch(
        r"Acme, 2026-03-18 to [-\d]+: booked \$0\.0093, by that list \$0\.0095: "
        r"a difference of \$0\.00015 in 1 of 2 calls",
        effect,
    )
    assert promise.startswith("nothing was changed: the same again without --preview switches")
    assert rows(database) == before

    done = run(database, "prices", "use", "public", "--from", "2026-03-18", "--by", "ana").output
    assert done.splitlines()[0] == effect
    assert "from 2026-03-18 00:00 UTC on the public list (genai-prices " in done
    assert 'to undo it: "python -m analytics prices use guide --from 2026-03-18T00:00:00+00:00"' in done
    assert '"python -m analytics reprice --client NAME --from 2026-03-18 --to ' in done
    state = run(database, "prices", "list").output
    assert re.match(r"the public list \(genai-prices [\d.]+\) decides, since 2026-03-18 00:00 UTC\n", state)
    again = run(database, "prices", "use", "public", "--from", "2026-03-18", "--by", "ana").output
    assert again.endswith("already: nothing was changed\n")

    back = run(database, "prices", "use", "guide", "--from", "2026-03-18T00:00:00+00:00", "--by", "ana")
    assert back.exit_code == 0
    assert rows(database) == before


def test_by_default_it_is_from_now_on(database: Database, acme: UUID) -> None:
    done = run(database, "prices", "use", "public", "--client", "Acme").output.splitlines()

    assert re.fullmatch(r"Acme, [-\d]+ to [-\d]+, had it held then: no calls", done[0])
    undo = done[2].partition('undo it: "python -m analytics ')[2].rstrip('"').split()
    assert run(database, *undo).exit_code == 0
    assert run(database, "prices", "list").output.startswith("the guide's list decides, since always\n")


def test_what_is_no_moment_is_refused(database: Database) -> None:
    for text in ("yesterday", "0001-01-01", "9999-12-31"):
        result = run(database, "prices", "use", "public", "--from", text)
        assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
        assert f'not "{text}"' in result.output


def test_a_price_of_ones_own_is_set(database: Database, acme: UUID) -> None:
    said = run(
        database,
        *("prices", "set", "Azure", "my-deploy-*", "--input", "2.5", "--output", "10"),
        *("--cached-input", "1.25", "--audio-input", "40", "--web-search", "10", "--tier", "Batch"),
        *("--above-prompt-tokens", "272000", "--client", "Acme", "--from", "2026-10-01"),
        *("--reference", "contract 7", "--by", "ana"),
    )

    assert said.exit_code == 0
    assert said.output.splitlines()[0] == (
        "saved: azure my-deploy-*: $2.50 input, $1.25 cached input, $10.00 output per 1M tokens, "
        "audio input $40.00, web searches $10.00 per 1,000, tier batch, prompts above 272,000 tokens, "
        "from 1 Oct 2026, for this client"
    )
    with database.transaction() as connection:
        [kept] = connection.execute(
            "select client_id, audio_input_usd, web_search_usd, service_tier, above_prompt_tokens, reference,"
            " note from model_prices where source = 'azure'"
        ).fetchall()
    assert kept == (acme, 40, 10, "batch", 272_000, "contract 7", "entered by ana")


def test_a_discount_of_all_models_is_set(database: Database, acme: UUID) -> None:
    said = run(database, "prices", "set", "openai", "*", "--discount", "20")

    assert said.output.splitlines()[0] == "saved: openai *: 20 % off the public price, for all clients"
    assert (
        "  openai *: 20 % off the public price, for all clients"
        in run(database, "prices", "list").output.splitlines()
    )


def test_what_is_no_price_is_refused(database: Database) -> None:
    for given, message in (
        (["--input", "cheap", "--output", "1"], 'must be US dollars such as 0.15, not "cheap"'),
        (["--input", "1"], "the price of output must be US dollars"),
        (["--discount", "20", "--input", "1"], "leave all amounts empty"),
        (["--discount", "20", "--client", "Nobody"], "Nobody"),
        (["--input", "1", "--output", "1", "--from", "soon"], 'not "soon"'),
    ):
        result = run(database, "prices", "set", "openai", "gpt-4o", *given)
        assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
        assert message in result.output


def test_the_public_list_is_compared_with_litellms(database: Database, acme: UUID, tmp_path: Path) -> None:
    now = {"created_at": datetime.now(UTC)}
    factories.insert_usage(
        database,
        factories.usage_log(acme, model="gpt-4o", **now),
        factories.usage_log(acme, model="gpt-4.1", **now),
        factories.usage_log(acme, source="own", model="new-1", **now),
        factories.usage_log(acme, model="sora-2", **now),
        factories.usage_log(acme, model="gpt-4o-transcribe", **now),
    )
    path = tmp_path / "litellm.json"
    entry = {"litellm_provider": "openai", "input_cost_per_token": 3e-06, "output_cost_per_token": 1e-05}
    transcribes = {"litellm_provider": "openai", "input_cost_per_audio_token": 2.5e-06}
    path.write_text(
        json.dumps({"gpt-4o": entry, "gpt-5": entry, "sora-2": entry, "gpt-4o-transcribe": transcribes}),
        encoding="utf-8",
    )

    said = run(database, "prices", "compare", "--litellm", str(path)).output.splitlines()
    assert re.fullmatch(r"genai-prices [\d.]+ and LiteLLM's list both know 2 models, of 5 in use", said[0])
    assert said[1:3] == [
        "  openai gpt-4o: input $2.50 here, $3.00 there, per 1M tokens",
        "  openai sora-2: only LiteLLM's list has a price",
    ]
    assert said[3].startswith("  openai gpt-4o-transcribe: the public list is corrected, as audio costs ")
    assert len(said) == 4

    everything = run(database, "prices", "compare", "--litellm", str(path), "--all").output
    assert "openai gpt-5: input $1.25 here, $3.00 there" in everything
    refused = run(database, "prices", "compare", "--litellm", str(tmp_path / "nothing.json"))
    assert refused.exit_code == 1
    assert "cannot be read as LiteLLM's list" in refused.output
