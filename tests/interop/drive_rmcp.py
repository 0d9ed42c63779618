"""rmcp with its own OAuth client (`rmcp/`): each command is a process that connects, and logs in when it has to.

Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from commands import Commands, expect, options, some_arguments
from servers import free_ports
from user_agent import LoginRefused

REVISIONS = {"handshake": "2025-11-25", "stateless": "2026-07-28"}


class Run(Commands):
    """rmcp against one server."""

    def __init__(self, told: argparse.Namespace) -> None:
        super().__init__("rmcp", told, r"page (\S+)$", {})
        self.token = ""

    def does(self, tools: list[dict[str, Any]], *flags: str, logins: int, **user: Any) -> dict[str, Any]:
        """Calls the tools; what came of it, or nothing when it failed."""
        (port,) = free_ports(1)
        calls = json.dumps([{"name": tool["name"], "arguments": some_arguments(tool)} for tool in tools])
        command = [*map(str, self.options.program), self.options.server_url, self.options.era, str(port), calls, *flags]
        ended = self.run(command, **user)
        self.challenges = [line.split()[1:] for line in ended.log.splitlines() if line.startswith("challenge ")]
        self.said = ended.log.rpartition("failed: ")[2][:400]
        expect(ended.logins, logins, f"logins, {self.said}")
        if ended.status != 0:
            return {}
        told = json.loads(ended.out)
        for tokens in (told["first"], told["last"]):
            self.secrets |= {tokens[name] for name in ("access_token", "refresh_token") if tokens.get(name)}
        return dict(told)

    def succeeds(self, told: dict[str, Any], results: int) -> None:
        expect(bool(told), True, f"it ends well, {self.said}")
        good = [bool(result["content"]) and not result.get("isError", False) for result in told["results"]]
        expect(good, [True] * results, f"content and no error in {told['results']}")

    def wrong_password(self) -> str | None:
        try:
            self.does([], logins=1, password="not-the-password-of-anyone")
        except LoginRefused:
            return None
        raise AssertionError("logged in")

    def user_says_no(self) -> str | None:
        expect(self.does([], logins=1, approve=False), {}, "result")
        return self.said.strip()

    def logs_in(self) -> str | None:
        told = self.does([{"name": self.options.open_tool, "inputSchema": {}}], logins=1)
        self.succeeds(told, results=1)
        expect(told["revision"], REVISIONS[self.options.era], "revision")
        tools = {tool["name"]: tool for tool in told["tools"]}
        self.open = tools.pop(self.options.open_tool)
        self.further = next(iter(tools.values()))
        self.token, self.scopes = told["last"]["access_token"], set(told["last"]["scope"].split())
        return f"granted {told['last']['scope']!r}"

    def changed_token(self) -> str | None:
        expect(self.post("tools/list", self.token)[0], 200, "status of the token itself")
        middle = len(self.token) // 2
        other = "A" if self.token[middle] != "A" else "B"
        status, challenge, _ = self.post("tools/list", self.token[:middle] + other + self.token[middle + 1 :])
        expect((status, 'error="invalid_token"' in challenge), (401, True), f"status and error, {challenge}")
        return None

    def refreshes(self) -> str | None:
        told = self.does([self.open], "--refresh", logins=1)
        self.succeeds(told, results=1)
        expect(told["first"]["access_token"] != told["last"]["access_token"], True, "another token")
        return None

    def further_scope_is_refused(self) -> str | None:
        expect(self.does([self.further], logins=2, approvals_max=1), {}, "result")
        beyond = [set(scopes) - self.scopes for scopes in self.challenges]
        expect((len(beyond), all(beyond)), (1, True), f"one challenge, a scope beyond {self.scopes} in {self.challenges}")
        return None

    def further_scope_is_granted(self) -> str | None:
        told = self.does([self.further, self.open], logins=2)
        self.succeeds(told, results=2)
        expect(len(self.challenges), 1, "challenges")
        return f"granted {told['last']['scope']!r}"

    def all(self) -> None:
        self.case("a wrong password does not log in", self.wrong_password)
        self.case("consent refused: no token", self.user_says_no)
        self.case("logs in, lists the tools, calls the open one", self.logs_in)
        self.case("one character of the token changed: 401", self.changed_token)
        self.case("refreshes: the new token is good", self.refreshes)
        self.case("the further scope refused: the tool does not run", self.further_scope_is_refused)
        self.case("the user grants the further scope: the tool runs", self.further_scope_is_granted)


def main() -> None:
    run = Run(options(argparse.ArgumentParser()))
    run.all()
    run.options.report.write_text(json.dumps({"token": run.token, "secrets": sorted(run.secrets)}))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
