"""Our own client as a program has it: `desktop_client`, and `rmcp_client`, which is rmcp over our authorization.

Each command is a process that logs in. Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1
if a case failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from checks import leaks
from commands import Commands, Ended, expect, options, some_arguments
from user_agent import LoginRefused


class Run(Commands):
    """One program against one server."""

    def __init__(self, told: argparse.Namespace) -> None:
        name = f"portcullis {told.program[0].name}"
        super().__init__(name, told, r"(https?://\S+response_type=code\S*)$", {}, pages_in_output=True)

    def does(self, *words: str, **user: Any) -> Ended:
        return self.run([*map(str, self.options.program), self.options.server_url, *words], **user)

    def calls(self, tool: dict[str, Any], logins: int) -> None:
        ended = self.does(tool["name"], json.dumps(some_arguments(tool)))
        expect((ended.status, ended.logins), (0, logins), f"status and logins, {ended.log[-400:]}")
        result = json.loads(ended.out)
        expect((bool(result["content"]), result.get("isError", False)), (True, False), "content and isError")

    def wrong_password(self) -> str | None:
        try:
            self.does(password="not-the-password-of-anyone")
        except LoginRefused:
            return None
        raise AssertionError("logged in")

    def user_says_no(self) -> str | None:
        ended = self.does(approve=False)
        expect((ended.status, ended.out, ended.logins), (1, "", 1), "status, result and logins")
        return None

    def logs_in(self) -> str | None:
        ended = self.does()
        expect((ended.status, ended.logins), (0, 1), f"status and logins, {ended.log[-400:]}")
        listed = json.loads(ended.out)
        tools = {tool["name"]: tool for tool in (listed if isinstance(listed, list) else listed["tools"])}
        self.open = tools.pop(self.options.open_tool)
        self.further = next(iter(tools.values()), None)
        self.calls(self.open, logins=1)
        return None

    def user_says_no_to_more(self) -> str | None:
        ended = self.does(self.further["name"], json.dumps(some_arguments(self.further)), approvals_max=1)
        expect((ended.status, ended.out, ended.logins), (1, "", 2), "status, result and logins")
        return None

    def further_scope_is_granted(self) -> str | None:
        return self.calls(self.further, logins=2)

    def keeps_secrets(self) -> str | None:
        expect(self.log.count("authorization server") > 5, "desktop_client" in self.name, "it tells what it does")
        expect(leaks(self.log, self.secrets), None, "in what it tells")
        return f"{len(self.secrets)} secrets, {len(self.log)} characters"

    def all(self) -> None:
        self.case("a wrong password does not log in", self.wrong_password)
        self.case("consent refused: no result", self.user_says_no)
        self.case("logs in, lists the tools, calls the open one", self.logs_in)
        if not self.options.one_scope:
            self.case("the further scope refused: no result", self.user_says_no_to_more)
            self.case("the user grants the further scope: the tool runs", self.further_scope_is_granted)
        self.case("what it tells has no secret (SEC-320)", self.keeps_secrets)


def main() -> None:
    run = Run(options(argparse.ArgumentParser()))
    run.all()
    # These programs show their tokens to nobody.
    run.options.report.write_text(json.dumps({"token": "", "secrets": sorted(run.secrets)}))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
