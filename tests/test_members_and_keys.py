"""Members and API keys by the command line, and what becomes of a key that somebody shows."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from analytics.access.keys import Key, create_key, find_key
from analytics.database import Database
from analytics.errors import InvalidInput
from tests import factories
from tests.test_cli import run


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(statement).fetchall()


def refusal(database: Database, *arguments: object) -> str:
    """The one line with which a command refuses, at exit code 1."""
    result = run(database, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# Members -------------------------------------------------------------------------------------------


def test_members_are_added_and_listed(database: Database, acme: UUID) -> None:
    empty = run(database, "members", "list")
    viewer = run(database, "members", "add", "Bob@Example.com", "--client", "Acme")
    admin = run(database, "members", "add", "ada@example.com", "--role", "admin")
    by_id = run(database, "members", "add", "ada@example.com", "--client", acme, "--role", "admin")
    listed = run(database, "members", "list")

    assert {each.exit_code for each in (empty, viewer, admin, by_id, listed)} == {0}
    assert empty.stdout.startswith("no members yet: add one with python -m analytics members add")
    assert viewer.stdout == "bob@example.com is viewer of Acme\n"
    assert admin.stdout == "ada@example.com is admin of all clients\n"
    assert listed.stdout.splitlines() == [
        "ada@example.com  admin  all clients",
        "ada@example.com  admin  Acme",
        "bob@example.com  viewer  Acme",
    ]


def test_adding_again_changes_the_role(database: Database, acme: UUID) -> None:
    for role in ("viewer", "admin", "viewer"):
        run(database, "members", "add", "ada@example.com", "--client", "Acme", "--role", role)
        assert rows(database, "select email, client_id, role from members") == [
            ("ada@example.com", acme, role)
        ]
    for _ in range(2):
        assert run(database, "members", "add", "ada@example.com", "--role", "admin").exit_code == 0
    assert rows(database, "select count(*) from members where client_id is null") == [(1,)]


def test_members_are_removed_from_one_client_or_from_all(database: Database, acme: UUID) -> None:
    factories.client(database, "Beta")
    for email in ("ada@example.com", "bob@example.com"):
        run(database, "members", "add", email, "--client", "Acme")
        run(database, "members", "add", email, "--client", "Beta")

    one = run(database, "members", "remove", "ADA@example.com", "--client", "Acme")
    both = run(database, "members", "remove", "bob@example.com")

    assert one.stdout == "ADA@example.com: 1 membership ended\n"
    assert both.stdout == "bob@example.com: 2 memberships ended\n"
    assert run(database, "members", "list").stdout == "ada@example.com  viewer  Beta\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "ada", "--client", "Acme"], 'such as ada@example.com, not "ada"'),
        (["add", "a@b@c", "--client", "Acme"], 'not "a@b@c"'),
        (["add", "ada @example.com", "--client", "Acme"], "an email address is needed"),
        (["add", "ada\0@example.com", "--client", "Acme"], "an email address is needed"),
        (["add", f"{'a' * 320}@example.com", "--client", "Acme"], "an email address is needed"),
        (
            ["add", "ada@example.com"],
            "only an admin may see all clients: name a client for a viewer, or give the role admin",
        ),
        (["add", "ada@example.com", "--client", "Nobody"], 'no client is called "Nobody"'),
        (["remove", "ada@example.com"], "ada@example.com is not a member of any client"),
        (["remove", "ada@example.com", "--client", "Acme"], "ada@example.com is not a member of Acme"),
        (["remove", "ada@example.com", "--client", "Nobody"], 'no client is called "Nobody"'),
        (["remove", "ada"], "an email address is needed"),
    ],
)
def test_what_cannot_be_done_with_members(
    database: Database, acme: UUID, arguments: list[str], message: str
) -> None:
    run(database, "members", "add", "bob@example.com", "--client", "Acme")
    assert message in refusal(database, "members", *arguments)
    assert run(database, "members", "list").stdout == "bob@example.com  viewer  Acme\n"


def test_a_role_that_there_is_not(database: Database, acme: UUID) -> None:
    result = run(database, "members", "add", "ada@example.com", "--client", "Acme", "--role", "owner")
    assert result.exit_code == 2
    assert "'owner' is not one of 'viewer', 'admin'" in result.stderr


@pytest.mark.parametrize(
    "values",
    [
        "('Ada@example.com', id, 'viewer')",
        "(' ada@example.com', id, 'viewer')",
        "('ada', id, 'viewer')",
        "('ada@example.com', id, 'owner')",
        "('ada@example.com', null, 'viewer')",
    ],
)
def test_the_table_takes_only_what_can_be_a_member(database: Database, acme: UUID, values: str) -> None:
    with pytest.raises(Exception, match="members_"), database.transaction() as connection:
        connection.execute(f"insert into members (email, client_id, role) select {values[1:-1]} from clients")  # noqa: S608


# Keys ----------------------------------------------------------------------------------------------


def test_a_key_is_printed_once_and_alone(database: Database, acme: UUID) -> None:
    before = datetime.now(UTC)
    result = run(
        database, "keys", "create", "--client", "Acme", "--scope", "read", "--name", "nightly report"
    )

    assert result.exit_code == 0
    text = result.stdout.removesuffix("\n")
    assert text.startswith("usage_")
    assert text.split() == [text]
    assert "it is not shown again" in result.stderr
    assert text not in result.stderr

    [(client_id, name, scope, hashed, created_at, last_used_at, revoked_at)] = rows(
        database,
        "select client_id, name, scope, hash, created_at, last_used_at, revoked_at from api_keys",
    )
    assert (client_id, name, scope) == (acme, "nightly report", "read")
    assert hashed == sha256(text.encode()).digest()
    assert before <= created_at
    assert (last_used_at, revoked_at) == (None, None)
    assert text not in run(database, "keys", "list").output


def test_the_text_of_a_key_is_nowhere_in_the_database(database: Database, acme: UUID) -> None:
    text = create_key(database, "Acme", "write", "shipping")
    secret = text.split("_", 2)[2]
    find_key(database, text)
    whole = []
    with database.transaction() as connection:
        tables = connection.execute(
            "select relname from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
        ).fetchall()
        for (table,) in tables:
            statement = sql.SQL("select each::text from {} as each").format(sql.Identifier(table))
            whole += [row for (row,) in connection.execute(statement)]
    assert len(tables) > 10
    assert any(sha256(text.encode()).hexdigest() in row for row in whole)
    assert not any(secret in row or secret.encode().hex() in row for row in whole)


def test_no_two_keys_are_alike(database: Database, acme: UUID) -> None:
    texts = {create_key(database, "Acme", "read", "same name") for _ in range(3)}
    assert len(texts) == 3
    found = [find_key(database, text) for text in texts]
    assert len({key.id for key in found if key}) == 3


def test_keys_are_listed_by_client_with_what_became_of_them(database: Database, acme: UUID) -> None:
    factories.client(database, "Beta")
    assert run(database, "keys", "list").stdout.startswith("no keys yet: make one with python -m analytics")
    run(database, "keys", "create", "--client", "Beta", "--scope", "read", "--name", "of Beta")
    used = create_key(database, "Acme", "write", "used")
    create_key(database, "Acme", "read", "ended")
    key = find_key(database, used)
    assert key is not None
    [(ended,)] = rows(database, "select id from api_keys where name = 'ended'")
    [(of_beta,)] = rows(database, "select id from api_keys where name = 'of Beta'")
    revoked = run(database, "keys", "revoke", ended)

    assert revoked.stdout == f"{ended} is revoked\n"
    used_line, ended_line, beta_line = run(database, "keys", "list").stdout.splitlines()
    [(used_at, ended_at)] = rows(
        database,
        "select to_char(max(last_used_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),"
        " to_char(max(revoked_at) at time zone 'UTC', 'YYYY-MM-DD') from api_keys",
    )
    assert used_line == f"{key.id}  Acme  write  used  last used {used_at} UTC"
    assert ended_line == f"{ended}  Acme  read  ended  revoked {ended_at}"
    assert beta_line == f"{of_beta}  Beta  read  of Beta  never used"


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\0b", "two\nlines", "a\udcffb"])
def test_a_key_needs_a_name(database: Database, acme: UUID, name: str) -> None:
    with pytest.raises(InvalidInput, match="a key needs a name of at most 200 characters, on one line"):
        create_key(database, "Acme", "read", name)
    assert rows(database, "select count(*) from api_keys") == [(0,)]


def test_what_cannot_be_done_with_keys(database: Database, acme: UUID) -> None:
    with pytest.raises(InvalidInput, match='scope must be one of read, write, not "admin"'):
        create_key(database, "Acme", "admin", "x")
    assert 'no client is called "Nobody"' in refusal(
        database, "keys", "create", "--client", "Nobody", "--scope", "read"
    )
    for unknown in (str(uuid4()), "1", "", "' or true --", "a" * 1_000):
        assert f'no valid key has the id "{unknown[:60]}"' in refusal(database, "keys", "revoke", unknown)


def test_a_key_is_revoked_once_and_for_good(database: Database, acme: UUID) -> None:
    text, other = (create_key(database, "Acme", "read", name) for name in ("one", "other"))
    key = find_key(database, text)
    assert key is not None

    assert run(database, "keys", "revoke", key.id).exit_code == 0
    [(revoked_at,)] = rows(database, "select revoked_at from api_keys where name = 'one'")
    assert "see python -m analytics keys list" in refusal(database, "keys", "revoke", key.id)

    assert find_key(database, text) is None
    assert find_key(database, other) is not None
    assert rows(database, "select revoked_at from api_keys where name = 'one'") == [(revoked_at,)]


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_key_is_found_by_its_text(database: Database, acme: UUID, scope: str) -> None:
    text = create_key(database, str(acme), scope, "x")
    create_key(database, "Acme", "read", "another")
    [(key_id,)] = rows(database, "select id from api_keys where name = 'x'")

    assert find_key(database, text) == Key(id=key_id, client_id=acme, scope=scope)  # type: ignore[arg-type]


def test_only_the_right_text_is_a_key(database: Database, acme: UUID) -> None:
    text = create_key(database, "Acme", "read", "x")
    prefix, key_id, secret = text.split("_", 2)
    beginning = f"{prefix}_{key_id}"
    other_secret = create_key(database, "Acme", "read", "y").split("_", 2)[2]
    [(hashed,)] = rows(database, "select encode(hash, 'hex') from api_keys where name = 'x'")
    wrong = [
        *("", " ", "usage_", "usage__", "garbage", "Bearer", f" {text}", f"{text} ", f"{text}\n", text[:-1]),
        *(f"{text}A", text.upper(), text.swapcase(), text.replace("usage_", ""), f"usage_{text}"),
        *(beginning, f"{beginning}_", f"{beginning}_{other_secret}", f"{beginning}_{hashed}", hashed),
        *(f"usage_{uuid4().hex}_{secret}", f"usage_{UUID(key_id)}_{secret}", f"usage_{'0' * 31}g_{secret}"),
        *(f"{text}\0", f"{beginning}_\0", f"usage_{key_id[:-1]}\0_{secret}", "\0"),
        *(f"{beginning}_\ud800", f"usage_\ud800{key_id[1:]}_{secret}", "\udfff"),
        *("a" * 1_000_000, f"{beginning}_{'a' * 1_000_000}", f"usage_{'0' * 1_000_000}_{secret}"),
        *("' or true --", f"{beginning}_' or true --", "\N{KELVIN SIGN}" * 32),
        "usage_" + "\N{ARABIC-INDIC DIGIT ONE}" * 32 + f"_{secret}",
    ]
    assert [each[:80] for each in wrong if find_key(database, each) is not None] == []
    assert rows(database, "select count(last_used_at) from api_keys") == [(0,)]
    assert find_key(database, text) is not None


def test_it_is_kept_when_a_key_was_used_last(database: Database, acme: UUID) -> None:
    text = create_key(database, "Acme", "read", "x")
    create_key(database, "Acme", "read", "not used")
    used_at = []
    for _ in range(2):
        assert find_key(database, text) is not None
        used_at += rows(database, "select last_used_at from api_keys where name = 'x'")
    [(first,), (second,)] = used_at
    assert first is not None
    assert first < second
    assert rows(database, "select last_used_at from api_keys where name = 'not used'") == [(None,)]


def test_a_key_of_a_client_that_is_gone_is_gone(database: Database, acme: UUID) -> None:
    factories.client(database, "Beta")
    of_acme, of_beta = (create_key(database, name, "read", "x") for name in ("Acme", "Beta"))
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [acme])
    assert find_key(database, of_acme) is None
    assert find_key(database, of_beta) is not None
