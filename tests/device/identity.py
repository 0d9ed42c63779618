"""Who a device is, and the tokens that it accepts: written here apart from the project's own code.

A provisioning document with a fresh key, and RFC 9068 access tokens signed with it by HMAC-SHA-256
(RFC 7515, RFC 7518 §3.2) from Python's own `hmac`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READ, WRITE = "device:read", "device:write"
LIFETIME_SECS = 15 * 60


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Identity:
    """One device: where it is reached, who issues its tokens, the key they share."""

    resource: str
    issuer: str = "http://localhost:9000"
    key_id: str = "1"
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def document(self) -> dict[str, Any]:
        return {
            "version": 1,
            "resource": self.resource,
            "issuer": self.issuer,
            "keys": [{"kid": self.key_id, "key": base64url(self.key)}],
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.document()))
        path.chmod(0o600)

    @classmethod
    def read(cls, path: Path) -> Identity:
        """The identity in a document that something else wrote; without keys it signs nothing that counts."""
        document = json.loads(path.read_text())
        current = (document.get("keys") or [{"kid": "", "key": ""}])[0]
        return cls(document["resource"], document["issuer"], current["kid"], from_base64url(current["key"]))

    def claims(self, scope: str, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.resource,
            "sub": "somebody",
            "client_id": "tests",
            "iat": now,
            "exp": now + LIFETIME_SECS,
            "jti": secrets.token_hex(8),
            "scope": scope,
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: bytes | None = None) -> str:
        header = {"alg": "HS256", "typ": "at+jwt", "kid": self.key_id} | (header or {})
        parts = [base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims)]
        signed = ".".join(parts)
        mac = hmac.new(self.key if key is None else key, signed.encode(), hashlib.sha256)
        return f"{signed}.{base64url(mac.digest())}"

    def token(self, scope: str = READ, **changes: Any) -> str:
        """A good token, unless a claim is changed (`None` leaves it out)."""
        return self.sign(self.claims(scope, **changes))

    def token_of_len(self, length: int, scope: str = READ) -> str:
        """A good token of this many characters, or one less where base64url has no such length."""
        for pad in range(length):
            token = self.token(scope, sub="s" * (1 + pad * 3 // 4), jti="0" * 16)
            if len(token) >= length - 1:
                return token
        raise ValueError(f"no token of {length} characters")
