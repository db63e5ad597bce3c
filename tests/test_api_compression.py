"""Answers that are compressed for who asks for it, over real HTTP: the same, in fewer bytes."""

import gzip
import http.client
import json
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple
from uuid import UUID

import pytest

from analytics.api.compression import MIN_BYTES
from analytics.database import Database
from tests import factories
from tests.api import bearer, serving
from tests.tcp_proxy import TcpProxy
from tests.test_api_export import MANY, far, many, open_transactions, proxy

__all__ = ["far", "many", "proxy"]

GZIP = {"Accept-Encoding": "gzip"}
MARCH = "from=2026-03-01&to=2026-03-31"
ANALYTICS = f"/api/analytics?{MARCH}"
CALLS = f"/api/export?{MARCH}"


class Answer(NamedTuple):
    """An answer as it came, nothing unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def varies_by(self) -> list[str]:
        return sorted(self.headers.get("vary", "").lower().split(", "))


class Client:
    """Asks on one connection that is kept."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self._headers = headers

    def ask(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: str = ""
    ) -> Answer:
        self.connection.request(method, path, body or None, self._headers | (headers or {}))
        answer = self.connection.getresponse()
        return Answer(
            answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        )


@contextmanager
def asking(database: Database, key: dict[str, str]) -> Iterator[Client]:
    with serving(database) as address:
        client = Client(address, key)
        with closing(client.connection):
            yield client


@pytest.fixture
def used(database: Database, acme: UUID) -> UUID:
    factories.insert_usage(database, *(factories.usage_log(acme) for _ in range(30)))
    return acme


def test_numbers_are_the_same_compressed(database: Database, used: UUID) -> None:
    with asking(database, bearer(database, used)) as client:
        plain, packed = client.ask(ANALYTICS), client.ask(ANALYTICS, GZIP)

        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 3
        assert plain.varies_by == packed.varies_by == ["accept-encoding", "authorization"]
        # What is kept of the one is good for the other.
        assert packed.headers["etag"] == plain.headers["etag"]
        for asked in ({}, GZIP):
            unchanged = client.ask(ANALYTICS, asked | {"If-None-Match": packed.headers["etag"]})
            assert (unchanged.status, unchanged.body) == (304, b"")
            assert "content-encoding" not in unchanged.headers
            assert unchanged.varies_by == packed.varies_by
            assert unchanged.headers["etag"] == packed.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "is_packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("GZIP ; Q=1.000", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("identity", False),
        ("br, zstd", False),
        ("*", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("path", [ANALYTICS, "/api/openapi.json", CALLS])
def test_only_who_asks_gets_it_compressed(
    database: Database, used: UUID, path: str, asked: str, is_packed: bool
) -> None:
    with asking(database, bearer(database, used)) as client:
        answer = client.ask(path, {"Accept-Encoding": asked})

    assert answer.status == 200
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert answer.varies_by.count("accept-encoding") == 1


def test_what_is_large_is_compressed_and_nothing_else(database: Database, used: UUID) -> None:
    pdf = f"/api/export?format=pdf&{MARCH}"
    paths = (
        *(ANALYTICS, "/api/analytics?type=daily&days=1", "/api/openapi.json", "/api/docs", "/metrics"),
        *("/healthz", "/readyz", "/api/nothing", "/api/analytics?days=0"),
        *(CALLS, f"{CALLS}&format=focus", pdf),
    )
    with asking(database, bearer(database, used)) as client:
        sizes = {path: len(client.ask(path).body) for path in paths}
        packed = {path for path in paths if client.ask(path, GZIP).headers.get("content-encoding") == "gzip"}

    assert packed == {path for path, size in sizes.items() if size >= MIN_BYTES} - {pdf}
    assert {ANALYTICS, "/api/openapi.json", "/metrics", CALLS} <= packed
    assert sizes["/api/analytics?type=daily&days=1"] < MIN_BYTES


def test_what_became_of_many_calls_is_compressed(database: Database, acme: UUID) -> None:
    call = {"source": "openai", "model": "gpt-4", "usage": {"prompt_tokens": 1}}
    with asking(database, bearer(database, acme, "write")) as client:
        for number, encoding in ((1, None), (100, "gzip")):
            answer = client.ask(
                *("/api/usage", GZIP | {"Content-Type": "application/json"}, "POST"),
                json.dumps([call] * number),
            )
            body = gzip.decompress(answer.body) if encoding else answer.body
            assert answer.headers.get("content-encoding") == encoding
            assert [result["status"] for result in json.loads(body)["results"]] == ["stored"] * number


def test_a_head_without_a_body_leaves_the_connection_as_it_was(database: Database, used: UUID) -> None:
    document = "/api/openapi.json"
    with asking(database, bearer(database, used)) as client:
        heads = {path: client.ask(path, GZIP, method="HEAD") for path in (ANALYTICS, document, "/healthz")}
        after = client.ask(document, GZIP)

    assert {path: head.status for path, head in heads.items()} == {
        ANALYTICS: 405,
        document: 200,
        "/healthz": 405,
    }
    assert {head.body for head in heads.values()} == {b""}
    told = ("content-encoding", "content-length", "vary")
    assert [heads[document].headers[name] for name in told] == [after.headers[name] for name in told]


def test_calls_are_compressed_as_they_come(database: Database, many: UUID) -> None:
    with asking(database, bearer(database, many)) as client:
        client.connection.request("GET", CALLS, headers=bearer(database, many) | GZIP)
        with client.connection.getresponse() as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert response.headers["Transfer-Encoding"] == "chunked"
            reader = zlib.decompressobj(31)
            first = reader.decompress(response.read1())
            assert first.startswith(b"\xef\xbb\xbfid,created_at,")
            # Its end is not even read yet.
            assert open_transactions(database) == 1
            rest = reader.decompress(response.read())
        assert reader.eof
        assert first + rest == client.ask(CALLS).body
        assert (first + rest).count(b"\r\n") == 1 + MANY


def test_compressed_calls_that_are_cut_do_not_look_whole(
    database: Database, many: UUID, far: Database, proxy: TcpProxy
) -> None:
    with asking(far, bearer(database, many)) as client:
        client.connection.request("GET", CALLS, headers=bearer(database, many) | GZIP)
        with client.connection.getresponse() as response:
            begin = response.read1()
            proxy.cut()
            with pytest.raises(http.client.IncompleteRead) as incomplete:
                response.read()

    # Nor does gzip say that this was all.
    reader = zlib.decompressobj(31)
    came = reader.decompress(begin + incomplete.value.partial)
    assert 0 < came.count(b"\r\n") < MANY
    assert not reader.eof
