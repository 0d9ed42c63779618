"""What a real browser makes of the pages' protection. Each case yields what is wrong, and has a twin where the
browser shows that it would have noticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from look import LABELS
from servers import PASSWORD, Site
from walk import HOSTILE_NAME, Walk, consent, device_consent

Run = Any  # run.Run, which imports this module


def keyboard_flow(run: Run) -> Iterator[str]:
    """AS-67: wrong password, right password, consent, by keyboard and without scripts, to the client"""
    with run.walk() as walk:
        walk.page.call("Emulation.setScriptExecutionDisabled", value=True)
        walk.ask()
        walk.sign_in("wrong")
        if "wrong" not in walk.page.text:
            yield "the wrong password is not told"
        walk.sign_in()
        # Enter on a fresh consent page must not decide.
        before = run.server.decisions()
        walk.page.press("Enter")
        if run.server.decisions() != before or walk.page.title != "Allow access?":
            yield "Enter alone decided"
        walk.decide()
        visit = run.client.callbacks()[-1]
        if "code" not in visit.query or visit.query.get("iss") != run.server.issuer:
            yield f"the client got {sorted(visit.query)}"


def denial(run: Run) -> Iterator[str]:
    """SEC-194: "Deny" leads to the client, and gives it nothing"""
    with run.walk() as walk:
        consent(walk)
        walk.decide(approve=False)
        visit = run.client.callbacks()[-1]
        if "code" in visit.query or visit.query.get("error") != "access_denied":
            yield f"the client got {sorted(visit.query)}"


def form_action(run: Run) -> Iterator[str]:
    """AS-69: the policy lets the form's redirect through to each kind of client, and to nobody else"""
    for host in ("127.0.0.1", "localhost", "[::1]"):
        client = Site(host)
        with run.walk(client=client) as walk:
            consent(walk)
            walk.decide()
            if not client.callbacks() or walk.page.violations():
                yield f"{host}: {walk.page.url} {walk.page.violations()}"
        client.close()
    # The twin: with `'self'` alone this browser stops the redirect that follows the form.
    site = Site("localhost")
    policy = {"Content-Security-Policy": "default-src 'none'; form-action 'self'"}
    site.pages["/form"] = ('<form method="post" action="/go"><button autofocus>Go</button></form>', policy)
    site.pages["/go"] = ("", {"Location": run.client.origin + "/callback?twin=1"})
    with run.walk() as walk:
        walk.page.open(site.origin + "/form")
        walk.page.press("Enter")
        walk.page.until(walk.page.violations, "a violation of form-action")
    if any("twin" in visit.query for visit in run.client.callbacks()):
        yield "the browser does not apply form-action to redirects: this case shows nothing"
    site.close()


def no_referrer(run: Run) -> Iterator[str]:
    """SEC-209: the client sees no Referer, and neither password nor code stay in the history but in the client's URL"""
    with run.walk() as walk:
        walk.page.call("Network.clearBrowserCache")
        consent(walk)
        walk.decide()
        if "referer" in run.client.callbacks()[-1].headers:
            yield f"Referer: {run.client.callbacks()[-1].headers['referer']}"
        code = run.client.callbacks()[-1].query["code"]
        ours = [it["url"] for it in walk.page.requests() if it["url"].startswith(run.server.issuer)]
        urls = ours + [it["url"] for it in walk.page.call("Page.getNavigationHistory")["entries"][:-1]]
        if any(PASSWORD.split()[0] in url or code in url for url in urls):
            yield "a secret in a URL"
    # The twin: a page without the policy is named to the client.
    site = Site("localhost")
    target = run.client.origin + "/callback"
    site.pages["/form"] = (f'<form action="{target}"><button autofocus>Go</button></form>', {})
    with run.walk() as walk:
        walk.page.open(site.origin + "/form")
        walk.page.press("Enter", loads=True)
        if "referer" not in run.client.callbacks()[-1].headers:
            yield "the browser sends no Referer at all: this case shows nothing"
    site.close()


