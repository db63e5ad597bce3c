"""A TCP proxy in front of PostgreSQL that counts round trips and can play a dead server."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType

from sqlalchemy.engine import URL


class TcpProxy:
    """Forwards 127.0.0.1:`port` to the server of `url`, which listens on a Unix socket or on TCP.

    `round_trips` counts how often a client spoke after the server had had the last word: with one statement
    sent and awaited at a time that is the number of statements, with a pipeline it is one.
    """

    def __init__(self, url: URL) -> None:
        self._target = url
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        self.cuts = 0
        """How often cut_after() and cut_at_answer_to() came to pass."""
        self._sockets: list[socket.socket] = []
        self._is_away = False
        self._speaks = threading.Event()
        self._speaks.set()
        self.connections = 0
        """How many were accepted."""
        self._client_bytes_until_cut: int | None = None
        self._request_without_answer: bytes | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> URL:
        """The target's URL through this proxy; TLS and GSS are off, as they would add round trips."""
        return self._target.set(
            host="127.0.0.1", port=self.port, query={"sslmode": "disable", "gssencmode": "disable"}
        )

    def __enter__(self) -> "TcpProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuses new connections and cuts those there are: a server that is away."""
        self.speak()
        _end(self._listener)
        self.cut()

    def cut(self) -> None:
        """Cuts the connections there are, and goes on accepting new ones: a server that was restarted."""
        for open_socket in tuple(self._sockets):
            _end(open_socket)
        self._sockets.clear()

    def go_away(self) -> None:
        """Cuts all connections, new ones at once, until come_back(): a server that keeps its address."""
        self._is_away = True
        self.cut()

    def fall_silent(self) -> None:
        """Accepts, and passes nothing on until speak(): a server that hangs, or packets that are dropped."""
        self._speaks.clear()

    def speak(self) -> None:
        self._speaks.set()

    def come_back(self) -> None:
        self._is_away = False

    def cut_after(self, client_bytes: int) -> None:
        """Cuts once, when this much more came from clients: a network that breaks in the middle."""
        with self._lock:
            self._client_bytes_until_cut = client_bytes

    def cut_at_answer_to(self, request: bytes) -> None:
        """Cuts once, where the server answers to what holds `request`: it has done it, and nobody hears."""
        with self._lock:
            self._request_without_answer = request

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._is_away:
                    raise ConnectionRefusedError
                server = self._connect()
            except OSError:  # the server is away itself
                _end(client)
                continue
            self._sockets += [client, server]
            if self._is_away:
                # It went away while this one was being connected, and cut those that it knew of.
                self.cut()
                continue
            self.connections += 1
            spoken_last: list[str] = []
            for source, sink, name in ((client, server, "client"), (server, client, "server")):
                threading.Thread(
                    target=self._forward, args=(source, sink, name, spoken_last), daemon=True
                ).start()

    def _connect(self) -> socket.socket:
        host = self._target.host or str(self._target.query["host"])
        port = self._target.port or 5432
        if Path(host).is_absolute():
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(Path(host) / f".s.PGSQL.{port}"))
            return server
        return socket.create_connection((host, port))

    def _forward(self, source: socket.socket, sink: socket.socket, name: str, spoken_last: list[str]) -> None:
        while True:
            try:
                data = source.recv(65536)
                if not data:
                    raise OSError
                self._speaks.wait()
                with self._lock:
                    if name == "client" and spoken_last != ["client"]:
                        self.round_trips += 1
                    is_answer_lost = spoken_last == ["unheard"] and name == "server"
                    spoken_last[:] = ["unheard" if self._is_unheard(name, data) else name]
                    passed_on = self._until_cut(name, data)
                    is_cut = is_answer_lost or len(passed_on) < len(data)
                    self.cuts += is_cut
                if not is_answer_lost:
                    sink.sendall(passed_on)
                if is_cut:
                    raise OSError
            except OSError:
                for end in (source, sink):
                    with contextlib.suppress(OSError):  # closed already
                        end.shutdown(socket.SHUT_RDWR)
                return

    def _is_unheard(self, name: str, data: bytes) -> bool:
        request = self._request_without_answer
        if name != "client" or request is None or request not in data:
            return False
        self._request_without_answer = None
        return True

    def _until_cut(self, name: str, data: bytes) -> bytes:
        if name != "client" or self._client_bytes_until_cut is None:
            return data
        passed_on = data[: self._client_bytes_until_cut]
        self._client_bytes_until_cut -= len(passed_on)
        if len(passed_on) < len(data):
            self._client_bytes_until_cut = None
        return passed_on


def _end(open_socket: socket.socket) -> None:
    # Shut down first: closing alone does not wake the thread that waits for it.
    with contextlib.suppress(OSError):  # the other side was faster
        open_socket.shutdown(socket.SHUT_RDWR)
    open_socket.close()
