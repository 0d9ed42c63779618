"""Who answers in place of an authorization server and does not prove to be it: certificates for nothing, and no TLS at all."""

from __future__ import annotations

import random
import socket
import ssl
import struct
from dataclasses import dataclass

from certificates import DAY, Authority
from introspection_server import Talk, hear, tls


@dataclass(frozen=True)
class Stranger:
    """What it shows, or what it does instead of TLS."""

    ids: str
    title: str
    context: ssl.SSLContext
    talk: Talk | None = None


def strangers(authority: Authority, other: Authority, host: str, right: bytes) -> list[Stranger]:
    """All of them; `right` is an answer that would let everybody in."""
    good = authority.issue("good", host)
    certificates = [
        ("of another authority of the same name", other.issue("other", host)),
        ("for another host", authority.issue("elsewhere", f"{host}.example")),
        ("for a host below", authority.issue("below", f"login.{host}")),
        ("that has expired", authority.issue("expired", host, -2 * DAY, -DAY)),
        ("that is not valid yet", authority.issue("early", host, DAY, 2 * DAY)),
        ("that is self-signed", authority.self_signed(host)),
    ]
    all_strangers = [Stranger("SEC-372", f"a certificate {title}", tls(certificate)) for title, certificate in certificates]
    all_strangers.append(Stranger("SEC-372", "TLS 1.2, with a right certificate", tls(good, ssl.TLSVersion.TLSv1_2)))
    talks = [
        ("SEC-372", "a right answer in plain text", says(right)),
        ("SEC-372", "a right answer in plain text, before anything was asked", says(right, hears=False)),
        ("SEC-360", "the end at once", says(b"", hears=False)),
        ("SEC-360", "a reset at once", reset),
        ("SEC-360", "the end behind the hello", says(b"")),
        ("SEC-360", "the end inside of the server's hello", says(b"\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03")),
        ("SEC-360", "an alert", says(b"\x15\x03\x03\x00\x02\x02\x28")),
        ("SEC-360 SEC-447", "silence behind the hello, until the device has enough", hear),
    ]
    return all_strangers + [Stranger(ids, title, tls(good), talk) for ids, title, talk in talks]


def says(data: bytes, hears: bool = True) -> Talk:
    """Says this, when it was spoken to or at once, and ends the connection."""

    def talk(connection: socket.socket) -> bytes:
        heard = connection.recv(4096) if hears else b""
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return heard + hear(connection) if hears else heard

    return talk


def reset(connection: socket.socket) -> bytes:
    """Breaks the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return b""


def random_hello(chance: random.Random) -> Talk:
    """A record that is a handshake message at most by its first bytes, and something behind it."""
    hello = chance.randbytes(chance.randrange(4, 200))
    if chance.randrange(2):
        # The server's hello, of the right length.
        hello = b"\x02" + (len(hello) - 4).to_bytes(3, "big") + hello[4:]
    record = b"\x16\x03\x03" + len(hello).to_bytes(2, "big") + hello
    return says(record + chance.randbytes(chance.randrange(40)))