def back_button(run: Run) -> Iterator[str]:
    """SEC-200, SEC-156: going back sends no form again, finds no password, and nothing to decide on"""
    with run.walk() as walk:
        consent(walk)
        walk.page.back()
        if walk.page.run("document.querySelector('#password')?.value") != "":
            yield f"back from the consent page: {walk.page.title}, with what was typed"
        if kept := [it["type"] for it in walk.page.said("Page.frameNavigated") if it["type"] != "Navigation"]:
            yield f"the login page was kept: {kept}"
    with run.walk() as walk:
        consent(walk)
        walk.decide()
        decisions, callbacks = run.server.decisions(), len(run.client.callbacks())
        posts = [it for it in walk.page.requests() if it["method"] == "POST"]
        walk.page.back()
        if len([it for it in walk.page.requests() if it["method"] == "POST"]) != len(posts):
            yield "the form was sent again"
        # Chromium keeps this page for some minutes although it may not be stored. It has no secret, and is spent.
        if walk.page.title == "Allow access?":
            walk.decide()
        if walk.page.title != "This did not work":
            yield f"after a second decision: {walk.page.title!r}"
        if run.server.decisions() != decisions or len(run.client.callbacks()) != callbacks:
            yield "it was decided again"
        served = [it["response"] for it in walk.page.said("Network.responseReceived")]
        ours = [it for it in served if it["mimeType"] == "text/html" and it["url"].startswith(run.server.issuer)]
        if not ours or any(it.get("fromDiskCache") for it in ours):
            yield "a page came from the cache"


def framing(run: Run) -> Iterator[str]:
    """SEC-203: no page is shown in a frame, of this site or another"""
    harmless = Site("localhost")
    harmless.pages["/page"] = ("<!DOCTYPE html><title>May be framed</title>", {})
    # `localhost` is the same site as the server, whose cookie comes along; `127.0.0.1` is another one.
    for host in ("localhost", "127.0.0.1"):
        site = Site(host)
        with run.walk() as walk:
            consent(walk)
            for framed in (walk.page.url, run.server.issuer + "/device", run.server.issuer + "/login"):
                site.pages["/frame"] = (f'<iframe src="{framed}"></iframe>', {})
                walk.page.open(site.origin + "/frame")
                if (outcome := walk.page.outcome(framed)) != "net::ERR_BLOCKED_BY_RESPONSE":
                    yield f"{host}, {urlsplit(framed).path} in a frame: {outcome}"
            site.pages["/frame"] = (f'<iframe src="{harmless.origin}/page"></iframe>', {})
            walk.page.open(site.origin + "/frame")
            if (outcome := walk.page.outcome(harmless.origin + "/page")) != "shown":
                yield f"{host}: no frame works ({outcome}): this case shows nothing"
        site.close()
    harmless.close()


def foreign_forms(run: Run) -> Iterator[str]:
    """SEC-201: another site's page cannot decide, with the cookie of the same site or of another"""
    for host in ("localhost", "127.0.0.1"):
        site = Site(host)
        with run.walk() as walk:
            consent(walk)
            before = run.server.decisions()
            fields = walk.page.run(
                "[...document.querySelectorAll('input[type=hidden]')].map(it => it.outerHTML).join('')"
            )
            form = f'<form method="post" action="{run.server.issuer}/consent">{fields}'
            button = '<button name="decision" value="approve" autofocus>Win</button></form>'
            site.pages["/win"] = (form + button, {})
            walk.page.open(site.origin + "/win")
            walk.page.press("Enter", loads=True)
            if run.server.decisions() != before or walk.page.title != "This did not work":
                yield f"{host}: {walk.page.title}"
        site.close()


