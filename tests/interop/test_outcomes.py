"""What drivers say is counted right, and a case that is listed as broken must be broken as listed."""

from __future__ import annotations

import json
import unittest

from clients import CLIENTS, HERE, Client, Outcome, judge
from upstream import BROKEN

LABEL = "--verify offline, handshake"
LISTED = BROKEN[0]
AS_LISTED = "Error: Server returned 403 after trying upscoping; after the challenge: /token refresh_token 200, /mcp 403"


def client(name: str) -> Client:
    return next(client for client in CLIENTS if client.name == name)


class OutcomesTest(unittest.TestCase):
    def outcome(self, name: str, *said: str) -> Outcome:
        lines = [line.replace(" - ", f" - {name}, {LABEL}: ", 1) for line in said]
        return judge(client(name), LABEL, lines)

    def counts(self, name: str, *said: str) -> tuple[int, int, int]:
        outcome = self.outcome(name, *said)
        return outcome.passed, outcome.failed, outcome.upstream

    def test_cases_are_counted(self) -> None:
        said = ("ok - one: two (three)", "not ok - four: five", "noise", "Warning: not ok - nothing")
        self.assertEqual(self.counts("typescript 2.x", *said), (1, 1, 0))

    def test_broken_as_listed(self) -> None:
        outcome = self.outcome(LISTED.client, "ok - one", f"not ok - {LISTED.case}: {AS_LISTED}")
        self.assertEqual((outcome.passed, outcome.failed, outcome.upstream), (1, 0, 1))
        self.assertRegex(outcome.lines[1], "^ok - .*as listed")

    def test_a_listed_case_that_passes_fails_the_run(self) -> None:
        outcome = self.outcome(LISTED.client, f"ok - {LISTED.case} (remark)")
        self.assertEqual((outcome.passed, outcome.failed, outcome.upstream), (0, 1, 0))
        self.assertRegex(outcome.lines[0], "^not ok - .*take it off the list")

    def test_broken_in_another_way_fails_the_run(self) -> None:
        for remark in ("Error: fetch failed", AS_LISTED.replace("200", "400"), AS_LISTED + ", /register 201"):
            self.assertEqual(self.counts(LISTED.client, f"not ok - {LISTED.case}: {remark}"), (0, 1, 0))

    def test_a_listed_case_that_is_not_run_fails_the_run(self) -> None:
        self.assertEqual(self.counts(LISTED.client, "ok - one"), (1, 1, 0))

    def test_other_clients_are_not_excused(self) -> None:
        self.assertEqual(self.counts("typescript 2.x", f"not ok - {LISTED.case}: {AS_LISTED}"), (0, 1, 0))

    def test_whether_the_further_tool_ran(self) -> None:
        self.assertTrue(self.outcome("typescript 2.x", f"ok - {LISTED.case}").further)
        for name in ("typescript 2.x", LISTED.client):
            self.assertFalse(self.outcome(name, f"not ok - {LISTED.case}: {AS_LISTED}").further)

    def test_versions_are_the_pinned_ones(self) -> None:
        # The others are for servers.
        packages = json.loads((HERE / "typescript" / "package.json").read_text())["dependencies"]
        pinned = [version for name, version in packages.items() if name.startswith("@modelcontextprotocol/")]
        named = {client.version for client in CLIENTS if client.language != "python"}
        self.assertEqual(named, set(pinned))


if __name__ == "__main__":
    unittest.main()
