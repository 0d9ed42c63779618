"""The microcontroller of the examples, in QEMU: it verifies tokens with a key that its authorization server has, too, or
asks about them over TLS.

It has few connections and one light. Clients come one after another, and each one finds it started anew.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Iterator
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parents[1] / "device"))

from identity import READ, WRITE, Identity, base64url, from_base64url
from qemu import MODEST, STEADY, Device
from report import Failure, expect
from wire import Caller, ask

from authorization import KEY_ID
from columns import Column, Means
from servers import START_SECS_MAX, Server, free_ports, metadata_url

if TYPE_CHECKING:
    from clients import Outcome

# Where the device finds this machine.
HOST = "10.0.2.2"


class DeviceServer(Server):
    """One device with its flash."""

    def __init__(self, means: Means, column: Column) -> None:
        if means.images is None:
            raise RuntimeError(f"{column.title}: there is no firmware")
        self._means, self._column = means, column
        self._issuer = means.issuers[column.issuer]
        super().__init__(column.name, means.cache, self._issuer.issuer, means.resource(column))
        self._asks = column.token_format == "opaque"
        document = self._asking if self._asks else self._verifying
        # Who asks has to get through a TLS handshake before a deadline.
        pace = STEADY if self._asks else MODEST
        self._device = Device(means.images / column.image, document=document, icount=pace, reaches_host=self._asks)
        self._device.port, self._device.log_path = means.ports[column.name], self.log
        self._secrets: set[str] = set()

    def start(self) -> None:
        try:
            self._device.start()
        except Failure as failure:
            raise RuntimeError(f"{self._column.title}: {failure}") from failure
        self.answers(metadata_url(self.resource))

    def alive(self) -> bool:
        return super().alive() and self._device.is_running()

    def stop(self) -> None:
        self._device.__exit__()
        super().stop()

    def _verifying(self, resource: str, file: Path) -> None:
        """Provisions it with the key of its tokens."""
        key = self._issuer.key_file(self._column, resource).read_text().strip()
        self._secrets.add(key)
        Identity(resource, self.issuer, KEY_ID, from_base64url(key)).write(file)

    def _asking(self, resource: str, file: Path) -> None:
        """Provisions it with whom to ask, which speaks TLS for that."""
        folder = self._issuer.folder / f"{self._column.name}-tls"
        self._issuer.command("key", "certificate", "--host", "localhost", "--out", str(folder))
        (port,) = free_ports(1)
        front = [str(self._means.node / "tls_front.mjs"), str(folder / "server.pem"), str(folder / "server.key")]
        self.run(["node", *front, str(port), str(urlsplit(self.issuer).port)])
        self._listens(port)
        secret = self._issuer.secret_file(self._column).read_text()
        asked = {
            "endpoint": f"https://localhost:{port}{urlsplit(self._issuer.introspection_endpoint).path}",
            "address": f"{HOST}:{port}",
            "client_id": self._column.name,
            "client_secret": secret,
            "certificate": base64url((folder / "authority.der").read_bytes()),
        }
        file.write_text(json.dumps({"version": 1, "resource": resource, "issuer": self.issuer, "introspection": asked}))
        self._secrets.add(secret)

    def _listens(self, port: int) -> None:
        """Waits until somebody takes connections there."""
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and super().alive():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"nothing takes connections at port {port}")

    def when_left(self, outcome: Outcome, label: str) -> None:
        """The light is on exactly when the client was allowed to turn it on; and the device starts anew for the next one."""
        light = "is on, and off after a restart" if outcome.further else "stayed off"
        outcome.secrets |= self._secrets
        faults = [self._fault(outcome.further), self._fault(False, anew=True)]
        outcome.add(f"{label}: the light {light}", "; ".join(filter(None, faults)) or None)

    def _fault(self, is_on: bool, anew: bool = False) -> str | None:
        """What is wrong with the device, or with its light; `anew`, after a restart."""
        try:
            if anew:
                self._device.restart()
            self._device.check()
            expect(self._device.led(), is_on, "the light after a restart" if anew else "the light")
        except (Failure, OSError) as error:
            return str(error)
        return None

    def own_checks(self) -> Iterator[tuple[str, str | None]]:
        """Tokens that are nearly good: signed here, with the key that it shares with the authorization server."""
        if self._asks:
            return
        other = {"audience": {"aud": f"{self.resource}/other"}, "issuer": {"iss": f"{self.issuer}/other"}}
        status, challenge = self._answer(self._device.token(READ))
        yield "a token of its own is accepted", None if status == 200 else f"{status} {challenge}"
        for what, claim in other.items():
            status, challenge = self._answer(self._device.token(READ, **claim))
            is_refused = status == 401 and 'error="invalid_token"' in challenge
            yield f"the same with another {what} is refused", None if is_refused else f"{status} {challenge}"

    def _answer(self, token: str) -> tuple[int, str]:
        """Status and challenge of a call with this token; status 0 with the reason when there is no answer."""
        try:
            answer = ask(self._device.port, Caller(urlsplit(self.resource).netloc, token).tools_list())
        except Failure as error:
            return 0, str(error)
        return answer.status, answer.field("www-authenticate") or ""


def start(means: Means, column: Column) -> DeviceServer:
    server = DeviceServer(means, column)
    try:
        server.start()
        return server
    except BaseException:
        server.stop()
        raise
