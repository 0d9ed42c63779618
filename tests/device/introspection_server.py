"""An introspection endpoint over TLS (RFC 7662), honest until it is told what to do with the next questions or connections.

Written apart from the project's own authorization server, which has no reason to lie.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import parse_qs

from certificates import Certificate
from report import Failure

PATH = "/introspect"
LIFETIME_SECS = 600
# A peer that says nothing for so long is given up.
PATIENCE_SECS = 60


@dataclass(frozen=True)
class Question:
    """One request as it came."""

    line: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)

    @property
    def token(self) -> str:
        return self.form["token"][0]


# What is said to a question: all at once, or as the function does it. Behind it the connection stays open.
Act = bytes | Callable[[socket.socket], None]
# What is done with a connection instead of TLS; gives what was heard.
Talk = Callable[[socket.socket], bytes]


class IntrospectionServer:
    """Listens on a port of loopback; a context that ends all connections."""

    def __init__(self, issuer: str, certificate: Certificate) -> None:
        self.issuer, self.resource = issuer, ""
        self.questions: list[Question] = []
        self.connections = self.handshakes = 0
        # What was heard without TLS, and what went wrong here.
        self.overheard = b""
        self.errors: list[str] = []
        self.acts: deque[Act] = deque()
        self._context = tls(certificate)
        self._talk: Talk | None = None
        self._open: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> IntrospectionServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.hang_up()

    def shows(self, context: ssl.SSLContext, talk: Talk | None = None) -> None:
        """Whom the following connections meet; those that there are end."""
        self._context, self._talk = context, talk
        self.hang_up()

    def hang_up(self) -> None:
        """Ends all connections, and waits until what is done with them is done."""
        for thread, connection in list(self._open.items()):
            try:
                # Not that of TLS, which another thread is using.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass
            thread.join(PATIENCE_SECS)

    def facts(self, **changes: Any) -> dict[str, Any]:
        """What is said of a good token, unless a member is changed (`None` leaves it out)."""
        now = int(time.time())
        facts = {
            "active": True, "iss": self.issuer, "aud": self.resource, "sub": "somebody", "client_id": "tests",
            "scope": "device:read", "token_type": "Bearer", "iat": now, "exp": now + LIFETIME_SECS,
        } | changes
        return {name: value for name, value in facts.items() if value is not None}

    def active(self, **changes: Any) -> bytes:
        return json.dumps(self.facts(**changes), separators=(",", ":")).encode()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._open[thread] = connection
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        context, talk = self._context, self._talk
        try:
            connection.settimeout(PATIENCE_SECS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if talk is not None:
                self.overheard += talk(connection)
                return
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open[threading.current_thread()] = connection
            connection.do_handshake()
            self.handshakes += 1
            self._converse(connection)
        except OSError:
            # The peer has had enough, which is its right; what it said before is kept.
            pass
        except Exception as error:  # told by whoever started this server
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            del self._open[threading.current_thread()]
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        while (question := read_question(connection)) is not None:
            self.questions.append(question)
            act = self.acts.popleft() if self.acts else answer(self.active())
            if callable(act):
                act(connection)
            else:
                connection.sendall(act)


def tls(certificate: Certificate, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Shows this certificate, and speaks this version only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def read_question(connection: socket.socket) -> Question | None:
    """The next request, in the one form that a device has; nothing at the end."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(4096)):
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    fields = tuple((name, value) for name, _, value in (each.partition(": ") for each in lines))
    if not (length := re.fullmatch(r"[0-9]+", dict(fields).get("Content-Length", ""))):
        raise Failure(f"a question without a length: {line}")
    while len(body) < int(length[0]):
        if not (more := connection.recv(4096)):
            return None
        body += more
    return Question(line, fields, body)


def hear(connection: socket.socket) -> bytes:
    """Everything that comes until the peer goes away."""
    heard = b""
    while more := connection.recv(4096):
        heard += more
    return heard


def answer(body: bytes, status: str = "200 OK", fields: str = "Content-Type: application/json\r\n") -> bytes:
    """An answer with a length."""
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body
