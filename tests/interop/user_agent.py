"""The user and the browser: follows redirects, logs in, answers the consent page.

Standard library only, so that it runs in the environment of every SDK version.
"""

from __future__ import annotations

import http.client
import queue
import threading
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

STEPS_MAX = 12
APPROVE = ("approve", "allow", "authorize", "accept", "grant", "continue", "yes")
DENY = ("deny", "cancel", "refuse", "reject", "decline", "no")


class LoginRefused(Exception):
    """The login page came back after credentials were sent."""


class FlowStopped(Exception):
    """The browser stands on a page that is neither a form nor a redirect to the client."""


@dataclass
class Form:
    """One HTML form with the values that a browser would submit."""

    action: str
    method: str
    inputs: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str | None, str, str]] = field(default_factory=list)  # name, value, text

    def button(self, words: tuple[str, ...]) -> tuple[str | None, str, str] | None:
        for word in words:
            for name, value, text in self.buttons:
                if value.strip().lower() == word or text.strip().lower().split(" ")[0] == word:
                    return name, value, text
        return None


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._button: tuple[str | None, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(have.get("action", ""), have.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "button" and have.get("type", "submit").lower() == "submit":
            self._button, self._text = (have.get("name"), have.get("value", "")), ""
        elif tag == "input":
            kind = have.get("type", "text").lower()
            if kind == "submit":
                self._open.buttons.append((have.get("name"), have.get("value", ""), have.get("value", "")))
            elif kind in ("checkbox", "radio"):
                if "checked" in have and "name" in have:
                    self._open.inputs[have["name"]] = have.get("value", "on")
            elif "name" in have:
                self._open.inputs[have["name"]] = have.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None and self._open is not None:
            self._open.buttons.append((*self._button, self._text.strip()))
            self._button = None
        elif tag == "form":
            self._open = None


def forms(page: str) -> list[Form]:
    """All forms of a page."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


@dataclass
class Response:
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: str


@dataclass
class UserAgent:
    """A browser session of one user; `redirect_uri` is where the client waits."""

    redirect_uri: str
    username: str
    password: str
    approve: bool = True
    secrets: set[str] = field(default_factory=set)
    _cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, url: str) -> None:
        """Opens the authorization URL and acts until the client's redirect URI was called."""
        response = self._request("GET", url, None)
        sent_credentials = False
        for _ in range(STEPS_MAX):
            if response.status in (301, 302, 303, 307, 308):
                target = urljoin(response.url, response.headers["Location"] or "")
                for code in parse_qs(urlsplit(target).query).get("code", []):
                    self.secrets.add(code)
                landed = target.split("?")[0] == self.redirect_uri
                response = self._request("GET", target, None)
                if landed:
                    return
                continue
            form = next(iter(forms(response.body)), None)
            if form is None:
                raise FlowStopped(f"{response.status} at {response.url.split('?')[0]}")
            if "password" in form.inputs:
                if sent_credentials:
                    raise LoginRefused(f"{response.status} at {response.url.split('?')[0]}")
                sent_credentials = True
                form.inputs |= {"username": self.username, "password": self.password}
                button = form.buttons[0] if form.buttons else None
            else:
                button = form.button(APPROVE if self.approve else DENY)
                if button is None and not self.approve:
                    raise FlowStopped("the consent page has no way to say no")
            response = self._submit(response.url, form, button)
        raise FlowStopped(f"no end after {STEPS_MAX} pages")

    def _submit(self, page: str, form: Form, button: tuple[str | None, str, str] | None) -> Response:
        values = dict(form.inputs)
        if button is not None and button[0]:
            values[button[0]] = button[1]
        target = urljoin(page, form.action)
        if form.method == "post":
            return self._request("POST", target, urlencode(values))
        return self._request("GET", f"{target.split('?')[0]}?{urlencode(values)}", None)

    def _request(self, method: str, url: str, form: str | None) -> Response:
        parts = urlsplit(url)
        if parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise FlowStopped(f"asked to leave this machine: {parts.hostname}")
        headers = {
            "Accept": "text/html,application/xhtml+xml",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        jar = self._cookies.setdefault(parts.netloc, {})
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=20)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body=form, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode("utf-8", "replace")
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";")[0].partition("=")
                jar[name.strip()] = value.strip()
                # One that is taken back has no value.
                self.secrets |= {value.strip()} - {""}
            return Response(url, answer.status, answer.headers, body)
        finally:
            connection.close()


class RedirectListener:
    """The client's side of the redirect: a loopback server that keeps the query of each callback."""

    def __init__(self, port: int) -> None:
        seen: queue.Queue[dict[str, str]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/callback":
                    seen.put({name: values[0] for name, values in parse_qs(parts.query).items()})
                self.send_response(200 if parts.path == "/callback" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing: the query has the code in it."""

        self._seen = seen
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.redirect_uri = f"http://localhost:{self._server.server_address[1]}/callback"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def callback(self) -> dict[str, str]:
        """The parameters of the next callback."""
        return self._seen.get(timeout=20)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
