"""Our own client, `portcullis login`, `token get` and `logout`, each a process of its own, and a script that uses the token.

Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from checks import leaks
from commands import Commands, Ended, expect, options, some_arguments
from servers import fetch, metadata_url
from user_agent import LoginRefused


class Run(Commands):
    """The program against one server; its logins are in a folder of its own."""

    def __init__(self, told: argparse.Namespace, home: Path) -> None:
        super().__init__("portcullis", told, r"(https?://\S+)$", {"RUST_LOG": "trace"})
        self.logins = home / "logins"
        self.token = ""
        self.scopes: set[str] = set()
        self.challenged: set[str] = set()

    def does(self, *command: str, **user: Any) -> Ended:
        where = [self.options.server_url, "--store", "file", "--folder", str(self.logins)]
        return self.run([*map(str, self.options.program), *command, *where], **user)

    def log_in(self, *scope: str, **user: Any) -> Ended:
        return self.does("login", "--no-browser", "--json", *scope, **user)

    def call_tool(self, token: str, tool: dict[str, Any]) -> tuple[int, str, dict[str, Any]]:
        """A call with some value for each argument that the tool's schema requires."""
        return self.post("tools/call", token, name=tool["name"], arguments=some_arguments(tool))

    def get_token(self) -> str:
        ended = self.does("token", "get")
        expect(ended.status, 0, f"status of token get, {ended.log[-300:]}")
        self.secrets |= {ended.out.strip()}
        return ended.out.strip()

    def record(self) -> Path:
        return next(self.logins.glob("*.json"))

    def no_login(self) -> str | None:
        expect(self.does("token", "get").status, 1, "status of token get")
        expect(self.post("tools/list")[0], 401, "status without a token")
        expect(self.post("tools/list", "mF_9.B5f-4.1JqM")[0], 401, "status with a made-up token")
        return None

    def wrong_password(self) -> str | None:
        try:
            self.log_in(password="not-the-password-of-anyone")
        except LoginRefused:
            return self.no_login()
        raise AssertionError("logged in")

    def user_says_no(self) -> str | None:
        ended = self.log_in(approve=False)
        expect(ended.status, 1, "status of login")
        expect("access denied" in ended.log, True, "it says why")
        return self.no_login()

    def logs_in(self) -> str | None:
        ended = self.log_in()
        expect(ended.status, 0, f"status of login, {ended.log[-300:]}")
        shown = json.loads(ended.out)
        expect(shown["resource"], self.options.server_url, "resource")
        metadata = json.loads(fetch(metadata_url(self.options.server_url))[2])
        expect([shown["issuer"]], metadata["authorization_servers"], "issuer")
        self.token, self.scopes = self.get_token(), set(shown["scope"].split())
        status, _, result = self.post("tools/list", self.token)
        tools = [tool["name"] for tool in result.get("tools", [])]
        expect(self.options.open_tool in tools, True, f"{status}, {self.options.open_tool} in {tools}")
        self.open, *further = sorted(result["tools"], key=lambda tool: tool["name"] != self.options.open_tool)
        self.further = further[0] if further else self.open
        self.uses(self.token, self.open)
        expect(self.get_token(), self.token, "token of the next process")
        return f"granted {shown['scope']!r}"

    def uses(self, token: str, tool: dict[str, Any]) -> None:
        status, challenge, result = self.call_tool(token, tool)
        expect((status, bool(result.get("content"))), (200, True), f"status and content of {tool['name']}, {challenge}")
        expect(result.get("isError", False), False, f"isError, {result}")

    def changed_token(self) -> str | None:
        middle = len(self.token) // 2
        other = "A" if self.token[middle] != "A" else "B"
        status, challenge, _ = self.post("tools/list", self.token[:middle] + other + self.token[middle + 1 :])
        expect(status, 401, "status")
        expect('error="invalid_token"' in challenge, True, f"invalid_token in {challenge}")
        return None

    def refreshed(self) -> str | None:
        path = self.record()
        before = json.loads(path.read_text())
        path.write_text(json.dumps(before | {"expires_at": 1, "refresh_at": 1}))
        token = self.get_token()
        expect(token != self.token, True, "another token")
        after = json.loads(path.read_text())
        self.secrets |= {before["refresh_token"], after["refresh_token"]}
        self.token = token
        return self.uses(token, self.open)

    def further_scope_is_challenged(self) -> str | None:
        status, challenge, _ = self.call_tool(self.token, self.further)
        expect((status, 'error="insufficient_scope"' in challenge), (403, True), f"status and error, {challenge}")
        named = re.search(r'scope="([^"]*)"', challenge)
        self.challenged = set(named[1].split()) if named else set()
        expect(bool(self.challenged - self.scopes), True, f"a scope beyond {self.scopes} in {self.challenged}")
        return None

    def further_scope_is_granted(self) -> str | None:
        asked = self.scopes | self.challenged
        ended = self.log_in("--scope", " ".join(sorted(asked)))
        expect(ended.status, 0, f"status of login, {ended.log[-300:]}")
        shown = json.loads(ended.out)
        expect(asked <= set(shown["scope"].split()), True, f"{asked} within {shown['scope']}")
        self.token = self.get_token()
        self.uses(self.token, self.further)
        return self.uses(self.token, self.open)

    def logs_out(self) -> str | None:
        issuer = json.loads(self.record().read_text())["issuer"].rstrip("/")
        metadata = json.loads(fetch(f"{issuer}/.well-known/oauth-authorization-server")[2])
        ended = self.does("logout", "--json")
        revocable = "revocation_endpoint" in metadata
        expect(ended.status, 0, f"status of logout, {ended.log[-300:]}")
        outcome = json.loads(ended.out)
        expect((outcome["forgotten"], outcome["revoked"]), (True, revocable), f"forgotten and revoked, {outcome}")
        expect(self.does("token", "get").status, 1, "status of token get")
        return None if revocable else "this authorization server revokes nothing"

    def keeps_secrets(self) -> str | None:
        expect(len(self.log) > 1000, True, f"a trace log, of {len(self.log)} characters")
        expect(leaks(self.log, self.secrets), None, "in the log")
        return f"{len(self.secrets)} secrets, {len(self.log)} characters"

    def all(self) -> None:
        self.case("without a login: no token, and 401", self.no_login)
        self.case("a wrong password does not log in", self.wrong_password)
        self.case("consent refused: no token", self.user_says_no)
        self.case("logs in, lists the tools, calls the open one", self.logs_in)
        self.case("one character of the token changed: 401", self.changed_token)
        self.case("an expired token is refreshed", self.refreshed)
        if not self.options.one_scope:
            self.case("the further tool: 403 names its scope", self.further_scope_is_challenged)
            self.case("the user grants the further scope: the tool runs", self.further_scope_is_granted)
        self.case("logs out", self.logs_out)
        self.case("its trace log has no secret (SEC-320)", self.keeps_secrets)


def main() -> None:
    told = options(argparse.ArgumentParser())
    with tempfile.TemporaryDirectory() as home:
        run = Run(told, Path(home))
        run.all()
    told.report.write_text(json.dumps({"token": run.token, "secrets": sorted(run.secrets)}))
    sys.exit(1 if run.failed else 0)


if __name__ == "__main__":
    main()