def hostile_name(run: Run) -> Iterator[str]:
    """SEC-204: what a client calls itself stays a text, short, and moves no other text"""
    with run.walk() as walk:
        walk.ask(HOSTILE_NAME)
        for at in ("login", "consent"):
            if at == "consent":
                walk.sign_in()
            name = walk.page.run(
                "[...document.querySelectorAll('bdi')].find(it => it.innerText.includes('pwned'))?.innerText"
            )
            if not name or not name.startswith("<script>") or len(name) > 100:
                yield f"{at}: the name is {name!r}"
            if walk.page.run("window.pwned !== undefined || document.querySelector('script, img') !== null"):
                yield f"{at}: the name became markup"
            if walk.page.run("/[\\u202a-\\u202e\\u2066-\\u2069\\u200b]/.test(document.documentElement.outerHTML)"):
                yield f"{at}: invisible characters"
            if foreign := [it["url"] for it in walk.page.requests() if not it["url"].startswith(run.server.issuer)]:
                yield f"{at}: {foreign}"
        if walk.page.violations() or walk.page.scripts():
            yield f"{walk.page.violations()} {walk.page.scripts()}"
    # The twin: the same name as markup runs, and is noticed.
    site = Site()
    site.pages["/page"] = (HOSTILE_NAME[:80], {})
    with run.walk() as walk:
        walk.page.open(site.origin + "/page")
        if not walk.page.scripts() or walk.page.run("window.pwned") != 1:
            yield "a script is not noticed: this case shows nothing"
    site.close()


def labels(run: Run) -> Iterator[str]:
    """password managers find the fields, and each field has its label"""
    expected = [["username", "username", "User name"], ["password", "current-password", "Password"]]
    with run.walk() as walk:
        walk.ask()
        if (seen := walk.page.run(LABELS)) != expected:
            yield f"login: {seen}"
        walk.page.open(run.server.issuer + "/device")
        if (seen := walk.page.run(LABELS)) != [["user_code", "off", "Code"]]:
            yield f"device: {seen}"


def cookies(run: Run) -> Iterator[str]:
    """SEC-202: the browser keeps the cookie from scripts and other sites, bound to host and https, new at sign-in"""
    for server, name, secure in ((run.server, "portcullis", False), (run.secure, "__Host-portcullis", True)):
        with run.walk(server) as walk:
            if secure:
                walk.page.call("Security.setIgnoreCertificateErrors", ignore=True)
            walk.ask()
            before = walk.page.cookies(server.issuer)
            walk.sign_in()
            after = walk.page.cookies(server.issuer)
            if [it["name"] for it in after] != [name] or len(before) != 1:
                yield f"cookies: {[it['name'] for it in after]}"
                continue
            it = after[0]
            flags = (it["httpOnly"], it.get("sameSite"), it["secure"], it["session"], it["path"], it["domain"])
            if flags != (True, "Lax", secure, True, "/", "localhost"):
                yield f"{name}: {flags}"
            if it["value"] == before[0]["value"]:
                yield f"{name}: the same before and after sign-in"
            if walk.page.run("document.cookie"):
                yield f"{name}: a script can read it"
            walk.decide()
            if "code" not in run.client.callbacks()[-1].query:
                yield f"{name}: the flow does not end"


def device_by_keyboard(run: Run) -> Iterator[str]:
    """RFC 8628 §3.3: a device is connected by the keyboard; its consent page shows the code and warns"""
    with run.walk() as walk:
        device_consent(walk)
        text = walk.page.text
        if "Clock radio" not in text or "Whoever sent you a code" not in text:
            yield "the page does not say what is asked"
        before = run.server.decisions()
        walk.decide()
        if walk.page.title != "Device connected" or run.server.decisions() != before + 1:
            yield walk.page.title


CASES = [
    keyboard_flow,
    denial,
    device_by_keyboard,
    labels,
    form_action,
    no_referrer,
    back_button,
    framing,
    foreign_forms,
    hostile_name,
    cookies,
]
