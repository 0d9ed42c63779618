"""Commands of the program in the middle of a text, and in tables of doc comments: the program must know their words.

They are not run: `portcullis … --help` tells whether there is such a command with such options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shown import Command, kept
from stage import Stage

# Commands, and whether they have commands of their own.
COMMANDS = {"demo": 1, "authorization-server": 1, "protect": 1, "login": 1, "logout": 1, "doctor": 1}
COMMANDS |= {"user": 2, "client": 2, "key": 2, "token": 2}
SPAN = re.compile(r"`([^`\n]+)`")
# A line of a table in a doc comment: the command, and behind blanks what it does.
ROW = re.compile(r"\s*//! ([a-z-]+(?: \S+)*)(?:  .*)?$")


def mentioned(root: Path) -> Iterator[Command]:
    """All that begins like a command of the program."""
    for name in kept(root, "*.md"):
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            for span in SPAN.findall(line):
                text = span.removeprefix("portcullis ")
                if " " in span and text.split()[0] in COMMANDS:
                    yield Command(name, number, text)
    for name in kept(root, "adapters/cli/src/*.rs"):
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            row = ROW.match(line)
            if row and " " in row[1] and row[1].split()[0] in COMMANDS and not row[1].endswith("."):
                yield Command(name, number, row[1])


def why_not(stage: Stage, text: str) -> str | None:
    """Why the program does not know the command, or an option of it."""
    words = text.split()
    path = words[: COMMANDS[words[0]]]
    # One word may stand for several: add|list|remove.
    for last in path[-1].split("|"):
        command = " ".join([*path[:-1], last])
        helped = stage.run(f"portcullis {command} --help", status=None)
        if helped.status != 0:
            return f"there is no {command}"
        for option in (word for word in words if word.startswith("--")):
            if not re.search(rf"{re.escape(option)}\b", helped.out):
                return f"{command} has no {option}"
    return None
