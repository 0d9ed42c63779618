"""Cases that fail because of the client, each with what must be seen whenever it fails.

A listed case that fails in another way, passes, or is not run, fails the run: the list stays true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """One case of one client."""

    client: str
    case: str
    evidence: re.Pattern[str]
    """What the failure says."""
    why: str

    def judge(self, passed: bool, remark: str) -> tuple[bool, str]:
        """Whether the client behaves as listed, and what is said about it."""
        if passed:
            return False, "listed as broken in the client, but it passes: take it off the list"
        if not self.evidence.search(remark):
            return False, f"broken in another way than listed: {remark}"
        return True, f"broken in the client, as listed: {self.why}"


BROKEN = (
    Broken(
        client="typescript 1.x",
        case="the user grants the further scope: the tool runs",
        # It refreshes once, meets the same challenge, and says so itself; the user is not asked.
        evidence=re.compile(
            r"Server returned 403 after trying upscoping; after the challenge: /token refresh_token 200, /mcp 403$"
        ),
        why="with a refresh token it answers the challenge by refreshing, which adds no scope, and gives up",
    ),
    Broken(
        client="inspector",
        case="the user grants the further scope: the tool runs",
        evidence=re.compile(r'"Unexpected: auth\(\) returned AUTHORIZED without authorization code"'),
        why="with a refresh token it answers the challenge by refreshing, then fails for want of a code; the user is not asked",
    ),
)
