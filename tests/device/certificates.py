"""Certificates of an authorization server, good ones and such that prove nothing, made by the program openssl.

ECDSA with P-256 throughout, which is what a device can check: so none is refused for its kind of key. All authorities
have one name, as whoever forges a certificate gives it the name that is looked for.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from report import Failure

PROGRAM = "openssl"
DAY = timedelta(days=1)
AUTHORITY = "Authority of the tests"
CONFIG = """
[req]
prompt = no
distinguished_name = subject
[subject]
commonName = {name}
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[server]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:{host}
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[ca]
default_ca = own
[own]
certificate = {folder}/authority.pem
private_key = {folder}/authority.key
database = {folder}/issued
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""
NEW_KEY = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and its key, each a file in PEM."""

    chain: Path
    key: Path


class Authority:
    """Issues certificates, and keeps its key in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "issued").touch()
        self._openssl("req", "-x509", *NEW_KEY, "-config", self._config(AUTHORITY), "-extensions", "authority",
                      "-keyout", "authority.key", "-out", "authority.pem", "-days", "30")
        self._openssl("x509", "-in", "authority.pem", "-outform", "DER", "-out", "authority.der")
        self.der = folder / "authority.der"

    def issue(self, name: str, host: str, since: timedelta = -DAY, until: timedelta = DAY) -> Certificate:
        """A certificate for this host, from and to these times from now."""
        config = self._config(name, host)
        self._openssl("req", *NEW_KEY, "-config", config, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        now = datetime.now(timezone.utc)
        start, end = (f"{now + offset:%Y%m%d%H%M%SZ}" for offset in (since, until))
        self._openssl("ca", "-batch", "-notext", "-config", config, "-extensions", "server", "-startdate", start, "-enddate", end,
                      "-in", f"{name}.csr", "-out", f"{name}.pem")
        return self._certificate(name)

    def self_signed(self, host: str) -> Certificate:
        """A certificate that no authority issued."""
        name = "itself"
        self._openssl("req", "-x509", *NEW_KEY, "-config", self._config(name, host), "-extensions", "server",
                      "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "1")
        return self._certificate(name)

    def _certificate(self, name: str) -> Certificate:
        return Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def _config(self, name: str, host: str = "unused") -> str:
        path = self._folder / f"{name}.cnf"
        path.write_text(CONFIG.format(name=name, host=host, folder=self._folder))
        return str(path)

    def _openssl(self, *arguments: str) -> None:
        command = [PROGRAM, *arguments]
        done = subprocess.run(command, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")
