"""The MCP Inspector's command line: each command is a process that connects, and logs in when it has to.

Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

from commands import Commands, Ended, expect, options, some_arguments
from servers import free_ports

SECRETS = ("access_token", "refresh_token", "client_secret", "registration_access_token", "code_verifier", "codeVerifier")
ERAS = {"handshake": "legacy", "stateless": "modern"}


class Run(Commands):
    """The Inspector against one server; it keeps what it has in a home of its own."""

    def __init__(self, told: argparse.Namespace, home: Path) -> None:
        # Without a terminal it logs in only when told to open a browser; none is found where this looks for one.
        environment = {"HOME": str(home), "MCP_STORAGE_DIR": str(home), "MCP_INSPECTOR_SECRET_STORE": "file"}
        environment |= {"MCP_AUTO_OPEN_ENABLED": "true", "NO_COLOR": "1", "BROWSER": "true"}
        super().__init__("inspector", told, r"Please navigate to: (\S+)$", environment)
        self.home = home
        (self.port,) = free_ports(1)
        self.token = ""

    def does(self, method: str, *further: str, typed: str = "", **user: Any) -> Ended:
        """One method of MCP."""
        command = [*map(str, self.options.program), "--cli", "--server-url", self.options.server_url, "--transport", "http"]
        command += ["--protocol-era", ERAS[self.options.era], "--callback-url", f"http://127.0.0.1:{self.port}/oauth/callback"]
        ended = self.run([*command, "--format", "json", "--method", method, *further], typed, **user)
        self._keep_secrets()
        return ended

    def call(self, tool: dict[str, Any], **more: Any) -> Ended:
        arguments = json.dumps(some_arguments(tool))
        return self.does("tools/call", "--tool-name", tool["name"], "--tool-args-json", arguments, **more)

    def _keep_secrets(self) -> None:
        for file in filter(Path.is_file, self.home.rglob("*.json")):
            for name, value in strings_of(json.loads(file.read_text())):
                # A file of secrets has documents in its strings.
                inner = strings_of(json.loads(value)) if value.startswith("{") else [(name, value)]
                for key, secret in inner:
                    self.secrets |= {secret} if key in SECRETS and secret else set()
                    self.token = secret if key == "access_token" else self.token

    def user_says_no(self) -> str | None:
        ended = self.does("tools/list", approve=False)
        expect(ended.status != 0, True, "it fails")
        expect((ended.logins, self.token), (1, ""), "logins and token")
        return None

    def logs_in(self) -> str | None:
        ended = self.does("tools/list")
        expect((ended.status, ended.logins), (0, 1), f"status and logins, {ended.log[-400:]}")
        tools = result(ended)["tools"]
        self.open = next(tool for tool in tools if tool["name"] == self.options.open_tool)
        self.further = next(tool for tool in tools if tool["name"] != self.options.open_tool)
        ended = self.call(self.open)
        self.succeeds(ended)
        return f"the next command asks the user {'again' if ended.logins else 'no more'}"

    def succeeds(self, ended: Ended) -> None:
        expect(ended.status, 0, f"status, {ended.log[-400:]}")
        answer = result(ended)
        expect((bool(answer["content"]), answer.get("isError", False)), (True, False), "content and isError")

    def further_scope_is_granted(self) -> str | None:
        ended = self.call(self.further, typed="y\n")
        self.succeeds(ended)
        return None

    def all(self) -> None:
        self.case("consent refused: no token", self.user_says_no)
        self.case("logs in, lists the tools, calls the open one", self.logs_in)
        self.case("the user grants the further scope: the tool runs", self.further_scope_is_granted)


def strings_of(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """All strings in a document, with the names that they have."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from strings_of(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from strings_of(part, name)


def result(ended: Ended) -> dict[str, Any]:
    """What the method returned, without the frame that the command puts around it."""
    answer = json.loads(ended.out)
    return answer.get("result", answer)


def main() -> None:
    told = options(argparse.ArgumentParser())
    with tempfile.TemporaryDirectory() as home:
        run = Run(told, Path(home))
        run.all()
    told.report.write_text(json.dumps({"token": run.token, "secrets": sorted(run.secrets)}))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
