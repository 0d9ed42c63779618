"""What the user does for a client: signs in and agrees, or types in the code of a device."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urljoin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "interop"))

from user_agent import APPROVE, DENY, STEPS_MAX, FlowStopped, RedirectListener, UserAgent, forms  # noqa: E402

from server import PASSWORD, USER  # noqa: E402


@dataclass
class Browser:
    """A person who waits at one redirect URI, with a new browser each time."""

    listener: RedirectListener
    # Codes and cookies that it had.
    secrets: set[str] = field(default_factory=set)

    @property
    def redirect_uri(self) -> str:
        return self.listener.redirect_uri

    def authorize(self, url: str, approve: bool = True) -> str:
        """Where the browser is sent back to, with everything in the query."""
        agent = self._agent(approve)
        agent.authorize(url)
        return f"{self.redirect_uri}?{urlencode(self.listener.callback())}"

    def connect_device(self, verification_uri: str, user_code: str, approve: bool = True) -> None:
        """Types in the code (RFC 8628 §3.3) and decides."""
        agent = self._agent(approve)
        page = agent._request("GET", verification_uri, None)
        for _ in range(STEPS_MAX):
            if page.status in (301, 302, 303):
                page = agent._request("GET", _absolute(verification_uri, page.headers["Location"]), None)
                continue
            form = next(iter(forms(page.body)), None)
            if form is None:
                if page.status != 200:
                    raise FlowStopped(f"{page.status} at {page.url.split('?')[0]}")
                return
            if "password" in form.inputs:
                form.inputs |= {"username": USER, "password": PASSWORD}
            elif "user_code" in form.inputs:
                form.inputs["user_code"] = user_code
            button = form.button(APPROVE if approve else DENY) or next(iter(form.buttons), None)
            page = agent._submit(page.url, form, button)
        raise FlowStopped(f"no end after {STEPS_MAX} pages")

    def _agent(self, approve: bool) -> UserAgent:
        return UserAgent(self.redirect_uri, USER, PASSWORD, approve, secrets=self.secrets)


def _absolute(base: str, location: str | None) -> str:
    return urljoin(base, location or "")
