"""The authorization servers of many columns: ours on SQLite, and npm's `oidc-provider`.

Each is one process that serves several resources, so that a token for one of them is tried at another, too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from columns import Column, Means
from servers import PASSWORD, USER, Programs, free_ports

OURS, OTHERS = "ours", "oidc-provider"
COMMAND_SECS_MAX = 60
# The name of the keys of HS256 tokens.
KEY_ID = "1"
KEY_LEN = 32
CONFIGURATION = """
listen = "127.0.0.1:{port}"
issuer = "{issuer}"
[database]
sqlite = "records.db"
[lifetimes]
access_token_secs = 3600
[limits]
registrations_per_peer_per_hour = 10000
requests_per_peer_per_second = 0
wrong_secrets_per_minute = 1000
pending_authorizations_per_peer = 10000
"""
RESOURCE = """
[[resource]]
identifier = "{resource}"
name = "{name}"
token_format = "{format}"
introspection = {{ client_id = "{name}", secret = {{ file = "{name}.secret" }} }}
[[resource.scope]]
name = "{base}"
description = "read"
default = true
[[resource.scope]]
name = "{further}"
description = "change"
"""


class AuthorizationServer(Programs):
    """One that runs, and how resource servers learn whether its tokens are good."""

    def __init__(self, kind: str, means: Means, columns: list[Column]) -> None:
        super().__init__(kind, means.cache)
        (self._port,) = free_ports(1)
        self.kind = kind
        self.issuer = f"http://localhost:{self._port}"
        self.introspection_endpoint = f"{self.issuer}/introspect"
        self.folder = means.cache / kind
        """Its secrets: what a column introspects with is in the file that has its name."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        for column in columns:
            write_secret(self.folder / f"{column.name}.secret", secrets.token_urlsafe(32))
            if kind == OTHERS and column.token_format == "hs256":
                write_secret(self.folder / f"{column.name}.key", secrets.token_urlsafe(KEY_LEN))
        self._program = means.program
        try:
            self._start_ours(means, columns) if kind == OURS else self._start_others(means, columns)
        except BaseException:
            self.stop()
            raise

    def secret_file(self, column: Column) -> Path:
        """What the column's server introspects with, as the client that has the column's name."""
        return self.folder / f"{column.name}.secret"

    def key_file(self, column: Column, resource: str) -> Path:
        """A file with the key that verifies the HS256 tokens of a resource."""
        key = self.folder / f"{column.name}.key"
        if self.kind == OURS:
            master = self.folder / "portcullis-data" / "master.key"
            self.command("key", "derive", "--master-key", str(master), "--resource", resource, "--kid", KEY_ID, "--out", str(key))
        return key

    def _start_ours(self, means: Means, columns: list[Column]) -> None:
        configuration = CONFIGURATION.format(port=self._port, issuer=self.issuer)
        for column in columns:
            told = {"resource": means.resource(column), "name": column.name, "format": column.token_format}
            configuration += RESOURCE.format(**told, base=column.base, further=column.further)
        (self.folder / "portcullis.toml").write_text(configuration)
        self.run([str(self._program), "authorization-server"], self.folder, ours=True)
        self._waits()
        self.command("user", "add", USER, typed=f"{PASSWORD}\n")

    def _start_others(self, means: Means, columns: list[Column]) -> None:
        resources = [
            {
                "identifier": means.resource(column),
                "scope": f"{column.base} {column.further}",
                # HS256 with a key of its own, or as a JWT whose key is published, or opaque.
                "format": "jwt" if column.token_format == "hs256" else column.token_format,
                "sign": self._shared_key(column),
                "client": {"client_id": column.name, "client_secret": self.secret_file(column).read_text()},
            }
            for column in columns
        ]
        settings = {"port": self._port, "user": USER, "password": PASSWORD, "resources": resources}
        file = self.folder / "settings.json"
        write_secret(file, json.dumps(settings))
        self.run(["node", str(means.node / "oidc_provider.mjs"), str(file)])
        self._waits()

    def _shared_key(self, column: Column) -> dict[str, str] | None:
        if column.token_format != "hs256":
            return None
        return {"kid": KEY_ID, "key": (self.folder / f"{column.name}.key").read_text()}

    def _waits(self) -> None:
        self.answers(f"{self.issuer}/.well-known/oauth-authorization-server")

    def command(self, *words: str, typed: str = "") -> None:
        """Our program, in the folder."""
        command = [str(self._program), *words]
        ended = subprocess.run(command, cwd=self.folder, input=typed, capture_output=True, text=True, timeout=COMMAND_SECS_MAX)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(words[:2])}: {ended.stderr}")


def write_secret(file: Path, text: str) -> None:
    """A file for its owner alone, as our programs want it."""
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
