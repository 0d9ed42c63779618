"""Links from one page to another, or within one: the file is there, and the heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shown import Command, kept

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def broken(root: Path) -> Iterator[tuple[Command, str]]:
    """Each link that leads nowhere, and why."""
    for name in kept(root, "*.md"):
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            for path, anchor in LINK.findall(line):
                target = (root / name).parent / path if path else root / name
                if why := why_not(target, anchor):
                    yield Command(name, number, f"{path}#{anchor}"), why


def why_not(target: Path, anchor: str) -> str | None:
    if not target.exists():
        return "there is no such file"
    if anchor and anchor not in {slug(heading) for heading in HEADING.findall(target.read_text())}:
        return "there is no such heading"
    return None


def slug(heading: str) -> str:
    """The name of a heading's anchor: small letters, without what is neither word nor hyphen, blanks as hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
