"""The user and the browser of a client that is another process, in another language.

The client writes `authorize {…}` on a line and reads the answer, one line of JSON: `callback` with the
parameters of the redirect, `refused` by the login page, or `stopped` on a page that leads nowhere.
"""

from __future__ import annotations

import json
import queue
from typing import Any

from servers import PASSWORD, USER
from user_agent import FlowStopped, LoginRefused, RedirectListener, UserAgent

ASKED = "authorize "


class Browsers:
    """The browsers of one client process, by the number that it gives them."""

    def __init__(self) -> None:
        self.listener = RedirectListener(0)
        self._agents: dict[int, UserAgent] = {}

    def answer(self, line: str) -> str:
        asked = json.loads(line.removeprefix(ASKED))
        return json.dumps(self._authorize(asked)) + "\n"

    def _authorize(self, asked: dict[str, Any]) -> dict[str, Any]:
        password = asked.get("password") or PASSWORD
        fresh = UserAgent(self.listener.redirect_uri, USER, password, asked["approve"])
        agent = self._agents.setdefault(asked["browser"], fresh)
        try:
            agent.authorize(asked["url"])
            return {"callback": self.listener.callback()}
        except LoginRefused as error:
            return {"refused": str(error)}
        except (FlowStopped, OSError, queue.Empty) as error:
            return {"stopped": f"{type(error).__name__}: {error}"}

    @property
    def secrets(self) -> set[str]:
        return {secret for agent in self._agents.values() for secret in agent.secrets}

    def close(self) -> None:
        self.listener.close()
