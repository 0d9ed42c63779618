"""The user's way to each page, with the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

from browser import Browser, Page
from servers import PASSWORD, SCOPES, USER, AuthorizationServer, Site

# Markup, an attribute's end, bidirectional controls, blanks of no width, and 10 KiB.
HOSTILE_NAME = (
    "<script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1>"
    "\u202etnatsissa lanigiro\u2066\u200b\u0000" + "W" * 10240
)
LONG_NAME = "W" * 200


class Walk:
    """One user with one browser in front of one server."""

    def __init__(self, browser: Browser, server: AuthorizationServer, client: Site) -> None:
        self.page: Page = browser.page()
        self.server, self.client = server, client
        self.redirect_uri = client.origin + "/callback"

    def ask(self, name: str | None = "Desk clock", scope: str = "user") -> None:
        """The client sends the user to the login page, or to the consent page."""
        client_id = self.server.register(name, self.redirect_uri)
        self.page.open(self.server.authorize_url(client_id, self.redirect_uri, scope))

    def sign_in(self, password: str = PASSWORD) -> None:
        """From the login page on: the name has the focus, Enter sends the form."""
        self.page.type(USER)
        self.page.press("Tab")
        self.page.type(password)
        self.page.press("Enter", loads=True)

    def decide(self, *, approve: bool = True) -> None:
        """On the consent page, where nothing has the focus: Enter alone decides nothing."""
        self.page.press("Tab")
        if approve:
            self.page.press("Enter", loads=True)
        else:
            self.page.press("Tab")
            self.page.press("Space", loads=True)

    def enter_code(self, code: str) -> None:
        self.page.open(self.server.issuer + "/device")
        self.page.type(code)
        self.page.press("Enter", loads=True)


def consent(walk: Walk, name: str | None = "Desk clock", scope: str = "user") -> None:
    walk.ask(name, scope)
    walk.sign_in()


def device_consent(walk: Walk) -> None:
    walk.enter_code(walk.server.device_code())
    walk.sign_in()


def device_done(walk: Walk, *, approve: bool) -> None:
    device_consent(walk)
    walk.decide(approve=approve)


def wrong_password(walk: Walk) -> None:
    walk.ask()
    walk.sign_in("wrong")


# Name, title, the way there, what has the focus then, and what the Tab key leads to.
FORM = ["approve", "deny"]
PAGES: list[tuple[str, str, Callable[[Walk], None], str | None, list[str]]] = [
    ("login", "Sign in", Walk.ask, "username", ["password", "submit"]),
    ("login-wrong", "Sign in", wrong_password, "username", ["password", "submit"]),
    ("consent-one-scope", "Allow access?", consent, None, FORM),
    ("consent-many-scopes", "Allow access?", lambda it: consent(it, scope=" ".join(SCOPES)), None, FORM),
    ("consent-unnamed", "Allow access?", lambda it: consent(it, None), None, FORM),
    ("consent-hostile-name", "Allow access?", lambda it: consent(it, HOSTILE_NAME), None, FORM),
    ("consent-long-name", "Allow access?", lambda it: consent(it, LONG_NAME), None, FORM),
    ("device", "Connect a device", lambda it: it.page.open(it.server.issuer + "/device"), "user_code", ["submit"]),
    ("device-wrong", "Connect a device", lambda it: it.enter_code("BBBB-BBBB"), "user_code", ["submit"]),
    ("device-consent", "Allow access?", device_consent, None, FORM),
    ("device-connected", "Device connected", lambda it: device_done(it, approve=True), None, []),
    ("device-refused", "Device refused", lambda it: device_done(it, approve=False), None, []),
    ("error", "This did not work", lambda it: it.page.open(it.server.issuer + "/consent"), None, []),
    (
        "error-unknown-client",
        "This did not work",
        lambda it: it.page.open(it.server.authorize_url("nobody", it.redirect_uri)),
        None,
        [],
    ),
]
