"""Cases, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

failures = 0


class Failure(Exception):
    """A case does not hold."""


def line(title: str, why: str | None) -> None:
    global failures
    failures += why is not None
    said = "" if why is None else ": " + " ".join(why.split())[:400]
    print(f"{'ok' if why is None else 'not ok'} - {title}{said}", flush=True)


@contextmanager
def case(title: str) -> Iterator[None]:
    """One case: it fails by any exception, and the next one goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a peer's library may raise anything
        line(title, f"{type(error).__name__}: {error}")
    else:
        line(title, None)


def expect(held: bool, otherwise: object) -> None:
    if not held:
        raise Failure(str(otherwise))
