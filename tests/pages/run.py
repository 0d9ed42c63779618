"""The authorization server's pages in a real Chromium. Prints `ok - …` and `not ok - …: why` lines."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import look
import openid
import safety
from browser import Browser
from servers import AuthorizationServer, Site
from walk import PAGES, Walk


@dataclass
class Run:
    """What all cases share, and how many failed."""

    browser: Browser
    server: AuthorizationServer
    secure: AuthorizationServer
    client: Site
    failures: int = 0

    @contextmanager
    def walk(self, server: AuthorizationServer | None = None, client: Site | None = None) -> Iterator[Walk]:
        walk = Walk(self.browser, server or self.server, client or self.client)
        try:
            yield walk
        finally:
            walk.page.close()

    def report(self, title: str, wrong: list[str]) -> None:
        self.failures += bool(wrong)
        print(f"not ok - {title}: {'; '.join(wrong)}" if wrong else f"ok - {title}", flush=True)


def see_pages(run: Run, server: AuthorizationServer, pages: list[Any], pictures: Path, axe_source: str) -> None:
    """Every page: how it looks, how it is reached by the keyboard, what axe-core finds."""
    rules: set[str] = set()
    for name, title, way, focus, stops in pages:
        with run.walk(server) as walk:
            # What a page does, it does without any script.
            walk.page.call("Emulation.setScriptExecutionDisabled", value=True)
            way(walk)
            page = walk.page
            wrong = [] if page.title == title else [f"this is {page.title!r}"]
            if (at := look.focused(page)) != focus:
                wrong.append(f"focus on {at}")
            if (led := look.tab_stops(page)) != stops:
                wrong.append(f"Tab leads to {led}")
            run.report(f"{name}: reached and used by the keyboard alone", wrong)
            seen = look.looks(page, name, pictures)
            run.report(f"{name}: fits, can be read and hit at each width, size of text and scheme", seen)
            run.report(f"{name}: no script, nothing against the policy", page.violations() + page.scripts())
            page.call("Emulation.setScriptExecutionDisabled", value=False)
            if axe_source:
                found, tried = look.axe(page, axe_source)
                rules |= set(tried)
                run.report(f"{name}: axe-core finds nothing", found)
    if rules:
        print(f"axe-core tried {len(rules)} rules: {' '.join(sorted(rules))}")


def try_case(run: Run, case: Callable[..., Iterator[str]], *further: object) -> None:
    title = str(case.__doc__).strip()
    try:
        run.report(title, list(case(run, *further)))
    except Exception:
        run.report(title, [traceback.format_exc()])


def see_provider(run: Run, program: Path, npm: Path, pictures: Path, axe_source: str) -> None:
    """Sign-in at a provider elsewhere, with and without passwords beside it."""
    for passwords, pages, cases in ((False, openid.PROVIDER_PAGES, openid.CASES), (True, openid.BOTH_PAGES, [])):
        peer = openid.Peer(program, npm, passwords=passwords)
        try:
            see_pages(run, peer.server, pages, pictures, axe_source)
            for case in cases:
                try_case(run, case, peer)
        finally:
            peer.stop()


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--program", type=Path, required=True)
    arguments.add_argument("--browser", required=True)
    arguments.add_argument("--npm", type=Path, required=True, help="the folder of the installed packages")
    arguments.add_argument("--pictures", type=Path, required=True)
    given = arguments.parse_args()
    given.pictures.mkdir(parents=True, exist_ok=True)
    axe = given.npm / "node_modules/axe-core/axe.min.js"
    axe_source = axe.read_text("utf-8") if axe.exists() else ""

    servers: list[AuthorizationServer] = []
    browser = Browser(given.browser)
    print(browser.version)
    try:
        for https in (False, True):
            servers.append(AuthorizationServer(given.program, https=https))
        run = Run(browser, *servers, client=Site())
        see_pages(run, run.server, PAGES, given.pictures, axe_source)
        for case in safety.CASES:
            try_case(run, case)
        if axe_source and (why := openid.lacking()):
            print(f"skip - oidc-provider: {why}")
        elif axe_source:
            see_provider(run, given.program, given.npm, given.pictures, axe_source)
        else:
            print("skip - axe-core, oidc-provider: npm could not install them")
        return int(run.failures > 0)
    finally:
        browser.close()
        for server in servers:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
