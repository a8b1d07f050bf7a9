"""Real targets of notifications on the loopback: a webhook and a mail server that keep what they get."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Answers every request with `status`, and keeps the messages it took."""

    port: int = 0
    status: int = 200
    location: str | None = None
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    @property
    def url(self) -> str:
        return f"json://user:pass4word@127.0.0.1:{self.port}/secret-path"

    @property
    def bodies(self) -> list[str]:
        return [message["message"] for message in self.taken]


@contextmanager
def webhook() -> Iterator[Webhook]:
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.asked += 1
            if kept.status == 200:
                kept.taken.append(json.loads(body))
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_port
    with running(server):
        yield kept


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Port and mails of a server that speaks as much of RFC 5321 as a sender needs."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                verb = line.split(b" ")[0].strip().upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    body = iter(self.rfile.readline, b".\r\n")
                    mails.append(b"".join(body).decode())
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    with running(server):
        yield server.server_address[1], mails


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
