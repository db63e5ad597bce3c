"""Bodies that are too large, packed, of another kind, or no JSON: refused in words, and nothing is stored."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient

from analytics.api.bodies import MAX_BODY_BYTES
from analytics.database import Database
from tests.api import bearer, logged, open_api, serving

CALL = {"source": "openai", "model": "gpt-4", "cost_usd": 1}
JSON = {"Content-Type": "application/json"}
TOO_LARGE = {"error": "a body may have at most 8,000,000 bytes, decompressed: send less at once"}


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


def of_size(size: int) -> bytes:
    """A good record, padded to so many bytes."""
    body = json.dumps(CALL).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("path", ["/api/usage", "/v1/traces"])
def test_the_limit_stands_to_the_byte(
    database: Database, api: TestClient, writer: dict[str, str], path: str
) -> None:
    at_the_limit, over_it = of_size(MAX_BODY_BYTES), of_size(MAX_BODY_BYTES + 1)
    for pack in (bytes, gzip.compress):
        encoding = {"Content-Encoding": "identity" if pack is bytes else "gzip"}
        headers = writer | JSON | encoding
        assert api.post(path, content=pack(at_the_limit), headers=headers).status_code == 200
        response = api.post(path, content=pack(over_it), headers=headers)
        assert (response.status_code, response.json()) == (413, TOO_LARGE)
    assert len(logged(database)) == (2 if path == "/api/usage" else 0)


def test_bodies_over_the_wire(database: Database, writer: dict[str, str]) -> None:
    headers = writer | JSON

    def in_parts(size: int) -> Iterator[bytes]:
        body = of_size(size)
        for start in range(0, size, 100_000):
            yield body[start : start + 100_000]

    with serving(database) as address, httpx.Client(base_url=address) as client:
        # Without a length: the server cannot know beforehand.
        stored = client.post("/api/usage", content=in_parts(1_000_000), headers=headers)
        assert "content-length" not in stored.request.headers
        assert stored.status_code == 200
        refused = client.post("/api/usage", content=in_parts(MAX_BODY_BYTES + 1), headers=headers)
        assert (refused.status_code, refused.json()) == (413, TOO_LARGE)
        # A length that is over the limit is refused before the body.
        with closing(HTTPConnection(address.removeprefix("http://"))) as connection:
            connection.request("POST", "/api/usage", headers=headers | {"Content-Length": str(10**15)})
            assert connection.getresponse().status == 413
    assert len(logged(database)) == 1


@pytest.mark.parametrize("levels", [1, 2])
def test_a_gzip_bomb(database: Database, api: TestClient, writer: dict[str, str], levels: int) -> None:
    bomb = b" " * 500_000_000
    for _ in range(levels):
        bomb = gzip.compress(bomb, compresslevel=1)
    response = api.post("/api/usage", content=bomb, headers=writer | JSON | {"Content-Encoding": "gzip"})
    # Packed twice it is small enough, and no JSON.
    assert response.status_code == (413 if levels == 1 else 400)
    assert logged(database) == []


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate"])
def test_packed_bodies(database: Database, api: TestClient, writer: dict[str, str], encoding: str) -> None:
    pack: Callable[[bytes], bytes] = zlib.compress if encoding == "deflate" else gzip.compress
    content = pack(json.dumps(CALL).encode())
    headers = writer | JSON | {"Content-Encoding": encoding}
    assert api.post("/api/usage", content=content, headers=headers).status_code == 200
    assert len(logged(database)) == 1


PACKED = gzip.compress(json.dumps(CALL).encode(), mtime=0)


@pytest.mark.parametrize(
    ("encoding", "content", "status", "reason"),
    [
        ("gzip", b"{}", 400, "the body cannot be decompressed: "),
        ("gzip", b"", 400, "the body cannot be decompressed: it ends too early"),
        ("gzip", PACKED[:-10], 400, "the body cannot be decompressed: it ends too early"),
        ("gzip", PACKED + PACKED, 400, "the body cannot be decompressed: data follows its end"),
        ("br", b"{}", 415, 'content-encoding must be gzip, deflate or identity, not "br"'),
        ("gzip, gzip", b"{}", 415, "content-encoding must be gzip"),
    ],
)
def test_what_cannot_be_unpacked(
    api: TestClient, writer: dict[str, str], encoding: str, content: bytes, status: int, reason: str
) -> None:
    headers = writer | JSON | {"Content-Encoding": encoding}
    response = api.post("/api/usage", content=content, headers=headers)
    assert response.status_code == status
    assert response.json()["error"].startswith(reason)


@pytest.mark.parametrize("path", ["/api/usage", "/v1/traces"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_other_kinds_of_content(api: TestClient, writer: dict[str, str], path: str, kind: str) -> None:
    response = api.post(path, content=json.dumps(CALL), headers=writer | {"Content-Type": kind})
    assert response.status_code == 415
    assert response.json()["error"].startswith("content-type must be application/")


@pytest.mark.parametrize("path", ["/api/usage", "/v1/traces"])
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"{'source': 'openai'}", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000,
        b"nul",
    ],
    ids=["nothing", "half", "Python", "bytes", "deep list", "deep object", "long number", "misspelt"],
)  # fmt: skip
def test_no_json(
    database: Database, api: TestClient, writer: dict[str, str], path: str, content: bytes
) -> None:
    response = api.post(path, content=content, headers=writer | JSON)
    assert response.status_code == 400
    assert response.json()["error"].startswith("the body is not ")
    assert len(response.text) < 500
    assert logged(database) == []


@pytest.mark.parametrize("content", [1, "x", None, True, [1], [None], [[CALL]]])
def test_records_that_are_no_objects(
    database: Database, api: TestClient, writer: dict[str, str], content: Any
) -> None:
    response = api.post("/api/usage", content=json.dumps(content), headers=writer | JSON)
    assert response.status_code == 400
    assert response.json()["results"] == [{"status": "rejected", "reason": "a record must be a JSON object"}]
    assert logged(database) == []
