"""A client in raw bytes: what it sends is not tidied, and answers are read strictly."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from report import Failure

ANSWER_SECS_MAX = 20
# No more than two connections wait for the emulator to accept them. Who comes then is passed over by the system, which
# asks again after a whole second; on loopback everybody else is connected at once.
CONNECT_SECS_MAX = 0.1
MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"


def connected(port: int, timeout: float, receive_len: int | None) -> socket.socket:
    """A connection to the emulator's port, begun anew whenever it was passed over."""
    deadline = time.monotonic() + timeout
    while True:
        own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_len is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_len)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        own.settimeout(min(CONNECT_SECS_MAX, timeout))
        try:
            own.connect(("127.0.0.1", port))
            return own
        except OSError as error:
            own.close()
            if not isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise


@dataclass(frozen=True)
class Answer:
    """One answer: status, fields in their order, content."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: bytes

    def field(self, name: str) -> str | None:
        values = [value for own, value in self.fields if own.lower() == name.lower()]
        if len(values) > 1:
            raise Failure(f"{name} is there {len(values)} times")
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.content)


class Connection:
    """One TCP connection to the device."""

    def __init__(self, port: int, timeout: float = ANSWER_SECS_MAX, receive_len: int | None = None) -> None:
        self.socket = connected(port, timeout, receive_len)
        self.socket.settimeout(timeout)
        self.received = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_while_open(self, data: bytes | str) -> None:
        """Sends as much as is taken: a device may close before it has everything."""
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _more(self) -> bool:
        try:
            more = self.socket.recv(65536)
        except ConnectionResetError:
            more = b""
        self.received += more
        return bool(more)

    def _until(self, end: bytes) -> bytes | None:
        while end not in self.received:
            if not self._more():
                return None
        before, _, self.received = self.received.partition(end)
        return before

    def answer(self, is_head: bool = False) -> Answer | None:
        """The next answer; nothing when the connection is at its end. Interim answers are passed over."""
        while True:
            head = self._until(b"\r\n\r\n")
            if head is None:
                if self.received:
                    raise Failure(f"the connection ends inside of an answer: {self.received[:80]!r}")
                return None
            line, *lines = head.decode("latin-1").split("\r\n")
            if not (status_line := re.fullmatch(r"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*", line)):
                raise Failure(f"no status line: {line[:80]!r}")
            status = int(status_line[1])
            fields = []
            for each in lines:
                if not (parts := re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~]*)", each)):
                    raise Failure(f"no field line: {each[:80]!r}")
                fields.append((parts[1], parts[2]))
            if status >= 200:
                break
        answer = Answer(status, tuple(fields), b"")
        length = answer.field("content-length")
        if length is None and status != 204 or answer.field("transfer-encoding"):
            raise Failure(f"an answer of status {status} without a length")
        if is_head or length is None:
            return answer
        while len(self.received) < int(length):
            if not self._more():
                raise Failure(f"the connection ends after {len(self.received)} of {length} bytes")
        content, self.received = self.received[: int(length)], self.received[int(length) :]
        return Answer(status, tuple(fields), content)

    def reply(self, data: bytes) -> Answer | None:
        """The answer to one more request; nothing when the connection ended before it was taken."""
        self.send_while_open(data)
        return self.answer()

    def statuses(self, most: int) -> tuple[list[int], bool]:
        """The status of each answer, and whether the device ended the connection behind the last."""
        statuses: list[int] = []
        while len(statuses) <= most:
            answer = self.answer()
            if answer is None:
                return statuses, True
            statuses.append(answer.status)
            if len(statuses) == most and not self.is_closed(0.3):
                return statuses, False
        return statuses, False

    def is_closed(self, within: float) -> bool:
        """Whether the device ends the connection in this time, without another byte."""
        if self.received:
            return False
        self.socket.settimeout(within)
        try:
            return not self._more()
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(ANSWER_SECS_MAX)

    def readable(self, within: float) -> bool:
        return bool(self.received) or bool(select.select([self.socket], [], [], within)[0])

    def reset(self) -> None:
        """Breaks the connection off with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def request(fields: str, body: str | bytes = b"", method: str = "POST", target: str = "/mcp", host: str = "") -> bytes:
    """A request in the usual form; `fields` are whole lines."""
    raw = body.encode() if isinstance(body, str) else body
    length = f"Content-Length: {len(raw)}\r\n" if raw or method == "POST" else ""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n".encode() + raw


def accept(token: str | None) -> str:
    """The fields that every call has."""
    authorization = f"Authorization: Bearer {token}\r\n" if token is not None else ""
    return f"{authorization}Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Caller:
    """Makes calls to one device in either era of the protocol."""

    host: str
    token: str | None

    def modern(self, method: str, params: dict[str, Any] | None = None, fields: str = "", pad: int = 0) -> bytes:
        """A call of the stateless revision, with its mirrored fields; `pad` blanks behind the body."""
        own = {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN,
                         "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
                         "io.modelcontextprotocol/clientCapabilities": {}}}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": own | (params or {})}
        name = f"Mcp-Name: {params['name']}\r\n" if params and "name" in params else ""
        mirrored = f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n{name}"
        body = json.dumps(message, separators=(",", ":")) + " " * pad
        return request(accept(self.token) + mirrored + fields, body, host=self.host)

    def handshake(self, method: str, params: dict[str, Any] | None = None, fields: str = "") -> bytes:
        """A call of a handshake revision."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        version = f"MCP-Protocol-Version: {HANDSHAKE}\r\n"
        body = json.dumps(message, separators=(",", ":"))
        return request(accept(self.token) + version + fields, body, host=self.host)

    def tools_list(self) -> bytes:
        return self.modern("tools/list")

    def set_led(self, on: bool) -> bytes:
        return self.modern("tools/call", {"name": "set_led", "arguments": {"on": on}})


def ask(port: int, data: bytes, within: float = ANSWER_SECS_MAX) -> Answer:
    """One request on a connection of its own.

    A device without a free socket turns a connection away; the client tries again until the time is over.
    """
    deadline = time.monotonic() + within
    while True:
        left = deadline - time.monotonic()
        try:
            with Connection(port, max(left, 0.05)) as connection:
                connection.send(data)
                if (answer := connection.answer()) is not None:
                    return answer
            why = "closed without an answer"
        except (ConnectionError, BrokenPipeError) as error:
            why = type(error).__name__
        except TimeoutError:
            why = "no answer"
        if time.monotonic() >= deadline:
            raise Failure(f"{why} within {within} s")
        time.sleep(0.02)
