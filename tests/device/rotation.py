"""A device's keys change: while it serves, over restarts, and when its power goes meanwhile."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from identity import READ, WRITE
from owner import KEYS, Key, OwnedDevice, is_done
from report import Failure, Report, expect
from wire import Answer, Connection, ask

OLD, NEW, STRANGE = Key("old"), Key("new"), Key("strange")
# A device of two million instructions in a second, so that a change of keys takes longer than it takes to end a process.
SLOWLY = "shift=9,align=on"
SEED = 20_261_128
CUTS_BY_TIME, CUTS_BY_WRITE, CUTS_AFTER = 9, 8, 3
PARTS = 16
# Requests before and after the change, of each who asks meanwhile.
AROUND = 3
WAIT_SECS_MAX = 20


class Asker:
    """Asks with tokens under one key, one request after the other, until it is told to end."""

    def __init__(self, device: OwnedDevice, key: Key) -> None:
        self._device, self._key = device, key
        # When each request began and ended, and its status.
        self.asked: list[tuple[float, float, int]] = []
        self._failure: Exception | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(WAIT_SECS_MAX)

    def _run(self) -> None:
        try:
            while not self._ends.is_set():
                began = time.monotonic()
                status = self._device.status(self._key)
                self.asked.append((began, time.monotonic(), status))
        except Exception as error:  # told to whom waits
            self._failure = error

    def wait_for_more(self, count: int) -> None:
        """Until so many more requests were answered."""
        target = len(self.asked) + count
        deadline = time.monotonic() + WAIT_SECS_MAX
        while len(self.asked) < target:
            if self._failure is not None:
                raise self._failure
            if time.monotonic() > deadline:
                raise Failure(f"{len(self.asked)} of {target} requests were answered")
            time.sleep(0.01)


def rotation(report: Report, firmware: Path) -> None:
    """SEC-507."""
    with OwnedDevice(firmware, OLD, NEW, icount=SLOWLY) as device:
        with report.case("SEC-507: the current key and the key to come verify, a third one does not, nor one under another's name"):
            expect(device.statuses(OLD, NEW, STRANGE), (200, 200, 401), "statuses")
            exchanged = Key(OLD.name, NEW.raw), Key(NEW.name, OLD.raw), Key(NEW.name, STRANGE.raw)
            expect(device.statuses(*exchanged), (401, 401, 401), "statuses")
        with report.case(f"SEC-507: rotate_key without the scope {KEYS}, or under a third key: refused, and nothing changes"):
            before = device.flash.read_bytes()
            for key, scope, status in ((OLD, f"{READ} {WRITE}", 403), (NEW, READ, 403), (OLD, KEYS, 403), (STRANGE, f"{READ} {KEYS}", 401)):
                expect(device.rotate(key, scope).status, status, f"status with {scope}")
            expect(device.flash.read_bytes() == before, True, "the flash is as it was")
            expect(device.statuses(OLD, NEW), (200, 200), "statuses")
        with report.case("SEC-507: rotate_key, while others ask: who has the key to come is never refused, who has the old one from then on") as remarks:
            meanwhile(device, remarks)
        with report.case("SEC-507: afterwards the old key is refused with invalid_token, also when it asks for a change of keys"):
            for answer in (ask(device.port, device.holder(OLD).tools_list()), device.rotate(OLD)):
                expect(answer.status, 401, "status")
                if 'error="invalid_token"' not in (answer.field("www-authenticate") or ""):
                    raise Failure(f"challenge {answer.field('www-authenticate')}")
        device.icount = "auto"
        with report.case("SEC-507: without a key to come rotate_key fails, and the key stays; so it is after a restart"):
            for _ in range(2):
                answer = device.rotate(NEW)
                expect((answer.status, is_done(answer)), (200, False), "status, done")
                expect(device.statuses(OLD, NEW, STRANGE), (401, 200, 401), "statuses")
                device.serves()
            expect(device.statuses(OLD, NEW, STRANGE), (401, 200, 401), "statuses")


def meanwhile(device: OwnedDevice, remarks: list[str]) -> None:
    with Asker(device, NEW) as one, Asker(device, NEW) as other, Asker(device, OLD) as old:
        for asker in (one, other, old):
            asker.wait_for_more(AROUND)
        began = time.monotonic()
        answer = device.rotate(OLD)
        ended = time.monotonic()
        # One more: the first to come may have begun before.
        for asker in (one, other, old):
            asker.wait_for_more(AROUND + 1)
    new = one.asked + other.asked
    expect((answer.status, is_done(answer)), (200, True), "status, done")
    expect(answer.json()["result"]["content"][0]["text"], NEW.name, "the current key")
    expect({status for _, _, status in new}, {200}, "statuses of the key to come")
    statuses = [status for _, _, status in old.asked]
    expect(statuses, sorted(statuses), "statuses of the old key, which does not come back")
    expect({status for _, end, status in old.asked if end < began}, {200}, "statuses of the old key before")
    expect({status for begin, _, status in old.asked if begin > ended}, {401}, "statuses of the old key afterwards")
    between = sum(begin < ended and end > began for begin, end, _ in new)
    if not between:
        raise Failure("nobody asked meanwhile")
    remarks.append(f"{len(new)} requests with the key to come, {between} of them meanwhile, all 200")


class Cuts:
    """SEC-508: the power goes around a change of keys, each time from the same flash."""

    def __init__(self, report: Report, device: OwnedDevice) -> None:
        self.report, self.device = report, device
        self.random = random.Random(SEED)
        # Before and after the change, and how long that takes.
        self.saved = device.flash.read_bytes()
        began = time.monotonic()
        expect(is_done(device.rotate(NEW)), True, "the change of keys is done")
        self.secs = time.monotonic() - began
        self.changed = device.flash.read_bytes()

    def cuts(self) -> None:
        # When, and how much later at most. The first is at once, whatever the machine has to do beside.
        rounds = [("asked", 1.2 * self.secs * at / CUTS_BY_TIME) for at in range(CUTS_BY_TIME)]
        rounds += [("written", 0.15 * self.secs)] * CUTS_BY_WRITE + [("answered", 0)] * CUTS_AFTER
        title = f"SEC-508: {len(rounds)} cuts of power around a change of keys, seed {SEED}: the old keys or the new one, and what was answered is so"
        with self.report.case(title) as remarks:
            seen = {"old": 0, "new": 0}
            left = {"before": 0, "inside of": 0, "behind": 0}
            answers = 0
            for moment, later in rounds:
                answered = self._cut(moment, later)
                flash = self.device.flash.read_bytes()
                at = {self.saved: "before", self.changed: "behind"}.get(flash, "inside of")
                state = self._state()
                if answered and state != "new":
                    raise Failure(f"answered with success, and after the cut the {state} keys are there")
                if at != "inside of":
                    expect(state, "old" if at == "before" else "new", f"the keys after a cut {at} the writes")
                if state == "old":
                    self._goes_on()
                seen[state] += 1
                left[at] += 1
                answers += answered
            remarks += [f"{count} times the {state} keys" for state, count in seen.items()]
            remarks += [f"{count} cuts {at} the writes" for at, count in left.items()] + [f"{answers} answered before"]
            if not all(seen.values()) or answers < CUTS_AFTER:
                raise Failure(f"not all was seen: {remarks}")

    def _cut(self, moment: str, later: float) -> bool:
        """Asks for the change and cuts the power; whether success was answered before.

        A device that turns the connection away is cut before the change: that happens as well.
        """
        device = self.device
        device.stop()
        device.flash.write_bytes(self.saved)
        device.icount = SLOWLY
        device.serves()
        with Connection(device.port) as connection:
            connection.send(device.rotation(NEW))
            deadline = time.monotonic() + WAIT_SECS_MAX
            answer: Answer | None = None
            if moment == "written":
                while device.flash.read_bytes() == self.saved and not connection.readable(0.001):
                    if time.monotonic() > deadline:
                        raise Failure("nothing is written, and nothing answered")
            elif moment == "answered":
                answer = connection.answer() or device.rotate(NEW)
            time.sleep(self.random.uniform(0, later))
            device.stop()
            try:
                # What came before the power went is still on this side.
                answer = answer or connection.answer()
            except Failure:
                # A part of an answer tells nobody anything.
                pass
        return answer is not None and is_done(answer)

    def _state(self) -> str:
        """Which keys are there after a restart; anything but the old pair or the new key is a failure."""
        self.device.icount = "auto"
        self.device.serves()
        statuses = self.device.statuses(OLD, NEW, STRANGE)
        states = {(200, 200, 401): "old", (401, 200, 401): "new"}
        if statuses not in states:
            raise Failure(f"statuses {statuses} of old, new and strange key")
        return states[statuses]

    def _goes_on(self) -> None:
        """The device was not hurt: what was cut is done when it is asked for again."""
        expect(is_done(self.device.rotate(OLD)), True, "the change of keys is done")
        expect(self.device.statuses(OLD, NEW), (401, 200), "statuses")

    def parts(self) -> None:
        """Cuts where ending a process cannot be aimed at: between any two bytes."""
        changed = [at for at, byte in enumerate(self.saved) if self.changed[at] != byte]
        # One copy is written after the other; each has its half.
        first = sum(at < len(self.saved) // 2 for at in changed)
        counts = {0, 1, first - 1, first, first + 1, len(changed) - 1, len(changed)}
        counts |= set(self.random.sample(range(len(changed)), PARTS - len(counts)))
        with self.report.case(f"SEC-508: {len(counts)} flashes with a part of the bytes of the change: the old keys, or the new one when one copy is whole") as remarks:
            remarks.append(f"{first} and {len(changed) - first} bytes in the two copies")
            for count in sorted(counts):
                flash = bytearray(self.saved)
                for at in changed[:count]:
                    flash[at] = self.changed[at]
                self.device.stop()
                self.device.flash.write_bytes(flash)
                expect(self._state(), "old" if count < first else "new", f"the keys with {count} bytes written")
                if count < first:
                    self._goes_on()


def power(report: Report, firmware: Path) -> None:
    with OwnedDevice(firmware, OLD, NEW, icount=SLOWLY) as device:
        cuts = Cuts(report, device)
        cuts.cuts()
        cuts.parts()
