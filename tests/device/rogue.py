"""A device asks a hostile authorization server about tokens, over TLS: nobody is let in, and the device goes on.

First those who do not prove to be the authorization server (strangers.py), then what the proven one can say (lies.py).
Each case has an opaque token of its own, which no verdict is remembered for; then the same token is asked about honestly.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import secrets
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote_plus

import lies
from abuse import Abuse, Limits
from certificates import PROGRAM, Authority
from identity import READ
from introspection_server import PATH, Act, IntrospectionServer, Question, answer, tls
from qemu import SHIFT, STEADY, Device, Region, stack_region, symbols
from report import Failure, Report, expect
from strangers import Stranger, random_hello, strangers
from wire import Answer, Caller, ask, request

HOST = "localhost"
ISSUER = "http://localhost:9000"
# In seconds of the machine around: the device's deadline is 5 s of its own, which may take longer here.
ANSWER_SECS_MAX = 60
# The adapter's limits for an answer (LIM-11): its head, and how many fields are in it.
SECTION_LEN_MAX, FIELDS_MAX = 2048, 32
# What a caller sends beside its token, and what is nobody else's.
COOKIE = "Cookie: session=4f7d0c\r\n"
RAM = Region(0x2000_0000, 0x2040_0000)
RANDOM_HELLOS, SEED = 100, 20_260_728
HANDSHAKES = 5


class Rogue:
    def __init__(self, device: Device, server: IntrospectionServer, report: Report) -> None:
        self.device, self.server, self.report = device, server, report
        self.document: dict[str, Any] = json.loads(device.provisioning.read_text())
        self.tokens: list[str] = []
        self._is_gone = False

    def token(self) -> str:
        """A token that nobody has seen."""
        self.tokens.append(secrets.token_urlsafe(24))
        return self.tokens[-1]

    def call(self, token: str) -> Answer:
        """One request with this token; a device that once gave no answer is not waited for again."""
        if self._is_gone:
            raise Failure("the device answers no more")
        caller = Caller(f"127.0.0.1:{self.device.port}", token)
        try:
            return ask(self.device.port, caller.modern("tools/list", fields=COOKIE), ANSWER_SECS_MAX)
        except Failure:
            self._is_gone = True
            raise

    def gets(self, token: str, status: int, questions: int) -> None:
        """What this token gets: the status with all that belongs to it, after so many questions about it."""
        before = len(self.server.questions)
        given = self.call(token)
        expect(given.status, status, "status")
        challenge, retry = given.field("www-authenticate"), given.field("retry-after")
        errors = {401: 'error="invalid_token"', 403: f'error="insufficient_scope", error_description="The access token '
                  f'lacks a required scope", scope="{READ}"'}
        if (challenge is not None) != (status in errors) or errors.get(status, "") not in (challenge or ""):
            raise Failure(f"{status} with the challenge {challenge}")
        if (retry or "").isdigit() != (status == 503):
            raise Failure(f"{status} with Retry-After: {retry}")
        asked = self.server.questions[before:]
        expect([question.token for question in asked], [token] * questions, "tokens that were asked about")
        for question in asked:
            self.is_plain(question)
        self.device.check()

    def is_plain(self, question: Question) -> None:
        """RFC 7662 §2.1: a POST with a form, and the device's own credentials (RFC 6749 §2.3.1); nothing else."""
        own = self.document["introspection"]
        pair = f"{quote_plus(own['client_id'])}:{quote_plus(own['client_secret'])}"
        expect(question.line, f"POST {PATH} HTTP/1.1", "the line of the question")
        expected = {
            "Host": f"{HOST}:{self.server.port}",
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Content-Length": str(len(question.body)),
        }
        expect([name for name, _ in question.fields], list(expected), "the fields of the question")
        # One of them is a secret, which a failure does not tell.
        expect([name for name, value in question.fields if expected[name] != value], [], "fields with a wrong value")
        expect(sorted(question.form), ["token", "token_type_hint"], "the form")
        expect(question.form["token_type_hint"], ["access_token"], "the hint")

    # Who does not prove to be the authorization server

    def meet_strangers(self, authority: Authority, other: Authority) -> None:
        good = tls(authority.issue("again", HOST))
        for stranger in strangers(authority, other, HOST, answer(self.server.active())):
            self._stranger(stranger, good)
        with self.report.case(f"SEC-522: {RANDOM_HELLOS} hellos of random bytes, seed {SEED}: 503, then 200"):
            chance = random.Random(SEED)
            for _ in range(RANDOM_HELLOS):
                self.server.shows(good, random_hello(chance))
                self.gets(self.token(), 503, 0)
            self.server.shows(good)
            self.gets(self.token(), 200, 1)

    def _stranger(self, stranger: Stranger, good: ssl.SSLContext) -> None:
        with self.report.case(f"{stranger.ids}: {stranger.title}: 503, then 200"):
            server, token = self.server, self.token()
            server.shows(stranger.context, stranger.talk)
            met, shaken, server.overheard = server.connections, server.handshakes, b""
            self.gets(token, 503, 0)
            server.shows(good)
            expect(server.connections - met, 1, "connections")
            expect(server.handshakes, shaken, "handshakes that the device took for good")
            for secret in (token, self.document["introspection"]["client_secret"]):
                if secret.encode() in server.overheard:
                    raise Failure("a secret was said in plain text")
            # No verdict was kept.
            self.gets(token, 200, 1)

    # What the proven one says

    def hear_lies(self, elsewhere: str) -> None:
        server, scratch = self.server, Limits.read().scratch
        for lie in (
            *lies.refusals(server, elsewhere), *lies.bodies(server), *lies.facts(server), *lies.framing(server),
            # The answer lies in the memory of the connection that waits for it.
            *lies.records(), *lies.sizes(server, scratch, SECTION_LEN_MAX, FIELDS_MAX), *lies.twins(server),
        ):
            self._lie(lie)

    def _lie(self, lie: lies.Lie) -> None:
        again = lie.status if lie.kept else 200
        with self.report.case(f"{lie.ids}: {lie.title}: {lie.status}, then {again}"):
            token = self.token()
            if lie.says_nothing:
                self.server.hang_up()
            self.says(lie.act)
            self.gets(token, lie.status, 1)
            self.gets(token, again, 0 if lie.kept else 1)

    def says(self, *acts: Act) -> None:
        """What the next questions are answered with; whatever an earlier case has left is gone."""
        self.server.acts.clear()
        self.server.acts.extend(acts)

    def smuggled(self) -> None:
        """SEC-419: nothing that comes unasked answers a later question, about a token that is not active."""
        active, inactive = answer(self.server.active()), answer(b'{"active":false}')
        said = threading.Event()

        def late(connection: socket.socket) -> None:
            connection.sendall(inactive)
            time.sleep(0.2)
            connection.sendall(active)
            said.set()

        for title, act in (("at once", inactive + active), ("while nobody asks", late)):
            with self.report.case(f"SEC-419: a second answer behind the first, {title}: 401, then 401"):
                self.says(act, inactive)
                self.gets(self.token(), 401, 1)
                if callable(act) and not said.wait(ANSWER_SECS_MAX):
                    raise Failure("the second answer was not said")
                self.gets(self.token(), 401, 1)

    def meanwhile(self) -> None:
        title = "SEC-360 SEC-441: while two wait for a silent authorization server, nobody else does, and both get 503"
        with self.report.case(title) as remarks, ThreadPoolExecutor(2) as pool:
            known, host = self.token(), f"127.0.0.1:{self.device.port}"
            self.gets(known, 200, 1)
            before = len(self.server.questions)
            self.says(lies.silent(b""), lies.silent(b""))
            waiting = [pool.submit(self.call, self.token()) for _ in range(2)]
            deadline = time.monotonic() + ANSWER_SECS_MAX
            while len(self.server.questions) == before and time.monotonic() < deadline:
                time.sleep(0.01)
            started = time.monotonic()
            metadata = request("", method="GET", target="/.well-known/oauth-protected-resource/mcp", host=host)
            served = [ask(self.device.port, data).status for data in (metadata, Caller(host, None).tools_list())]
            served.append(self.call(known).status)
            remarks.append(f"{time.monotonic() - started:.2f} s")
            expect(any(call.done() for call in waiting), False, "those who wait had their answer")
            expect(served, [200, 401, 200], "the metadata, without a token, a token that is remembered")
            expect([call.result().status for call in waiting], [503, 503], "those who waited")
        with self.report.case("SEC-360: afterwards it is asked as before: 200"):
            self.says()
            self.gets(self.token(), 200, 1)

    # What it takes

    def handshakes(self) -> None:
        """How long the device takes, as it counts itself; told, and nothing depends on it."""
        with self.report.case("measured: a handshake and a question") as remarks:
            now = clock(self.device)
            fresh: list[int] = []
            kept: list[int] = []
            for took, ends in ((fresh, True), (kept, False)):
                for _ in range(HANDSHAKES):
                    if ends:
                        self.server.hang_up()
                    before = now()
                    self.gets(self.token(), 200, 1)
                    took.append(now() - before)
            for title, millis in (("with a handshake", fresh), ("over an open connection", kept)):
                median = statistics.median(millis)
                remarks.append(f"{title} {median:.0f} ms at 31 MHz, about {median / 2**SHIFT:.1f} million instructions")


