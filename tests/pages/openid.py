"""Sign-in at a real OpenID provider, npm's `oidc-provider`, in the browser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servers import AuthorizationServer, free_port
from walk import FORM, Walk

Run = Any  # run.Run, which imports this module

SECRET = "a secret & nothing: else"
CONFIGURATION = """\
[login]
passwords = {passwords}
[login.openid_connect]
issuer = "http://localhost:{port}"
name = "Example Corp"
client_id = "portcullis"
client_secret = {{ file = "openid.secret" }}
domains = ["jane.example"]
"""


NODE_MIN = 20


def lacking() -> str | None:
    """Why oidc-provider cannot run here."""
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except OSError:
        return "there is no node"
    return None if int(said.lstrip("v").split(".")[0]) >= NODE_MIN else f"node {said} is older than {NODE_MIN}"


class Peer:
    """The provider, and a server of ours that sends its users there."""

    def __init__(self, program: Path, home: Path, *, passwords: bool = False) -> None:
        port = free_port()
        more = CONFIGURATION.format(port=port, passwords=str(passwords).lower())
        self.server = AuthorizationServer(program, more=more, files={"openid.secret": SECRET})
        self.issuer = f"http://localhost:{port}"
        self._process = subprocess.Popen(
            ["node", Path(__file__).with_name("provider.mjs"), home, str(port), SECRET]
            + [self.server.issuer + "/login/callback"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("listening"):
                return
        self.stop()
        raise RuntimeError("oidc-provider did not start")

    def stop_provider(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self.stop_provider()
        self.server.stop()


def go(walk: Walk) -> None:
    """From our sign-in page to the provider's, by keyboard."""
    walk.ask()
    walk.page.press("Tab")
    walk.page.press("Enter", loads=True)


def sign_in(walk: Walk, name: str) -> None:
    """On the provider's pages: a name, a password, and its consent."""
    page = walk.page
    page.run("document.querySelector('[name=login]').focus()")
    page.type(name)
    page.run("document.querySelector('[name=password]').focus()")
    page.type("anything")
    page.press("Enter", loads=True)
    page.run("document.querySelector('button[type=submit]').focus()")
    page.press("Enter", loads=True)


def provided_consent(walk: Walk) -> None:
    go(walk)
    sign_in(walk, "jane")


def refused(walk: Walk) -> None:
    go(walk)
    sign_in(walk, "mallory")


LINK = "Continue with Example Corp"
PROVIDER_PAGES: list[Any] = [
    ("login-provider", "Sign in", Walk.ask, None, [LINK]),
    ("provider-consent", "Allow access?", provided_consent, None, FORM),
    ("provider-refused", "You are not signed in", refused, None, ["Back to the sign-in page"]),
]
BOTH_PAGES: list[Any] = [
    ("login-both", "Sign in", Walk.ask, None, [LINK, "username", "password", "submit"]),
]


def whole_flow(run: Run, peer: Peer) -> Iterator[str]:
    """a user of oidc-provider signs in there, decides here, and the client gets its code; nothing is kept"""
    with run.walk(peer.server) as walk:
        go(walk)
        if not walk.page.url.startswith(peer.issuer):
            yield f"the link leads to {walk.page.url}"
        sign_in(walk, "jane")
        if "jane of Example Corp" not in walk.page.text:
            yield f"the consent page says {walk.page.text[:200]!r}"
        walk.decide()
        if "code" not in run.client.callbacks()[-1].query:
            yield "no code for the client"
        if walk.page.violations():
            yield f"{walk.page.violations()}"
        log = peer.server.log.read_text() + (peer.server.folder / "audit.jsonl").read_text()
        answers = [it["url"] for it in walk.page.requests() if "/login/callback?code=" in it["url"]]
        codes = [url.split("code=")[1].split("&")[0] for url in answers]
        if not codes or any(code in log for code in codes) or SECRET in log:
            yield "a code or the secret is in the log"


def other_browser(run: Run, peer: Peer) -> Iterator[str]:
    """SEC-470: the answer to one browser signs nobody in at another one"""
    with run.walk(peer.server) as attacker, run.walk(peer.server) as victim:
        go(attacker)
        sign_in(attacker, "jane")
        answer = next(it["url"] for it in attacker.page.requests() if "/login/callback?" in it["url"])
        go(victim)
        victim.page.open(answer)
        if victim.page.title != "This did not work":
            yield victim.page.title
        if attacker.page.title != "Allow access?":
            yield f"the twin: {attacker.page.title}"


CASES = [whole_flow, other_browser]
