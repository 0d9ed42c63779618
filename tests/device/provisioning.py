"""What a device makes of what it is started with: its provisioning, its flash, the time."""

from __future__ import annotations

import random
import time
from pathlib import Path

from identity import READ, Identity
from owner import Key, OwnedDevice, is_done
from report import Failure, Report, expect
from wire import Caller, ask, request

OLD, NEW, STRANGE, LATER = Key("old"), Key("new"), Key("strange"), Key("later")
SEED = 20_261_128
DAMAGES = 16
# Where in each copy the first records are, in bytes.
RECORDS_LEN = 512
# A LAN: neither loopback nor reached with TLS.
LAN = "192.168.1.7"
PRELOADED = "faketime/libfaketimeMT.so.1"
BACK_DAYS = 3650


def versions(report: Report, firmware: Path) -> None:
    """SEC-510, and flash of another device (SEC-509)."""
    with OwnedDevice(firmware, OLD, NEW) as device:
        with report.case("SEC-510: the same provisioning again does not undo a change of keys, nor does one of the same version with other keys"):
            expect(is_done(device.rotate(OLD)), True, "the change of keys is done")
            device.serves()
            expect(device.statuses(OLD, NEW), (401, 200), "statuses")
            device.provision(1, STRANGE, LATER)
            device.serves()
            expect(device.statuses(OLD, NEW, STRANGE, LATER), (401, 200, 401, 401), "statuses")
        with report.case("SEC-510: a higher version: its keys are taken, and all others refused"):
            device.provision(3, STRANGE, LATER)
            device.serves()
            expect(device.statuses(OLD, NEW, STRANGE, LATER), (401, 401, 200, 200), "statuses")
        with report.case("SEC-510: a lower version: the device halts and says why, also with the keys that are stored"):
            for version, keys in ((1, (OLD, NEW)), (2, (OLD, NEW)), (2, (STRANGE, LATER))):
                device.provision(version, *keys)
                device.refuses("provisioning is older than the stored one")
        with report.case("SEC-510: with the version that is stored it serves again, with the keys that are stored"):
            device.provision(3, OLD, NEW)
            device.serves()
            expect(device.statuses(OLD, NEW, STRANGE, LATER), (401, 401, 200, 200), "statuses")
        with report.case("SEC-509: with the flash of another device: it halts and says why, whatever the version"):
            own = device.identity.resource if device.identity else ""
            for version in (1, 3, 4):
                device.provision(version, STRANGE, resource="https://other.example/mcp")
                device.refuses("stored keys belong to another resource")
            device.provision(3, STRANGE, resource=own)
            device.serves()
            expect(device.statuses(STRANGE, LATER, OLD), (200, 200, 401), "statuses")


def damage(report: Report, firmware: Path) -> None:
    """SEC-509: the flash is not as it was left."""
    chance = random.Random(SEED)
    with OwnedDevice(firmware, OLD, NEW) as device:
        expect(is_done(device.rotate(OLD)), True, "the change of keys is done")
        device.stop()
        whole = device.flash.read_bytes()
        half = len(whole) // 2
        fills = {"erased": b"\xff" * half, "zero": bytes(half), "random": chance.randbytes(half)}

        def start_with(flash: bytes) -> str | None:
            device.stop()
            device.flash.write_bytes(flash)
            return device.attempt()

        for title, fill in fills.items():
            with report.case(f"SEC-509: one copy is {title}: the stored keys serve, and are in both again"):
                for lost, kept in ((0, half), (half, 0)):
                    flash = bytearray(whole)
                    flash[lost : lost + half] = fill
                    expect(start_with(flash), None, "why it halts")
                    expect(device.statuses(OLD, NEW, STRANGE), (401, 200, 401), "statuses")
                    flash = bytearray(device.flash.read_bytes())
                    flash[kept : kept + half] = fill
                    expect(start_with(flash), None, "why it halts, with the other copy lost")
                    expect(device.statuses(OLD, NEW, STRANGE), (401, 200, 401), "statuses")
        with report.case("SEC-509: both copies are damaged: it halts and says why, at every start, until the flash is as it was"):
            for flash in (bytes(len(whole)), bytes(byte & 0xAA for byte in whole)):
                expect(start_with(flash), "the keys cannot be used: stored keys are damaged", "why it halts")
                expect(device.flash.read_bytes() == flash, True, "the flash is as it was")
                device.refuses("stored keys are damaged")
            expect(start_with(whole), None, "why it halts")
            expect(device.statuses(OLD, NEW, STRANGE), (401, 200, 401), "statuses")
        with report.case("SEC-509: an erased flash is a new device's: it has the keys of its provisioning and no others"):
            expect(start_with(b"\xff" * len(whole)), None, "why it halts")
            expect(device.statuses(OLD, NEW, STRANGE), (200, 200, 401), "statuses")
        with report.case(f"SEC-509: {DAMAGES} times bytes of the records in both copies damaged, seed {SEED}: no key that was not stored") as remarks:
            seen: dict[str, int] = {}
            for at in range(DAMAGES):
                flash = bytearray(whole)
                for start in (0, half):
                    for _ in range(1 << at % 8):
                        flash[start + chance.randrange(RECORDS_LEN)] ^= chance.randrange(1, 256)
                outcome = start_with(flash)
                if outcome is None:
                    statuses = device.statuses(OLD, NEW, STRANGE)
                    # Without a counter outside of the flash it cannot know that both copies of the latest keys are gone:
                    # then it has those before, or the provisioning's.
                    known = {(401, 200, 401): "the stored key", (200, 200, 401): "the keys before the change"}
                    if statuses not in known:
                        raise Failure(f"statuses {statuses} of old, new and strange key")
                    outcome = known[statuses]
                elif not outcome.startswith("the keys cannot be used: "):
                    raise Failure(f"it halts for {outcome!r}")
                seen[outcome] = seen.get(outcome, 0) + 1
            remarks += [f"{count} times {outcome}" for outcome, count in sorted(seen.items())]


