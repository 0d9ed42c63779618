"""What drivers say is counted right, a case that is listed as broken must be broken as listed, and the table hides nothing."""

from __future__ import annotations

import json
import tomllib
import unittest

from clients import CLIENTS, HERE, OURS, Client, Outcome, judge
from matrix import ABSENT, COLUMNS, absent, table
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
        named = {client.version for client in CLIENTS if client.language != "python" and client.name != "rmcp"}
        self.assertEqual(named, set(pinned))
        lock = tomllib.loads((HERE / "rmcp" / "Cargo.lock").read_text())
        locked = {package["version"] for package in lock["package"] if package["name"] == "rmcp"}
        self.assertEqual({client.version for client in CLIENTS if client.name == "rmcp"}, locked)


class MatrixTest(unittest.TestCase):
    everybody = (*CLIENTS, *OURS)

    def row(self, client: Client, *cells: Outcome) -> list[str]:
        """What the table says of a client that met the first columns."""
        lines = table({(client, column): outcome for column, outcome in zip(COLUMNS, cells)})
        return next(line for line in lines if line.startswith(str(client))).removeprefix(str(client)).split()

    def test_what_failed_and_what_was_not_run_is_seen(self) -> None:
        row = self.row(CLIENTS[0], Outcome(passed=2), Outcome(passed=2, failed=1), Outcome(passed=1, upstream=1))
        self.assertEqual(row[:6], ["2/2", "2/3", "1", "FAILED", "1/2", "1"])
        self.assertEqual(row[6:9], ["upstream", "NOT", "RUN"])

    def test_what_is_left_out_has_a_reason_in_the_table(self) -> None:
        lines = table({})
        for number, reason in enumerate(ABSENT, 1):
            self.assertIn(f"-{number}  {reason.why}", lines)
        left_out = sum(bool(absent(client, column)) for client in self.everybody for column in COLUMNS)
        self.assertEqual(sum(word.startswith("-") for line in lines[1 : len(self.everybody) + 1] for word in line.split()), left_out)

    def test_every_reason_leaves_out_something_and_no_client_or_column_wholly(self) -> None:
        cells = {(client, column): absent(client, column) for client in self.everybody for column in COLUMNS}
        self.assertEqual(set(cells.values()), {None, *range(1, len(ABSENT) + 1)})
        for one in (*self.everybody, *COLUMNS):
            self.assertIn(None, [number for pair, number in cells.items() if one in pair], str(one))

    def test_every_client_meets_our_servers_with_both_authorization_servers(self) -> None:
        meant = [column for column in COLUMNS if column.issuer]
        self.assertEqual({column.issuer for column in meant}, {"ours", "oidc-provider"})
        for client in self.everybody:
            self.assertEqual([absent(client, column) for column in meant], [None] * len(meant), str(client))

    def test_columns_are_told_apart(self) -> None:
        for names in ([column.name for column in COLUMNS], [column.title for column in COLUMNS]):
            self.assertEqual(len(set(names)), len(names))


if __name__ == "__main__":
    unittest.main()
