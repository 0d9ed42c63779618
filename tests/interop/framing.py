"""Whether others read answers without content as they are sent: those to HEAD, and the 204 of a preflight (SEC-419).

Each reader asks over one connection, so that whoever took content for the next answer, or the next answer for content,
would read another status or length there. Nothing of ours sends 304.
"""

from __future__ import annotations

import http.client
import io
import json
import subprocess
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

from servers import Server, metadata_url

READER = Path(__file__).resolve().parent / "typescript" / "read_answers.mjs"
METHODS = ("GET", "HEAD", "OPTIONS", "HEAD", "OPTIONS", "GET")
FIELDS = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": "GET"}
SECS_MAX = 60
ATTEMPTS = 3

Read = dict[str, int]


class OneReader(io.BufferedReader):
    """A connection's one reader, which each answer is read from and none closes. An answer with a reader of its own,
    as `http.client` has it, would drop what was sent too much."""

    def makefile(self, _mode: str) -> OneReader:
        return self

    def close(self) -> None:
        pass


def read_by_python(url: str) -> list[Read]:
    """Status, length of the content, and the port of this end of the connection, of each answer."""
    parts = urlsplit(url)
    answers = []
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECS_MAX)
    connection.connect()
    try:
        reader = OneReader(connection.sock.makefile("rb", buffering=0))
        connection.response_class = lambda _socket, **how: http.client.HTTPResponse(reader, **how)
        for method in METHODS:
            connection.request(method, parts.path, headers=FIELDS)
            port = connection.sock.getsockname()[1]
            answer = connection.getresponse()
            answers.append({"status": answer.status, "length": len(answer.read()), "port": port})
    finally:
        connection.close()
    return answers


def read_by_node(url: str) -> list[Read]:
    """The same by Node's own client."""
    told = json.dumps({"url": url, "methods": METHODS, "headers": FIELDS})
    command = ["node", str(READER), told]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECS_MAX).stdout)


def misread(reader: Callable[[str], list[Read]], url: str) -> str | None:
    try:
        answers = reader(url)
    except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        return f"{reader.__name__}: {error!r}"
    content = answers[0]["length"]
    expected = {"GET": (200, content), "HEAD": (200, 0), "OPTIONS": (204, 0)}
    seen = [(answer["status"], answer["length"]) for answer in answers]
    if content == 0 or seen != [expected[method] for method in METHODS]:
        return f"{reader.__name__}: {seen}"
    if len({answer["port"] for answer in answers}) != 1:
        return f"{reader.__name__}: more than one connection, {answers}"
    return None


def read_alike(server: Server) -> str | None:
    """Why they do not read the MCP server's metadata as they should, or `None`.

    A reader has more than one attempt, as a server closes a connection when a busy machine leaves it idle for long.
    """
    url = metadata_url(server.resource)
    for reader in (read_by_python, read_by_node):
        for attempt in range(ATTEMPTS):
            why = misread(reader, url)
            if why is None:
                break
            if attempt == ATTEMPTS - 1:
                return why
    return None
