"""A receiver of OpenTelemetry spans, in a process of its own."""

import gzip
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START_SECONDS = 60.0


@contextmanager
def collecting() -> Iterator[str]:
    """The URL of a receiver of spans, in a process of its own: it takes no interpreter from the caller."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(its,), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the collector of spans does not start")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _collect(parent: Connection) -> None:
    """Keeps what is posted, and answers GET with the number of spans by path."""
    # Read when asked: the usual receiver is on another machine and takes no time of this one.
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"")

        def do_GET(self) -> None:
            counts: Counter[str] = Counter()
            for path, body in received:
                counts[path] += _spans_in(body)
            self._answer(json.dumps(counts).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        parent.send(server.server_address[1])
        server.serve_forever()


def _spans_in(body: bytes) -> int:
    is_compressed = body.startswith(b"\x1f\x8b")
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if is_compressed else body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
