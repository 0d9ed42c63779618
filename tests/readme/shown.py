"""The commands that the documentation shows: in Markdown's blocks for a console, and in doc comments of Rust."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCES = ("```console", "```sh")
# A block of text in a doc comment is one of commands when it begins with one.
BEGINS = re.compile(r"([A-Z_]+=\S.* )?(cargo|curl|portcullis|python3|\./\S|examples/)")
# What is said beside a command is no part of it.
REMARK = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Command:
    """One command as a reader would type it: lines that belong together, without what is said beside them."""

    file: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


Block = list[Command]


def kept(root: Path, *patterns: str) -> list[str]:
    """The names of the files that belong to the project, the front page first."""
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=root, capture_output=True, text=True, check=True)
    return sorted(listing.stdout.splitlines(), key=lambda name: (name != "README.md", name))


def blocks(root: Path) -> Iterator[Block]:
    """The blocks of all files, in order."""
    for name in kept(root, "*.md", "*.rs"):
        lines = (root / name).read_text().splitlines()
        yield from _in_markdown(name, lines) if name.endswith(".md") else _in_comments(name, lines)


def _in_markdown(name: str, lines: list[str]) -> Iterator[Block]:
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and line.strip() in FENCES:
            start = number + 1
        elif start is not None and line.strip() == "```":
            yield commands(name, start, lines[start - 1 : number - 1])
            start = None


def _in_comments(name: str, lines: list[str]) -> Iterator[Block]:
    start = None
    for number, line in enumerate(lines, 1):
        said = re.match(r"\s*//[/!] ?(.*)$", line)
        if said is None:
            start = None
        elif start is None and said[1] in ("```text", *FENCES):
            start = number + 1
        elif start is not None and said[1] == "```":
            inner = [re.sub(r"^\s*//[/!] ?", "", line) for line in lines[start - 1 : number - 1]]
            if inner and BEGINS.match(inner[0]):
                yield commands(name, start, inner)
            start = None


def commands(name: str, start: int, lines: list[str]) -> Block:
    """A line that ends with a backslash or a pipe goes on in the next one."""
    found: Block = []
    parts: list[str] = []
    for number, line in enumerate(lines, start):
        line = REMARK.sub("", line).rstrip()
        if not line and not parts:
            continue
        parts.append(line)
        if not line.endswith(("\\", "|")):
            found.append(Command(name, number - len(parts) + 1, "\n".join(parts)))
            parts = []
    if parts:
        found.append(Command(name, start, "\n".join(parts)))
    return found
