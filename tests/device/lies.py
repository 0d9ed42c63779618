"""What an authorization server that proves who it is can still say: answers that admit nobody, and their good twins.

The status of each is what `core/src/introspection.rs` says becomes of it: 401 when the server was asked and does not say
that the token is active and for this device, 503 when it could not be asked, 403 when the token is good for less.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any, Callable

from introspection_server import Act, IntrospectionServer, answer, hear

JSON = "Content-Type: application/json\r\n"
# How much and how long a server goes on by itself, if nobody stops it.
ENDLESS_LEN, ENDLESS_SECS = 64 << 20, 60


@dataclass(frozen=True)
class Lie:
    """One answer, and what the device makes of it."""

    ids: str
    title: str
    act: Act
    status: int
    # Whether the verdict is remembered. If not, the same token is asked about once more, and the server is honest.
    kept: bool = False
    # Nothing of it is an answer, so that on a connection that was used before, the device would ask once more.
    says_nothing: bool = False


def ends(data: bytes) -> Act:
    """Says this and ends the connection."""

    def act(connection: socket.socket) -> None:
        connection.sendall(data)
        socket.socket.shutdown(connection, socket.SHUT_RDWR)

    return act


def in_the_clear(data: bytes) -> Act:
    """Says this past TLS, as anybody on the way can."""
    return lambda connection: socket.socket.sendall(connection, data)


def in_pieces(data: bytes, pause_secs: float) -> Act:
    """A byte in each record, with a pause behind it; stops when nobody listens."""

    def act(connection: socket.socket) -> None:
        deadline = time.monotonic() + ENDLESS_SECS
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
            time.sleep(pause_secs)
            if time.monotonic() > deadline:
                raise ValueError("nobody ends what comes byte by byte")

    return act


def endless(head: bytes, piece: bytes) -> Act:
    """The same over and over; stops when nobody listens."""

    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(ENDLESS_LEN // len(piece)):
            connection.sendall(piece)
        raise ValueError("nobody ends what has no end")

    return act


def silent(data: bytes) -> Act:
    """Says this, and then nothing more."""

    def act(connection: socket.socket) -> None:
        connection.sendall(data)
        hear(connection)

    return act


def refusals(server: IntrospectionServer, elsewhere: str) -> list[Lie]:
    """The server could not be asked, whatever it says beside: the body is always a right one."""
    body = server.active()
    lies = [
        Lie("SEC-360 SEC-371", f"{status}, to another server", answer(body, status, f"{JSON}Location: {elsewhere}\r\n"), 503)
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Elsewhere", "308 Elsewhere")
    ]
    lies += [
        Lie("SEC-360", f"{status}, with a right body", answer(body, status, f"{JSON}Retry-After: 1\r\n"), 503)
        for status in ("201 Made", "400 Bad", "401 Unauthorized", "403 Forbidden", "429 Slow", "500 Oops", "503 Busy", "599 Odd")
    ]
    return lies + [
        Lie("SEC-360", "204 without a body", b"HTTP/1.1 204 No Content\r\n\r\n", 503),
        Lie("SEC-361", "HTML", answer(b"<html>busy</html>", fields="Content-Type: text/html\r\n"), 503),
        Lie("SEC-361", "right, but said to be HTML", answer(body, fields="Content-Type: text/html\r\n"), 503),
        Lie("SEC-361", "right, but of no type", answer(body, fields=""), 503),
        Lie("SEC-361", "right, but of two types", answer(body, fields=JSON + JSON), 503),
        Lie("SEC-360", "right, but compressed", answer(body, fields=f"{JSON}Content-Encoding: gzip\r\n"), 503),
    ]


def bodies(server: IntrospectionServer) -> list[Lie]:
    """Said to be JSON, and not one object that says `active` once, as a boolean (SEC-361)."""
    right = server.active()
    members = right.removeprefix(b'{"active":true').removesuffix(b"}")
    facts = server.facts()

    def of(**changes: Any) -> bytes:
        return json.dumps(facts | changes).encode()

    said = [
        ("an empty body", b""),
        ("an empty object", b"{}"),
        ("HTML that is said to be JSON", b"<html>busy</html>"),
        ("a right answer in an array", b"[" + right + b"]"),
        ("a number", b"1"),
        ("null", b"null"),
        ("true", b"true"),
        ("a text", json.dumps(right.decode()).encode()),
        ("active twice, true first", b'{"active":true,"active":false' + members + b"}"),
        ("active twice, false first", b'{"active":false,"active":true' + members + b"}"),
        ("active twice, the second one spelled with an escape", rb'{"active":false,"\u0061ctive":true' + members + b"}"),
        ("active twice, both spelled with escapes", rb'{"\u0061ctive":false,"activ\u0065":true' + members + b"}"),
        ("aud twice", right.removesuffix(b"}") + rb',"au\u0064":"x"}'),
        ("active is no boolean but a text", of(active="true")),
        ("active is a number", of(active=1)),
        ("active is null", of(active=None)),
        ("active is an array", of(active=[True])),
        ("active is missing", server.active(active=None)),
        ("ACTIVE", right.replace(b'"active"', b'"ACTIVE"')),
        ("True", right.replace(b"true", b"True")),
        ("two objects", right + right),
        ("a comma too many", right.removesuffix(b"}") + b",}"),
        ("a mark for the order of bytes", b"\xef\xbb\xbf" + right),
        ("no UTF-8", of(sub="X").replace(b"X", b"\xff")),
        ("half of a surrogate pair", of(sub="X").replace(b"X", rb"\ud800")),
        ("a zero byte in a text", of(sub="X").replace(b"X", b"\0")),
        ("1 000 levels", b'{"active":true,"x":' + b"[" * 1000),
        ("one level too many", of(x=nested(8))),
        ("exp is a text", of(exp=str(facts["exp"]))),
        ("exp is negative", of(exp=-1)),
        ("exp is a fraction", of(exp=facts["exp"] + 0.5)),
        ("exp is beyond all numbers", right.replace(str(facts["exp"]).encode(), b"9" * 40)),
        ("aud is a number", of(aud=1)),
        ("scope is an array", of(scope=["device:read"])),
    ]
    cut = [len(right) * part // 4 for part in (1, 2, 3)] + [len(right) - 1]
    said += [(f"a right answer, {at} of {len(right)} bytes of it", right[:at]) for at in cut]
    return [Lie("SEC-361", title, answer(body), 401) for title, body in said]


def nested(levels: int) -> list[Any]:
    inside: list[Any] = []
    for _ in range(levels - 1):
        inside = [inside]
    return inside


def facts(server: IntrospectionServer) -> list[Lie]:
    """Active, and not for this device, not now, or not for this (SEC-362); what is definite is remembered."""
    now, issuer = int(time.time()), "https://elsewhere.example"

    def of(title: str, status: int, kept: bool, **changes: Any) -> Lie:
        return Lie("SEC-362", title, answer(server.active(**changes)), status, kept)

    return [
        of("not active", 401, True, active=False),
        of("of another resource", 401, True, aud="https://elsewhere.example/mcp"),
        of("of a resource that begins alike", 401, True, aud=server.resource + "/x"),
        of("of several resources", 401, True, aud=[server.resource, "https://elsewhere.example/mcp"]),
        of("of no resource", 401, True, aud=None),
        of("of another issuer", 401, True, iss=issuer),
        of("of an issuer with a slash more", 401, True, iss=server.issuer + "/"),
        of("without an end", 401, False, exp=None),
        of("past its end", 401, False, iat=now - 4000, exp=now - 3600),
        of("not yet", 401, True, nbf=now + 1000),
        of("longer than a token may live", 401, True, exp=now + 10 * 365 * 86400),
        of("of the type mac", 401, False, token_type="mac"),
        of("of the type DPoP", 401, True, token_type="DPoP"),
        of("bound to a key", 401, True, cnf={"jkt": "x"}),
        of("with another scope", 403, True, scope="device:write"),
        of("with a scope that begins alike", 403, True, scope="device:reader"),
        of("without a scope", 403, True, scope=None),
    ]


def framing(server: IntrospectionServer) -> list[Lie]:
    """Where an answer ends is not known, or beyond what there is room for (SEC-360, SEC-420)."""
    body = server.active()
    length, half = len(body), len(body) // 2
    head = f"HTTP/1.1 200 OK\r\n{JSON}"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    whole = answer(body)

    def with_length(announced: int) -> bytes:
        return f"{head}Content-Length: {announced}\r\n\r\n".encode() + body

    def chunks(size: str) -> bytes:
        return chunked + f"{size}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    bad = [
        ("two lengths", f"{head}Content-Length: 5\r\nContent-Length: {length}\r\n\r\n".encode() + body),
        ("a length beside chunks", f"{head}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
         + chunks(f"{length:x}").removeprefix(chunked)),
        ("no length", f"{head}\r\n".encode() + body),
        ("a length with a sign", with_length(length).replace(b"Length: ", b"Length: +")),
        ("a length that is no number", f"{head}Content-Length: many\r\n\r\n".encode() + body),
        ("a length of 1 MiB", with_length(1 << 20)),
        ("a length of 2^64", with_length(1 << 64)),
        ("a size of a chunk with 0x", chunks(f"0x{length:x}")),
        ("a size of a chunk with a sign", chunks(f"-{length:x}")),
        ("a size of a chunk without digits", chunks("")),
        ("a size of a chunk of 2^64", chunks("10000000000000000")),
        ("a chunk that is longer than its size", chunks(f"{half:x}")),
        ("204 with a body", with_length(length).replace(b"200 OK", b"204 No")),
        ("interim answers without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        ("a switch to another protocol", b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n" + whole),
        ("lines that end in LF alone", whole.replace(b"\r\n", b"\n")),
        ("a field that goes on in the next line", whole.replace(b"Content-Length", b" x: y\r\nContent-Length")),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("binary garbage", bytes(range(256)) * 4),
        ("bytes before the answer", b"\r\n\r\n" + whole),
    ]
    lies = [Lie("SEC-420 SEC-522", title, data, 503) for title, data in bad]
    # These go on until the device ends the connection, and fail when it does not.
    lies += [
        Lie("SEC-522", "chunks without end", endless(chunked, b"100\r\n" + b" " * 256 + b"\r\n"), 503),
        Lie("SEC-522", "a size of a chunk without end", endless(chunked, b"0" * 1024), 503),
        Lie("SEC-522", "a head without end", endless(head.encode(), b"X: y\r\n" * 100), 503),
        Lie("SEC-360", "a byte per second", in_pieces(whole, 1.0), 503),
        Lie("SEC-360", "silence", silent(b""), 503),
        Lie("SEC-360", "a body that is shorter than announced, then silence", silent(with_length(length + 1)), 503),
        Lie("SEC-360", "a body that is shorter than announced, then the end", ends(with_length(length + 1)), 503),
        Lie("SEC-361", "a body that is longer than announced", with_length(length - 1), 401),
        Lie("SEC-360", "no length, and the end", ends(f"{head}Connection: close\r\n\r\n".encode() + body), 503),
        Lie("SEC-360", "the end instead of an answer", ends(b""), 503, says_nothing=True),
    ]
    lies += [Lie("SEC-360", f"the end behind {at} bytes", ends(whole[:at]), 503) for at in (1, 40, len(whole) - 1)]
    return lies


def records() -> list[Lie]:
    """Behind the handshake, by whoever is on the way: nothing of this needs a key (SEC-522)."""
    finished = b"\x16\x03\x03\x00\x24\x14\x00\x00\x20" + bytes(32)
    said = [
        ("a handshake message in the clear", finished),
        ("an empty sealed record", b"\x17\x03\x03\x00\x00"),
        ("a sealed record that is too short for its tag", b"\x17\x03\x03\x00\x10" + bytes(16)),
        ("a sealed record of another key", b"\x17\x03\x03\x00\x20" + bytes(32)),
        ("a sealed record that is too long", b"\x17\x03\x03\x41\x01" + bytes(0x4101)),
        ("a sealed record that is longer than was asked for", b"\x17\x03\x03\x20\x00" + bytes(0x2000)),
        ("an alert in the clear", b"\x15\x03\x03\x00\x02\x02\x28"),
        ("a record of no kind", b"\x63\x03\x03\x00\x20" + bytes(32)),
        ("a right answer in the clear", b"HTTP/1.1 200 OK\r\n\r\n"),
    ]
    return [Lie("SEC-522", f"past TLS: {title}", in_the_clear(data), 503, says_nothing=True) for title, data in said]


def sizes(server: IntrospectionServer, body_max: int, section_max: int, fields_max: int) -> list[Lie]:
    """Right answers up to what there is room for, and beyond."""
    body = server.active()

    def padded(size: int) -> bytes:
        return answer(body + b" " * (size - len(body)))

    def section(size: int) -> bytes:
        pad = size - (len(answer(body)) - len(body)) - len("X: \r\n")
        return answer(body, fields=f"{JSON}X: {'y' * pad}\r\n")

    def fields(count: int) -> bytes:
        return answer(body, fields=JSON + "X: y\r\n" * (count - 2))

    kinds: list[tuple[str, Callable[[int], bytes], int]] = [
        ("a body", padded, body_max), ("a head", section, section_max), ("fields", fields, fields_max),
    ]
    return [
        # Such a body is too long to be remembered.
        Lie("LIM-11 SEC-522", f"{what} of {size}", make(size), *((200, what != "a body") if size <= largest else (503, False)))
        for what, make, largest in kinds
        for size in (largest - 1, largest, largest + 1)
    ]


def twins(server: IntrospectionServer) -> list[Lie]:
    """Right answers in all ways to say them, so that not everything is refused."""
    body = server.active()
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    chunks = b"".join(f"{len(piece):x};a=b\r\n".encode() + piece + b"\r\n" for piece in pieces)
    chunked = f"HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n".encode()
    said: list[tuple[str, Act]] = [
        ("with a length", answer(body)),
        ("in chunks", chunked + chunks + b"0\r\nT: x\r\n\r\n"),
        ("behind an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n" + answer(body)),
        ("a byte in each record", in_pieces(answer(body), 0)),
        ("and the end of the connection", ends(answer(body))),
        ("the last one of its connection", answer(body, fields=f"{JSON}Connection: close\r\n")),
        ("with a character set", answer(body, fields="content-type: application/json; charset=utf-8\r\n")),
        ("active spelled with an escape", answer(body.replace(b'"active"', rb'"\u0061ctive"'))),
        ("as many levels as may be", answer(server.active(x=nested(7)))),
        ("for a list of one resource", answer(server.active(aud=[server.resource]))),
        ("without an issuer", answer(server.active(iss=None))),
        ("without a type", answer(server.active(token_type=None))),
        ("of the type bearer", answer(server.active(token_type="bearer"))),
        ("with members that nobody knows", answer(server.active(x={"active": False}, y=[None, "active", 1.5e300]))),
        ("with white space", answer(b" \r\n\t" + body.replace(b",", b" ,\n"))),
    ]
    return [Lie("SEC-361", f"right, {title}", act, 200, kept=True) for title, act in said]