def clock(device: Device) -> Callable[[], int]:
    """The device's own time since its start in milliseconds.

    Where in its timer the number stands is the compiler's choice: it is the one that grows.
    """
    at = next(at for name, at in symbols(device.firmware).items() if name.endswith("systick6DRIVER"))
    fields = [Region(at + 8 * index, at + 8 * index + 8) for index in range(8)]

    def read(field: Region) -> int:
        return int.from_bytes(device.memory(field), "little")

    samples = []
    for _ in range(5):
        samples.append([read(field) for field in fields])
        time.sleep(0.05)
    for field, values in zip(fields, zip(*samples)):
        if all(0 < later - earlier < 10_000 for earlier, later in zip(values, values[1:])):
            return lambda: read(field)
    raise Failure("the device's timer stands still")


def run(report: Report, options: argparse.Namespace, folder: Path) -> None:
    authority, other = Authority(folder / "authority"), Authority(folder / "other")

    def document(resource: str, path: Path) -> None:
        server.resource = resource
        command = [str(options.program), "key", "derive", "--resource", resource, "--provisioning", "--issuer", ISSUER]
        command += ["--introspection", f"https://{HOST}:{server.port}{PATH}", "--address", f"10.0.2.2:{server.port}"]
        command += ["--certificate", str(authority.der), "--out", str(path)]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)

    with (
        IntrospectionServer(ISSUER, authority.issue("server", HOST)) as server,
        IntrospectionServer(ISSUER, authority.issue("trap", HOST)) as trap,
        Device(options.introspecting, document=document, reaches_host=True, icount=STEADY) as device,
    ):
        rogue, abuse = Rogue(device, server, report), Abuse(device, report)
        with report.case("before: a token that the authorization server knows, and one that it does not know"):
            rogue.gets(rogue.token(), 200, 1)
            rogue.says(answer(b'{"active":false}'))
            rogue.gets(rogue.token(), 401, 1)
        rogue.meet_strangers(authority, other)
        rogue.hear_lies(f"https://10.0.2.2:{trap.port}{PATH}")
        rogue.smuggled()
        rogue.meanwhile()
        rogue.handshakes()
        with report.case("SEC-371: nobody was met where a redirect led to"):
            expect(trap.connections, 0, "connections")
        # Its verdict is remembered, so that the question that was asked last is another one.
        asked, other_token = rogue.token(), abuse.caller.token or ""
        with report.case("afterwards all connections can be used as before") as remarks:
            abuse.honest(ANSWER_SECS_MAX)
            rogue.gets(asked, 200, 1)
            expect(abuse.settle(ANSWER_SECS_MAX), abuse.alone, "connections at once")
            remarks.append(f"{abuse.alone}")
            device.check()
        with report.case("SEC-320: a token that was asked about is wiped: the memory has the one of later requests alone"):
            memory = device.memory(RAM)
            expect([token.encode() in memory for token in (other_token, asked)], [True, False], "tokens in memory")
        with report.case("SEC-516: the stack never came near its end") as remarks:
            used, region = device.stack_used(), stack_region(options.introspecting)
            remarks.append(f"{used} of {region.len} bytes")
            if used > region.len * 9 // 10:
                raise Failure(f"{used} of {region.len} bytes")
        with report.case(f"SEC-320: none of {len(rogue.tokens)} tokens is in the log, nor the client secret") as remarks:
            said = device.whole_log()
            remarks.append(f"{len(said)} characters")
            if any(secret in said for secret in (*rogue.tokens, rogue.document["introspection"]["client_secret"])):
                raise Failure("a secret is in the log")
        with report.case(f"the authorization server met nothing that it could not read, in {len(server.questions)} questions"):
            expect((server.errors, trap.errors), ([], []), "errors")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--introspecting", type=Path, required=True, help="the firmware with the feature introspection")
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    options = parser.parse_args()
    if shutil.which(PROGRAM) is None:
        print(f"skip - a hostile authorization server: no {PROGRAM} to make its certificates")
        return
    report = Report()
    with report.case("a hostile authorization server"), tempfile.TemporaryDirectory(prefix="rogue-") as folder:
        run(report, options, Path(folder))
    report.end()


if __name__ == "__main__":
    main()
