"""The lines by which a part of these tests tells its cases (`tests/steps/lib.sh` counts them)."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import Any, Iterator


class Failure(Exception):
    """What a case expected is not so."""


def expect(actual: Any, expected: Any, what: str) -> None:
    """Stays in force under `python -O`, unlike `assert`."""
    if actual != expected:
        raise Failure(f"{what}: {actual!r} instead of {expected!r}")


class Report:
    """Counts what failed; cases may run beside each other."""

    def __init__(self) -> None:
        self.failed = 0
        self._lock = threading.Lock()

    def line(self, title: str, why: str | None = None) -> None:
        with self._lock:
            self.failed += why is not None
            print(f"ok - {title}" if why is None else f"not ok - {title}: {why}", flush=True)

    @contextmanager
    def case(self, title: str) -> Iterator[list[str]]:
        """Runs the block as one case; what it appends to the list is said beside the title."""
        remarks: list[str] = []
        try:
            yield remarks
        except Exception as error:  # every failure of a case is told the same way
            said = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            self.line(title, said.replace("\n", " ")[:900])
        else:
            self.line(title + (f" ({', '.join(remarks)})" if remarks else ""))

    def end(self) -> None:
        sys.exit(1 if self.failed else 0)