def names(report: Report, firmware: Path) -> None:
    """SEC-524, and that a provisioning which is refused leaves nothing behind."""
    with OwnedDevice(firmware, OLD) as device:
        device.stop()
        length = len(device.flash.read_bytes())
        device.flash.write_bytes(b"\xff" * length)
        secure, plain, long = f"https://{LAN}/mcp", f"http://{LAN}/mcp", "https://" + "x" * 480
        not_secure = "is not https (http is for loopback only)"
        for title, who, reason in (
            (f"the resource {plain}", {"resource": plain}, f"the resource identifier {not_secure}"),
            ("an issuer without TLS on a LAN", {"resource": secure, "issuer": f"http://{LAN}:9000"}, f"an issuer identifier {not_secure}"),
            ("names that are too long together", {"resource": long + ".a", "issuer": long + ".b"}, "no room for the metadata"),
        ):
            with report.case(f"SEC-524 SEC-509: {title}: it halts and says why, and the flash has taken nothing over"):
                device.provision(7, OLD, **who)
                device.refuses(reason)
        with report.case(f"SEC-524: the resource {secure}: it serves, whoever asks under this name and with a token for it"):
            # No lower version is in the way, nor another resource.
            device.provision(1, OLD, resource=secure, issuer="https://login.example")
            device.serves()
            holder = device.holder(OLD)
            expect(ask(device.port, holder.tools_list()).status, 200, "status")
            metadata = ask(device.port, request("", method="GET", target="/.well-known/oauth-protected-resource/mcp", host=LAN)).json()
            expect((metadata["resource"], metadata["authorization_servers"]), (secure, ["https://login.example"]), "metadata")
            expect(ask(device.port, device.holder(OLD, aud=plain).tools_list()).status, 401, "status of a token for the name without TLS")
            for host in (f"127.0.0.1:{device.port}", "192.168.1.8"):
                expect(ask(device.port, Caller(host, holder.token).tools_list()).status, 421, f"status as {host}")


def clock(report: Report, firmware: Path) -> None:
    """SEC-501: the emulator's machine has another time."""
    titles = (
        "SEC-501: a clock set back before the image was built: 503, for tokens of that time and of this one",
        "SEC-501: the clock is right again: a good token is accepted, and one that has expired refused",
    )
    library = next(Path("/usr/lib").glob(f"*/{PRELOADED}"), None)
    if library is None:
        for title in titles:
            print(f"skip - {title}: no library that sets a process's clock (Debian's libfaketime)", flush=True)
        return
    now, back = int(time.time()), BACK_DAYS * 24 * 60 * 60
    with OwnedDevice(firmware, OLD) as device:

        def statuses() -> tuple[int, ...]:
            good, then = device.holder(OLD), device.holder(OLD, iat=now - back - 60, exp=now - back + 600)
            expired = device.holder(OLD, iat=now - 7200, exp=now - 3600)
            answers = [ask(device.port, holder.tools_list()) for holder in (good, then, expired)]
            for answer in answers:
                # 503 says nothing of the token.
                expect("invalid_token" in (answer.field("www-authenticate") or ""), answer.status == 401, "invalid_token")
            return tuple(answer.status for answer in answers)

        with report.case(titles[0]):
            # Its own ticks go on as ever.
            device.environment = {"LD_PRELOAD": str(library), "FAKETIME": f"-{BACK_DAYS}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            device.serves()
            expect(statuses(), (503, 503, 503), "statuses of a good token, one of that time, an expired one")
        with report.case(titles[1]):
            device.environment = {}
            device.serves()
            expect(statuses(), (200, 401, 401), "statuses of a good token, one of that time, an expired one")
