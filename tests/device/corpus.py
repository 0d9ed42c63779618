"""Requests that two readers could understand differently, and those next to them that are plain (SEC-400 to 418).

Each is sent with an honest request right behind it. A request that is refused ends the connection: what
stands behind it is never answered (INV-7). One that is accepted leaves it open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wire import Caller, request

CHUNKED = "Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Case:
    ids: str
    title: str
    data: bytes
    statuses: tuple[tuple[int, ...], ...]
    """For each answer, the statuses that it may have; the last one is the last answer of all."""
    closes: bool | None
    """Whether the connection ends behind the last; either may be."""


def refused(ids: str, title: str, data: bytes, *statuses: int) -> Case:
    return Case(ids, title, data, (statuses or (400,),), True)


def accepted(ids: str, title: str, data: bytes, status: int = 200) -> Case:
    """Answered, and so is the honest request behind it."""
    return Case(ids, title, data, ((status,), (200,)), False)


def answered(ids: str, title: str, data: bytes, *statuses: int) -> Case:
    """Refused, whether or not the connection ends with it."""
    return Case(ids, title, data, (statuses,), None)


def cases(caller: Caller) -> list[Case]:
    honest = caller.tools_list()
    head, body = honest.split(b"\r\n\r\n", 1)
    plain = re.sub(rb"\r\nContent-Length: \d+", b"", head)
    length = len(body)

    def framed(fields: str, content: bytes = body) -> bytes:
        """The honest call with another framing; `fields` are whole lines."""
        return plain + b"\r\n" + fields.encode("latin-1") + b"\r\n" + content

    def chunks(size: str, data: bytes = body, end: bytes = b"0\r\n\r\n", after: bytes = b"\r\n") -> bytes:
        return framed(CHUNKED, size.encode("latin-1") + b"\r\n" + data + after + end)

    def with_field(line: str) -> bytes:
        return honest.replace(b"\r\nContent-Length", b"\r\n" + line.encode("latin-1") + b"\r\nContent-Length", 1)

    def with_line(line: str) -> bytes:
        return line.encode("latin-1") + honest[honest.index(b"\r\n") :]

    size = f"{length:x}"
    both = f"Content-Length: {length}\r\n"
    found = [
        accepted("SEC-400", "a length alone", framed(both)),
        accepted("SEC-400", "chunks alone", chunks(size)),
        refused("SEC-400", "a length, then chunks", framed(both + CHUNKED)),
        refused("SEC-400", "chunks, then a length", framed(CHUNKED + both, f"{size}\r\n".encode() + body + b"\r\n0\r\n\r\n")),
        refused("SEC-401", "the same length twice", framed(both * 2)),
        refused("SEC-401", "two lengths", framed(both + f"Content-Length: {length - 1}\r\n")),
    ]
    for value in (f"{length}, {length}", "", f"+{length}", "-1", f"0x{length:x}", f"{length}_0", f"0{length}", f"{length} x",
                  "9" * 20, "18446744073709551616", f"{length}.0", f"{length};", "1e1", f"\"{length}\"", f"{length}\v"):
        found.append(refused("SEC-401", f"length {value!r}", framed(f"Content-Length: {value}\r\n")))
    found.append(accepted("SEC-401", "a length within blanks", framed(f"Content-Length: \t {length} \t\r\n")))
    for value in ("xchunked", "chunked, chunked", ",chunked", "chunked, identity", "identity", "gzip, chunked", "gzip", "",
                  "chun\tked", "\x0bchunked", "chunked;q=1", "\"chunked\""):
        found.append(refused("SEC-402", f"coding {value!r}", framed(f"Transfer-Encoding: {value}\r\n", b"0\r\n\r\n"), 400, 501))
    found += [
        refused("SEC-402", "two codings", framed(CHUNKED * 2, b"0\r\n\r\n"), 400, 501),
        refused("SEC-402", "chunks in HTTP/1.0", chunks(size).replace(b"HTTP/1.1", b"HTTP/1.0"), 400, 501),
        accepted("SEC-402", "CHUNKED", framed("Transfer-Encoding: CHUNKED\r\n", f"{size}\r\n".encode() + body + b"\r\n0\r\n\r\n")),
    ]
    for name in ("X : y", " X: y", "\tX: y", ": y", "X\x01: y", "X(: y", "X\0: y", "X\x80: y", "X y: z", "X"):
        found.append(refused("SEC-403 SEC-404", f"field line {name!r}", with_field(name), 400, 431))
    found += [
        refused("SEC-404", "a folded line", with_field("X: y\r\n z")),
        refused("SEC-404", "a folded Authorization (SEC-127)", honest.replace(b"Bearer ", b"Bearer\r\n ", 1)),
        refused("SEC-404", "one bare LF", honest.replace(b"\r\nAccept", b"\nAccept", 1)),
        refused("SEC-404", "bare LF everywhere", head.replace(b"\r\n", b"\n") + b"\n\n" + body),
        refused("SEC-404", "a bare CR in a value", with_field("X: y\rZ: w")),
        refused("SEC-404", "CR CR LF", honest.replace(b"\r\nAccept", b"\r\r\nAccept", 1)),
        refused("SEC-404", "CR LF CR X", head + b"\r\n\rX" + body),
        refused("SEC-405", "a NUL in a value", with_field("X: y\0z")),
        accepted("SEC-405", "a byte beyond ASCII in a value", with_field("X: \xe9")),
    ]
    for value in ("", "0x1", "+1", "-1", "1_0", " 1", "g", "0" * 16 + "1", "fffffffffffffffff", "1 2", "\t1"):
        found.append(refused("SEC-406", f"chunk size {value!r}", chunks(value, b"{", b"0\r\n\r\n")))
    found += [
        refused("SEC-407", "a chunk line ends with LF", framed(CHUNKED, size.encode() + b"\n" + body + b"\r\n0\r\n\r\n")),
        refused("SEC-407", "a chunk line ends with CR X", framed(CHUNKED, size.encode() + b"\rX" + body + b"\r\n0\r\n\r\n")),
        refused("SEC-407", "data without its CR LF", chunks(size, after=b"X")),
        refused("SEC-407", "an empty line before the last chunk", chunks(size, end=b"\r\n0\r\n\r\n")),
        refused("SEC-407", "the last chunk ends with LF", chunks(size, end=b"0\n\n")),
        accepted("SEC-408", "a chunk extension", chunks(size + ";x=y")),
        refused("SEC-408", "an endless chunk extension", chunks(size + ";" + "x" * 5000)),
        refused("SEC-408", "a bare CR in an extension", chunks(size + ";x\ry")),
        refused("SEC-408", "a bare LF in an extension", chunks(size + ";x\ny")),
        accepted("SEC-409", "a trailer that nobody asked for", chunks(size, end=b"0\r\nX: y\r\n\r\n")),
        accepted("SEC-409", "trailers that would frame, are passed over",
                 chunks(size, end=b"0\r\nContent-Length: 3\r\nHost: evil.example\r\n\r\n")),
        refused("SEC-409", "a trailer is no credential (SEC-126)", chunks(size, end=b"0\r\nAuthorization: Bearer "
                + (caller.token or "").encode() + b"\r\n\r\n").replace(f"Authorization: Bearer {caller.token}\r\n".encode(), b"", 1), 401),
        refused("SEC-409", "10 000 trailers", chunks(size, end=b"0\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")),
    ]
    for line in ("POST\t/mcp HTTP/1.1", "POST  /mcp HTTP/1.1", "POST /mcp  HTTP/1.1", "POST /mcp", "POST HTTP/1.1", "/mcp HTTP/1.1",
                 "POST /mcp HTTP/1.32", "POST /mcp HTTP/01.1", "POST /mcp HTTP/2.0", "POST /mcp HTTP/257.1", "POST /mcp http/1.1",
                 "POST /mcp HTTP/1.1 ", " POST /mcp HTTP/1.1", "POST /mcp HTTP/1", "POST /mcp HTTP/1.", "POST /m\x01cp HTTP/1.1"):
        found.append(refused("SEC-410", f"request line {line!r}", with_line(line), 400, 404, 505))
    for method in ("PO(ST", "P\x80ST", "", "PO\0ST"):
        found.append(refused("SEC-411", f"method {method[:12]!r}", with_line(f"{method} /mcp HTTP/1.1"), 400, 501, 405))
    found.append(refused("SEC-411", "a method as long as a line", with_line(f"{'POST' * 256} /mcp HTTP/1.1"), 414))
    for method in ("post", "PUT", "POS", "POSTX"):
        found.append(accepted("SEC-411", f"method {method!r} is another one", with_line(f"{method} /mcp HTTP/1.1"), 405))
    for target in ("/m\x80cp", "http://evil.example/mcp", "//evil.example/mcp", "/mcp#x", "\\mcp", "evil.example:80", "mcp"):
        line = f"POST {target} HTTP/1.1"
        found.append(answered("SEC-412", f"target {target!r}", with_line(line), 400, 403, 404, 421))
    found += [
        answered("SEC-413", "Host is missing", re.sub(rb"Host: [^\r]*\r\n", b"", honest), 400, 403, 421),
        answered("SEC-413", "Host twice", honest.replace(b"Accept", f"Host: {caller.host}\r\nAccept".encode(), 1), 400, 403, 421),
    ]
    for host in ("", f"{caller.host}, {caller.host}", f"{caller.host}/mcp", f"a@{caller.host}", "evil.example", "127.0.0.1:0x50"):
        foreign = re.sub(rb"Host: [^\r]*", b"Host: " + host.encode(), honest)
        found.append(answered("SEC-413 SEC-385", f"Host {host!r}", foreign, 400, 403, 421))
    smuggled = caller.set_led(True)
    found += [
        Case("SEC-414", "a request inside of the body of GET",
             request("", smuggled, "GET", host=caller.host).replace(b"Host", b"Accept: text/event-stream\r\nAuthorization: Bearer "
                     + (caller.token or "").encode() + b"\r\nHost", 1), ((405,), (200,)), False),
        Case("SEC-414", "a request inside of an unauthorized body", request("Content-Type: application/json\r\n", smuggled, host=caller.host),
             ((401,), (200,)), False),
        Case("SEC-414", "two requests in one packet", honest, ((200,), (200,)), False),
        Case("SEC-415", "garbage behind a valid request", honest + b"GARBAGE\r\n\r\n", ((200,), (400,)), True),
        refused("SEC-417", "an unknown expectation", with_field("Expect: 200-ok"), 417),
        accepted("SEC-417", "an expectation that is met", with_field("Expect: 100-continue")),
        refused("SEC-417", "an expectation with too large a body", framed("Expect: 100-continue\r\nContent-Length: 1000000\r\n", b""), 413),
        accepted("SEC-418", "an upgrade is passed over", with_field("Connection: upgrade\r\nUpgrade: h2c")),
        refused("SEC-418", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused("SEC-442", "10 000 short fields", with_field("\r\n".join(["X: y"] * 10_000)), 431),
        refused("SEC-442", "one field of 16 KiB", with_field("X: " + "y" * 16_384), 431),
        refused("SEC-443", "4 GiB announced", framed("Content-Length: 4294967296\r\n", b""), 413),
        refused("SEC-443", "2^64 - 1 announced", framed("Content-Length: 18446744073709551615\r\n", b""), 413),
        refused("SEC-443", "chunks without end", framed(CHUNKED, (b"100\r\n" + b" " * 256 + b"\r\n") * 100), 413),
        refused("SEC-443", "a chunk of 4 GiB", chunks("ffffffff", b" " * 8000), 413),
    ]
    return found
