"""In place of a browser: opens the page that is its argument, and logs in there as the demo's user."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from user_agent import UserAgent  # noqa: E402

DEMO_USER, DEMO_PASSWORD = "demo_user", "demo_password"


def open_page(page: str, user: str = DEMO_USER, password: str = DEMO_PASSWORD) -> None:
    back = parse_qs(urlsplit(page).query)["redirect_uri"][0]
    UserAgent(back, user, password).authorize(page)


if __name__ == "__main__":
    open_page(sys.argv[1])
