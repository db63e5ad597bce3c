"""A local server that speaks the wire format of OpenAI, Groq and Anthropic, for their real packages.

Chat completions, responses, embeddings and transcriptions, whole or streamed, with the usage that the test
asks for, or none, or an error, or a connection that is cut in the middle:

    with LLMServer() as server:
        server.answer_next(usage=None)
        OpenAI(base_url=server.openai_url, api_key="test").chat.completions.create(...)
        Groq(base_url=server.groq_url, api_key="test").chat.completions.create(...)
"""

import contextlib
import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.llm_wire import ROUTES, Request, Usage, error_content


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server says to one request."""

    usage: Usage = "usual"
    """As it goes over the wire; None leaves it out."""
    status: int = 200
    """429, 500, ...: an error in the provider's format."""
    is_cut: bool = False
    """The connection ends in the middle of the answer."""


@dataclass(kw_only=True)
class LLMServer:
    """Answers with the queue of `answer_next`, then by `answers[model]`, then as usual."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queue: deque[Answer] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.llm_server = self
        self._url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        return f"{self._url}/v1"

    @property
    def anthropic_url(self) -> str:
        """For Anthropic's package, which adds /v1."""
        return self._url

    @property
    def groq_url(self) -> str:
        """For Groq's package, which adds /openai/v1; OpenAI's package needs it added."""
        return self._url

    def answer_next(self, **answer: Any) -> None:
        """Adds an Answer to the queue, each of which serves one request."""
        self._queue.append(Answer(**answer))

    def take_answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self._queue:
            return self._queue.popleft()
        return self.answers.get(str(request.body.get("model")), Answer())

    def __enter__(self) -> "LLMServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    # Waited for on closing, so that no socket outlives its test.
    daemon_threads = False
    llm_server: LLMServer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Those that a client keeps open for a next request."""
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        # A client that goes away, in whatever way, is none of this server's troubles.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(path=self.path, body=_read_body(self.headers["Content-Type"], body))
        answer = self.server.llm_server.take_answer(request)
        route = request.path.removeprefix("/openai")
        if answer.status != 200 or route not in ROUTES:
            status = 404 if answer.status == 200 else answer.status
            self._send_json(status, error_content(status))
            return
        whole, streamed = ROUTES[route]
        if request.streams:
            self._send_events(list(streamed(request, answer.usage)), answer.is_cut)
        else:
            self._send_json(200, whole(request, answer.usage), answer.is_cut)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are kept in `LLMServer.requests`, not printed."""

    def _send_json(self, status: int, content: dict[str, Any], is_cut: bool = False) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        # The packages ask again by themselves after 429 and 500: let them do so at once.
        self.send_header("Retry-After-Ms", "1")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if is_cut else data)
        self.close_connection = is_cut

    def _send_events(self, events: list[dict[str, Any]], is_cut: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events[: len(events) // 2] if is_cut else events:
            # Chat completions name no event types, the others do.
            name = f"event: {event['type']}\n" if "type" in event else ""
            self._send_chunk(f"{name}data: {json.dumps(event)}\n\n")
        if not is_cut:
            self._send_chunk("data: [DONE]\n\n")
            self._send_chunk("")
        self.close_connection = is_cut

    def _send_chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


def _read_body(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        content: dict[str, Any] = json.loads(body)
        return content
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, Any] = {}
    for part in form.get_payload():
        name = part.get_param("name", header="Content-Disposition")  # type: ignore[union-attr]
        data: Any = part.get_payload(decode=True)  # type: ignore[union-attr]
        fields[str(name)] = data if name == "file" else data.decode()
    return fields
