"""How a command of the documentation is run: which commands, and what is done with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stage import Stage

Run = Callable[[Stage, str], None]


@dataclass(frozen=True)
class Recipe:
    """Runs one command and checks what is said about it; raises when that is not so."""

    pattern: re.Pattern[str]
    run: Run


@dataclass(frozen=True)
class Elsewhere:
    """A command that another step of the tests runs, which is seen by a text in its script."""

    pattern: re.Pattern[str]
    step: str
    evidence: str

    def why_not(self, root: Path) -> str | None:
        script = root / "tests" / "steps" / f"{self.step}.sh"
        steps = re.search(r"^steps=\((.*)\)$", (root / "tests" / "run").read_text(), re.MULTILINE)
        if steps is None or self.step not in steps[1].split():
            return f"there is no step {self.step}"
        return None if self.evidence in script.read_text() else f"step {self.step} has no {self.evidence!r}"


@dataclass(frozen=True)
class ByHand:
    """A command that no test can run, and why."""

    pattern: re.Pattern[str]
    why: str


RECIPES: list[Recipe] = []


def shows(pattern: str) -> Callable[[Run], Run]:
    """Declares how commands are run that fit the pattern as a whole, each run of blanks in them being one blank."""

    def declare(run: Run) -> Run:
        RECIPES.append(Recipe(re.compile(pattern), run))
        return run

    return declare


def plain(command: str) -> str:
    """The command on one line, with single blanks."""
    return re.sub(r"\s*\\?\n\s*|[ \t]+", " ", command).strip()
