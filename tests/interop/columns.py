"""What a column of the table is: a protected server, and the authorization server whose tokens it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from servers import Server

if TYPE_CHECKING:
    from authorization import AuthorizationServer

BASE, FURTHER = "user", "time:write"


@dataclass(frozen=True)
class Column:
    """A server × an authorization server."""

    name: str
    """In names of files, of clients of an authorization server, and in `absent.py`."""
    title: str
    start: Callable[[Means, Column], Server]
    issuer: str = ""
    """The kind of authorization server that serves all such columns, one process for all (`authorization.py`).
    Empty: it brings one of its own."""
    token_format: str = ""
    """What that one issues for it: `hs256`, `opaque`, or `jwt`, whose keys are published."""
    host: str = "localhost"
    """In its resource identifier."""
    open_tool: str = "get_time"
    """The tool that needs no further scope; a server has two."""
    base: str = BASE
    """The scope that every call needs, and the one that the other tool needs beside it."""
    further: str = FURTHER
    hidden: bool = False
    """What RFC 9728 adds is hidden from the client."""
    legacy: bool = False
    """The server's origin has endpoints for clients older than RFC 9728."""
    one_scope: str = ""
    """Why no tool needs a further scope."""
    image: str = ""
    """The firmware that it runs, by the name of its file."""
    one_at_a_time: bool = False
    """Clients come one after another."""
    theirs: bool = False
    """Nothing in it is ours: what it does is for its makers to test."""

    @property
    def asks_oidc_provider(self) -> bool:
        """Its server asks `oidc-provider` about tokens."""
        return (self.issuer, self.token_format) == ("oidc-provider", "opaque")


@dataclass
class Means:
    """What columns are started with."""

    program: Path
    """The program portcullis."""
    cache: Path
    """Where environments, logs and databases are kept."""
    examples: Path
    """The folder with the programs of `examples`, and `interop_rmcp`."""
    node: Path
    """The folder with the programs in JavaScript and their packages."""
    python: Path
    """An interpreter with the Python SDK 2.x."""
    images: Path | None = None
    """The folder with firmware; without, no column has a device."""
    ports: dict[str, int] = field(default_factory=dict)
    """Where each column's server listens, by name."""
    issuers: dict[str, AuthorizationServer] = field(default_factory=dict)
    """The authorization servers that run, by kind."""

    def resource(self, column: Column) -> str:
        return f"http://{column.host}:{self.ports[column.name]}/mcp"
