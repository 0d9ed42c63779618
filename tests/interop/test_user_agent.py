"""The user agent against a small authorization server that plays login, consent and redirect."""

from __future__ import annotations

import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from user_agent import FlowStopped, LoginRefused, RedirectListener, UserAgent, forms

LOGIN = """<form method="post" action="/login"><input type="hidden" name="csrf" value="c&amp;1">
<input name="username"><input type="password" name="password"><button>Log in</button></form>"""
CONSENT = """<p>x</p><form method="post" action="/consent"><input type="hidden" name="csrf" value="c2">
<button name="decision" value="deny">Deny</button><button name="decision" value="approve">Approve</button></form>"""


class Mock(BaseHTTPRequestHandler):
    """Accepts `demo_user` with `right`, needs its cookie and the hidden values back."""

    redirect_uri = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/authorize":
            self._page(LOGIN)
        elif path == "/consent" and self.headers["Cookie"] == "session=s1":
            self._page(CONSENT)
        elif path == "/outside":
            self._redirect("http://192.0.2.1/")
        else:
            self._page("nothing here", 404)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path == "/login":
            if form == {"csrf": ["c&1"], "username": ["demo_user"], "password": ["right"]}:
                self._redirect("/consent", "session=s1; HttpOnly")
            else:
                self._page(LOGIN, 401)
        elif form == {"csrf": ["c2"], "decision": ["approve"]}:
            self._redirect(f"{self.redirect_uri}?code=abc&state=st")
        else:
            self._redirect(f"{self.redirect_uri}?error=access_denied&state=st")

    def _page(self, body: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def _redirect(self, target: str, cookie: str | None = None) -> None:
        self.send_response(303)
        self.send_header("Location", target)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class UserAgentTest(unittest.TestCase):
    def setUp(self) -> None:
        self.listener = RedirectListener(0)
        Mock.redirect_uri = self.listener.redirect_uri
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Mock)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def tearDown(self) -> None:
        self.listener.close()
        self.server.shutdown()
        self.server.server_close()

    def agent(self, password: str = "right", approve: bool = True) -> UserAgent:
        return UserAgent(self.listener.redirect_uri, "demo_user", password, approve)

    def test_logs_in_and_approves(self) -> None:
        agent = self.agent()
        agent.authorize(f"{self.base}/authorize?x=1")
        self.assertEqual(self.listener.callback(), {"code": "abc", "state": "st"})
        self.assertEqual(agent.secrets, {"abc", "s1"})

    def test_denies(self) -> None:
        self.agent(approve=False).authorize(f"{self.base}/authorize")
        self.assertEqual(self.listener.callback(), {"error": "access_denied", "state": "st"})

    def test_wrong_password_is_noticed(self) -> None:
        with self.assertRaises(LoginRefused):
            self.agent("wrong").authorize(f"{self.base}/authorize")

    def test_a_dead_end_is_noticed(self) -> None:
        with self.assertRaises(FlowStopped):
            self.agent().authorize(f"{self.base}/nothing")

    def test_stays_on_this_machine(self) -> None:
        with self.assertRaises(FlowStopped):
            self.agent().authorize(f"{self.base}/outside")

    def test_unchecked_boxes_are_not_sent(self) -> None:
        page = '<form><input type=checkbox name=a><input type=checkbox name=b checked value=1></form>'
        self.assertEqual(forms(page)[0].inputs, {"b": "1"})


if __name__ == "__main__":
    unittest.main()
