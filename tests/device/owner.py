"""Whoever owns a device: provisions it with keys of his own, and finds out which of them it accepts."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from identity import READ, Identity, base64url
from qemu import HALTED, SERVED, START_SECS_MAX, Device
from report import Failure, expect
from wire import Answer, Caller, ask

KEYS = "device:keys"


@dataclass(frozen=True)
class Key:
    """A key with the name that tokens have for it."""

    name: str
    raw: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


class OwnedDevice(Device):
    """A device whose provisioning changes over its life; its first one has version 1."""

    def __init__(self, firmware: Path, *keys: Key, **options: Any) -> None:
        super().__init__(firmware, document=self._first, **options)
        self._keys = keys

    def _first(self, resource: str, path: Path) -> None:
        self._write(path, Identity(resource), 1, self._keys)

    def provision(self, version: int, *keys: Key, **who: str) -> None:
        """What the next start reads; `who` is another resource or issuer."""
        if self.identity is None:
            raise Failure("the device was not started")
        self.identity = Identity(**{"resource": self.identity.resource, "issuer": self.identity.issuer} | who)
        self._write(self.provisioning, self.identity, version, keys)

    @staticmethod
    def _write(path: Path, identity: Identity, version: int, keys: tuple[Key, ...]) -> None:
        own = [{"kid": key.name, "key": base64url(key.raw)} for key in keys]
        path.write_text(json.dumps(identity.document() | {"version": version, "keys": own}))

    def attempt(self) -> str | None:
        """Starts it anew: nothing when it serves, else the reason why it halts."""
        self.stop()
        self.power_on()
        deadline = time.monotonic() + START_SECS_MAX
        while True:
            has_ended = not self.is_running()
            log = self.log()
            _, halted, reason = log.partition(HALTED)
            if halted and "\n" in reason:
                return reason.partition("\n")[0].strip()
            if SERVED in log:
                return None
            if has_ended or time.monotonic() > deadline:
                raise Failure(f"it neither serves nor halts: {log[-300:]!r}")
            time.sleep(0.01)

    def serves(self) -> None:
        """Starts it anew, and it has to serve."""
        expect(self.attempt(), None, "why it halts")

    def refuses(self, reason: str) -> None:
        """Starts it anew: it has to halt for this reason, and to leave the flash as it is."""
        before = self.flash.read_bytes()
        said = self.attempt()
        if reason not in (said or "it serves"):
            raise Failure(f"{said or 'it serves'!r} instead of {reason!r}")
        expect(self.flash.read_bytes() == before, True, "the flash is as it was")

    def holder(self, key: Key, scope: str = READ, **changes: Any) -> Caller:
        """Somebody with a token under this key."""
        if self.identity is None:
            raise Failure("the device was not started")
        claims = self.identity.claims(scope, **changes)
        token = self.identity.sign(claims, {"kid": key.name}, key.raw)
        return Caller(self.identity.resource.split("/")[2], token)

    def status(self, key: Key) -> int:
        """Of a request with a token under this key."""
        return ask(self.port, self.holder(key).tools_list()).status

    def statuses(self, *keys: Key) -> tuple[int, ...]:
        return tuple(self.status(key) for key in keys)

    def rotation(self, key: Key, scope: str = f"{READ} {KEYS}") -> bytes:
        """The request that lets the key to come take over."""
        return self.holder(key, scope).modern("tools/call", {"name": "rotate_key", "arguments": {}})

    def rotate(self, key: Key, scope: str = f"{READ} {KEYS}") -> Answer:
        return ask(self.port, self.rotation(key, scope))


def is_done(answer: Answer) -> bool:
    """Whether a tool did what it was called for."""
    return answer.status == 200 and not answer.json()["result"].get("isError", False)
