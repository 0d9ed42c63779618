"""`portcullis login`, `token get` and `logout` with the Secret Service of a desktop: gnome-keyring on a D-Bus session
of its own, started and ended here, and the same commands where no such service is.

Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed. Run without
`--inside` it starts itself again inside `dbus-run-session`, with a home of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import demo as demos
from columns import Column, Means
from commands import Commands, Ended, expect
from servers import fetch

SESSION_SECS_MAX = 240
NO_BUS = "unix:path=/nonexistent"


class Run(Commands):
    """The program against the demo."""

    def __init__(self, program: Path, server: str, home: Path) -> None:
        super().__init__("keyring", argparse.Namespace(label="Secret Service"), r"(https?://\S+)$", {})
        self.program, self.server, self.home = program, server, home

    def does(self, command: str, *further: str, about_server: bool = True, bus: str | None = None) -> Ended:
        own = self.environment
        self.environment = own | ({"DBUS_SESSION_BUS_ADDRESS": bus} if bus else {})
        try:
            where = [self.server] if about_server else []
            return self.run([str(self.program), *command.split(), *where, *further])
        finally:
            self.environment = own

    def token(self, *further: str, bus: str | None = None) -> str:
        ended = self.does("token get", *further, bus=bus)
        expect(ended.status, 0, f"status of token get, {ended.log[-300:]}")
        return ended.out.strip()

    def is_served(self, token: str) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        headers |= {"MCP-Protocol-Version": "2025-11-25", "Authorization": f"Bearer {token}"}
        expect(fetch(self.server, json.dumps(message).encode(), headers)[0], 200, "status with the token")

    def logs_in(self, *store: str) -> str | None:
        ended = self.does("login --no-browser --json", *store)
        expect(ended.status, 0, f"status of login, {ended.log[-300:]}")
        expect((json.loads(ended.out)["store"], ended.logins), ("keyring", 1), "store and logins")
        token = self.token()
        self.is_served(token)
        expect(self.token("--store", "keyring"), token, "token of the next process")
        listed = json.loads(self.does("login --list --json", about_server=False).out)["logins"]
        expect([(login["server"], login["store"]) for login in listed], [(self.server, "keyring")], "list")
        self.no_secret_in_files(token)
        return None

    def no_secret_in_files(self, token: str) -> None:
        """The login's own files hold no secret; what the keyring keeps on its disk is encrypted."""
        files = [path for path in self.home.rglob("*") if path.is_file()]
        own = [path for path in files if "portcullis" in path.parts]
        expect(any(path.suffix == ".json" for path in own), True, "there is a list of servers")
        for path in files:
            expect(token.encode() in path.read_bytes(), False, f"the token is in {path}")

    def logs_out(self) -> str | None:
        ended = self.does("logout --json")
        expect((ended.status, json.loads(ended.out)), (0, {"forgotten": True, "revoked": True}), "logout")
        ended = self.does("token get")
        expect((ended.status, "no login" in ended.log), (1, True), f"token get, {ended.log[-300:]}")
        expect(self.does("logout").status, 1, "status of another logout")
        return None

    def files_without_service(self) -> str | None:
        ended = self.does("login --no-browser --json", bus=NO_BUS)
        expect((ended.status, json.loads(ended.out)["store"]), (0, "file"), f"store, {ended.log[-300:]}")
        self.is_served(self.token(bus=NO_BUS))
        # With the service back, the login that there is counts.
        self.is_served(self.token())
        expect(json.loads(self.does("logout --json").out)["forgotten"], True, "forgotten")
        expect(self.does("token get", bus=NO_BUS).status, 1, "status of token get")
        return None

    def files_while_locked(self) -> str | None:
        """Nobody is there to unlock it: that is known before the user logs in."""
        service = "org.freedesktop.secrets", "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock"
        command = ["dbus-send", "--session", "--print-reply", f"--dest={service[0]}", *service[1:]]
        collections = [f"/org/freedesktop/secrets/collection/{name}" for name in ("login", "session")]
        subprocess.run([*command, f"array:objpath:{','.join(collections)}"], check=True, capture_output=True, timeout=60)
        ended = self.does("login --no-browser", "--store", "keyring")
        expect((ended.status, ended.logins), (1, 0), f"status and logins, {ended.log[-300:]}")
        ended = self.does("login --no-browser --json")
        expect((ended.status, ended.logins), (0, 1), f"status and logins, {ended.log[-300:]}")
        expect((json.loads(ended.out)["store"], "takes nothing now" in ended.log), ("file", True), "store, told why")
        self.is_served(self.token("--store", "file"))
        return None

    def refused_without_service(self) -> str | None:
        for command in ("login --no-browser", "token get", "logout"):
            ended = self.does(command, "--store", "keyring", bus=NO_BUS)
            expect(ended.status != 0 and "keyring" in ended.log, True, f"{command}: {ended.status}, {ended.log[-300:]}")
            expect(ended.logins, 0, "logins")
        return ended.log.strip().splitlines()[-1][:120]


def inside(program: Path, home: Path) -> int:
    """All cases, on the bus that this process was started on."""
    daemon = subprocess.run(
        ["gnome-keyring-daemon", "--unlock", "--components=secrets"], input="a password", text=True, capture_output=True, timeout=60
    )
    if daemon.returncode:
        print(f"not ok - keyring: gnome-keyring-daemon: {daemon.stderr.strip()[-300:]}")
        return 1
    column = Column("demo-offline", "demo --verify offline", demos.start)
    demo = demos.start(Means(program, home, examples=home, node=home, python=Path(sys.executable)), column)
    try:
        run = Run(program, demo.resource, home / "data")
        run.case("a login, its token for later processes, no secret in files", run.logs_in)
        run.case("a logout revokes and forgets", run.logs_out)
        run.case("a login in the keyring that was asked for by name", lambda: run.logs_in("--store", "keyring"))
        run.case("that is forgotten too", run.logs_out)
        run.case("without a service a login is in files, and found there", run.files_without_service)
        run.case("a keyring that was asked for and is not there is an error", run.refused_without_service)
        run.case("a keyring that is locked: the login is in files, or refused before anybody logs in", run.files_while_locked)
        return 1 if run.failed else 0
    finally:
        demo.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--inside", type=Path, help="the home of a session that has begun")
    told = parser.parse_args()
    if told.inside:
        return inside(told.program, told.inside)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        places = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_RUNTIME_DIR": home / "run"}
        for place in places.values():
            place.mkdir(mode=0o700, exist_ok=True)
        own = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        command = ["dbus-run-session", "--", sys.executable, __file__, "--program", str(told.program.resolve())]
        done = subprocess.run(
            [*command, "--inside", folder], env=own | {name: str(place) for name, place in places.items()}, timeout=SESSION_SECS_MAX
        )
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
