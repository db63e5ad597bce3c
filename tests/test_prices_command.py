"""`python -m analytics prices`, as a person meets it."""

import re
from decimal import Decimal
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
