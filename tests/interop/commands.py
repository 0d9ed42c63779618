"""A client that is a program: each command is a process, whose user reads the login page's address from the terminal."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable
from urllib.parse import parse_qs, urlsplit

from servers import PASSWORD, USER, fetch
from user_agent import UserAgent

COMMAND_SECS_MAX = 90


@dataclass
class Ended:
    """A command that has ended."""

    status: int
    out: str
    log: str
    """Its standard error."""
    logins: int
    """How often the user was sent to log in."""


class Commands:
    """The commands of one program against one server, and the cases made of them."""

    def __init__(
        self, name: str, options: argparse.Namespace, page: str, environment: dict[str, str], pages_in_output: bool = False
    ) -> None:
        self.name, self.options, self.pages_in_output = name, options, pages_in_output
        """Whether the program shows pages on standard output, where its result is, or on standard error."""
        self.page = re.compile(page)
        """A line that sends the user to a page, with its address as the group."""
        self.environment = os.environ | environment
        self.failed = 0
        self.secrets: set[str] = set()
        self.log = ""

    def case(self, title: str, body: Callable[[], str | None]) -> None:
        """Runs one case; what it returns is said beside its title."""
        title = f"{self.name}, {self.options.label}: {title}"
        try:
            remark = body()
            print(f"ok - {title}" + (f" ({remark})" if remark else ""), flush=True)
        except Exception as error:  # every failure of a case is reported the same way
            self.failed += 1
            print(f"not ok - {title}: {type(error).__name__}: {error}".replace("\n", " ")[:900], flush=True)

    def run(self, command: list[str], typed: str = "", approvals_max: int | None = None, **user: Any) -> Ended:
        """Runs a command; `typed` is what its user types, `user` how this one differs from the usual, who says yes
        `approvals_max` times at most."""
        pages: list[int] = []
        lines: list[str] = []
        with tempfile.TemporaryFile("w+") as other, self._start(command, other) as process:
            deadline = threading.Timer(COMMAND_SECS_MAX, process.kill)
            deadline.start()
            try:
                if process.stdin:
                    process.stdin.write(typed)
                    process.stdin.close()
                for line in (process.stdout if self.pages_in_output else process.stderr) or ():
                    lines.append(line)
                    if page := self.page.match(line):
                        pages.append(len(lines))
                        more = {} if approvals_max is None or len(pages) <= approvals_max else {"approve": False}
                        self._browse(page[1], **user, **more)
                process.wait()
            finally:
                deadline.cancel()
                process.kill()
            other.seek(0)
            out, log = other.read(), "".join(lines)
            if self.pages_in_output:
                # What comes after the last page is the result.
                out, log = "".join(lines[pages[-1] if pages else 0 :]), out
            self.log += log
            return Ended(process.returncode, out, log, len(pages))

    def _start(self, command: list[str], other: IO[str]) -> subprocess.Popen[str]:
        """With a pipe for the stream that has the pages, and a file for the other one."""
        pipe = subprocess.PIPE
        out, log = (pipe, other) if self.pages_in_output else (other, pipe)
        return subprocess.Popen(command, stdin=pipe, stdout=out, stderr=log, text=True, env=self.environment)

    def post(self, method: str, token: str = "", **params: Any) -> tuple[int, str, dict[str, Any]]:
        """Status, challenge and result of a request by a script that knows nothing of OAuth, and speaks 2025-11-25."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        headers |= {"MCP-Protocol-Version": "2025-11-25"} | ({"Authorization": f"Bearer {token}"} if token else {})
        status, fields, body = fetch(self.options.server_url, json.dumps(message).encode(), headers)
        text = body.decode("utf-8", "replace")
        events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
        answer = json.loads(next((event for event in events if "result" in event), text)) if status == 200 else {}
        return status, fields["WWW-Authenticate"] or "", answer.get("result", {})

    def _browse(self, page: str, **user: Any) -> None:
        back = parse_qs(urlsplit(page).query)["redirect_uri"][0]
        agent = UserAgent(back, **{"username": USER, "password": PASSWORD, **user})
        try:
            agent.authorize(page)
        finally:
            # The usual password is one that the demo shows.
            self.secrets |= agent.secrets | ({agent.password} - {PASSWORD})


def options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What every driver of a program is told, and what its parser has beside that."""
    parser.add_argument("--program", type=Path, nargs="+", required=True, help="the program, and what always follows")
    parser.add_argument("--server-url", required=True)
    parser.add_argument("--open-tool", default="get_time", help="the tool that needs no further scope")
    parser.add_argument("--label", required=True, help="said with every case")
    parser.add_argument("--era", required=True, help="handshake, stateless or either")
    parser.add_argument("--report", type=Path, required=True, help="file for the token and the secrets that were used")
    parser.add_argument("--one-scope", action="store_true", help="the server has no tool that needs a further scope")
    return parser.parse_args()


def expect(actual: Any, expected: Any, what: str) -> None:
    """Stays in force under `python -O`, unlike `assert`."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} instead of {expected!r}")


def some_arguments(tool: dict[str, Any]) -> dict[str, Any]:
    """Some value for each argument that the tool's schema requires."""
    schema = tool["inputSchema"]
    some = {"integer": 1, "number": 1, "boolean": True, "string": "x"}
    return {name: some[schema["properties"][name]["type"]] for name in schema.get("required", [])}
