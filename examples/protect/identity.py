"""Who calls, as `portcullis protect` says it in the field Portcullis-Identity. Python's standard library is enough.

    claims = verify(headers["Portcullis-Identity"], key, "http://127.0.0.1:3000/mcp")
    claims["sub"], claims["client_id"], claims["scope"].split()

`key` is what `portcullis key new` made, decoded from base64url. Raises ValueError for anything but a statement that
the proxy made for this server just now. A server that others can reach refuses requests without one.
"""

import base64
import hashlib
import hmac
import json
import time


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(statement: str, key: bytes, audience: str, now: float | None = None) -> dict:
    now = time.time() if now is None else now
    signed, _, tag = statement.rpartition(".")
    expected = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(decode(tag), expected):
        raise ValueError("not signed by the proxy")
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    if header != {"alg": "HS256", "typ": "portcullis-identity+jwt"}:
        raise ValueError("not a statement about a caller")
    if claims["aud"] != audience or not claims["iat"] - 60 <= now < claims["exp"] + 60:
        raise ValueError("not for this server, or not for now")
    return claims


if __name__ == "__main__":
    import sys

    key, audience, now = decode(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    print(json.dumps(verify(sys.stdin.read().strip(), key, audience, now)))
