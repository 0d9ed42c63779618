"""The matrix: every column, who meets whom, and why not. Nothing depends on the order of columns but the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import behind_proxy
import demo
import desktop_server
import device_server
import sdk_servers
from authorization import OTHERS, OURS as OURS_ON_SQLITE
from clients import CLIENTS, OURS, Client, Outcome
from columns import Column


def _device(name: str, title: str, issuer: str, token_format: str) -> Column:
    """The microcontroller: it is one device with few connections."""
    return Column(
        name,
        f"microcontroller, {title}",
        device_server.start,
        issuer,
        token_format,
        host="127.0.0.1",
        open_tool="read_temperature",
        base=device_server.READ,
        further=device_server.WRITE,
        image="introspecting" if token_format == "opaque" else "firmware",
        one_at_a_time=True,
    )


COLUMNS = (
    Column("desktop-offline", "desktop server offline × ours on SQLite", desktop_server.start, OURS_ON_SQLITE, "hs256"),
    Column("desktop-asking", "desktop server introspection × ours on SQLite", desktop_server.start, OURS_ON_SQLITE, "opaque"),
    Column("desktop-keys", "desktop server, published keys × oidc-provider", desktop_server.start, OTHERS, "jwt"),
    Column("desktop-asking-others", "desktop server introspection × oidc-provider", desktop_server.start, OTHERS, "opaque"),
    Column("demo-legacy", "demo --legacy", demo.start, legacy=True),
    Column("demo-hidden", "demo --legacy, RFC 9728 hidden", demo.start, legacy=True, hidden=True),
    Column("demo-offline", "demo --verify offline", demo.start),
    Column("demo-jwks", "demo --verify jwks", demo.start),
    Column("proxy-others", "protect, TypeScript server × oidc-provider", behind_proxy.start, OTHERS, "jwt"),
    Column("proxy-ours", "protect, TypeScript server × ours on SQLite", behind_proxy.start, OURS_ON_SQLITE, "hs256"),
    _device("device-others", "verifies tokens × oidc-provider", OTHERS, "hs256"),
    _device("device-ours", "verifies tokens × ours on SQLite", OURS_ON_SQLITE, "hs256"),
    _device("device-asking-others", "asks about tokens × oidc-provider", OTHERS, "opaque"),
    _device("device-asking-ours", "asks about tokens × ours on SQLite", OURS_ON_SQLITE, "opaque"),
    Column(
        sdk_servers.PYTHON,
        "Python SDK 2.x server × its own",
        sdk_servers.start,
        one_scope="the SDK's middleware asks the same scopes of every call",
        theirs=True,
    ),
    Column(sdk_servers.TYPESCRIPT, "TypeScript SDK 1.x server × its own", sdk_servers.start, theirs=True),
)


@dataclass(frozen=True)
class Absent:
    """Cells that are left out."""

    why: str
    leaves_out: Callable[[Client, Column], bool]


ABSENT = (
    Absent(
        "nothing is between a client that is a program and the server to hide what RFC 9728 adds",
        lambda client, column: column.hidden and client.language == "program",
    ),
    Absent(
        "the SDKs' clients and the SDKs' servers are for their makers to test",
        lambda client, column: column.theirs and client not in OURS,
    ),
    Absent(
        "the server speaks the handshake revisions only, this client 2026-07-28 only",
        lambda client, column: column.name == sdk_servers.TYPESCRIPT and client.version == "desktop_client",
    ),
    Absent(
        "the columns of the desktop server show the same for this client",
        lambda client, column: column.name in ("demo-offline", "demo-jwks") and not _at_demo(client),
    ),
)


def _at_demo(client: Client) -> bool:
    return client is OURS[0] or (client.name, client.era) == ("python 2.x", "stateless")


Cells = dict[tuple[Client, Column], Outcome]
Columns = tuple[Column, ...]


def absent(client: Client, column: Column) -> int | None:
    """Which reason leaves the cell out, counted from 1."""
    return next((number for number, reason in enumerate(ABSENT, 1) if reason.leaves_out(client, column)), None)


def table(cells: Cells, columns: Columns = COLUMNS) -> list[str]:
    """Client × column × result, and what explains it."""
    letters = dict(zip(columns, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    rows = [["", *letters.values()]]
    for client in (*CLIENTS, *OURS):
        rows.append([str(client)] + [_cell(cells, client, column) for column in columns])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [f"{letter}   {column.title}" for column, letter in letters.items()]
    lines += [f"-{number}  {reason.why}" for number, reason in enumerate(ABSENT, 1)]
    lines.append("either  2026-07-28, or the handshake with a server that has no more")
    return lines + [f"{letters[column]}   has no further tool: {column.one_scope}" for column in columns if column.one_scope]


def _cell(cells: Cells, client: Client, column: Column) -> str:
    if number := absent(client, column):
        return f"-{number}"
    return str(cells[client, column]) if (client, column) in cells else "NOT RUN"
