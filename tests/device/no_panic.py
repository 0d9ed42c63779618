"""No panic comes from the project's own code in the linked firmware.

In the image that runs, a panic is a trap: it has no panic function at all. Who could panic is told by the same
firmware built with panics that say their reasons: in that one each panic is a call. The network stack and other libraries check what cannot happen, and the compiler checks that no finished
`async` function is polled again: a firmware without any panic is not to be had with them. So every place
that calls, branches to or points at a panic function is found in the image, and charged to the crate that
wrote it, by the line tables of what was inlined there. The project's own code must have none; of the others
`panics.toml` says how many, and why. The board's startup may: a device that cannot start says so and stops.
"""

from __future__ import annotations

import argparse
import bisect
import re
import struct
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from image import BUILT_IN, UNKNOWN, Frame, Image
from report import Failure, Report

LISTED = Path(__file__).with_name("panics.toml")
# Functions that only ever panic, by their names without what they are generic over.
ENTRIES = re.compile(
    r"core::panicking::|core::(option|result)::(unwrap|expect)_failed|core::slice::index::slice_\w*fail"
    r"|core::slice::\w+::len_mismatch_fail|core::str::slice_error_fail|core::cell::panic_already|core::cell::panic_ref"
    r"|core::slice::sort::shared::smallsort::panic_on_ord_violation|rust_begin_unwind"
)
# The compiler's own check of a finished `async` function.
RESUMED = re.compile(r"panic_const_(async|gen|coroutine)\w*_resumed")
# What reports a panic is no cause of one.
REPORTS = re.compile(r"core::panic::panic_info|core::panicking|rust_begin_unwind")
# Functions of Rust's library that panic when they are called wrongly: the panic is their caller's.
BY_CONTRACT = frozenset(
    "index index_mut split_at split_at_mut copy_from_slice copy_from_slice_impl clone_from_slice copy_within swap "
    "rotate_left rotate_right chunks chunks_mut chunks_exact windows unwrap unwrap_err expect expect_err borrow "
    "borrow_mut replace take step_by div rem".split()
)
# How far before a call its arguments are looked for.
ARGUMENTS_MAX = 12
OUTLINED = re.compile(r"^OUTLINED_FUNCTION_")
OWN = re.compile(r"^(portcullis-\w+|firmware/\w+|measure)$")
STARTUP = ("firmware/board", "firmware/main")
BRANCH = re.compile(r"^(bl?x?|b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|hs|lo)|cbn?z)(\.[nw])?$")
ASYNC = "resumed after the end (compiler)"


@dataclass(frozen=True)
class Site:
    """A place that can panic."""

    address: int
    entry: str
    crate: str
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        where = " < ".join(str(frame) for frame in self.stack[:4])
        return f"{self.address:#x} {self.crate}: {self.entry[:60]} from {where}"


def short(name: str) -> str:
    """The last part of a function's path, without what it is generic over."""
    while (plain := re.sub(r"<[^<>]*>", "", name)) != name:
        name = plain
    return name.replace("->", "").strip(":").split("::")[-1]


def crate_of_function(name: str) -> str:
    """The crate of an out-of-line function, by the first path in its name."""
    found = re.match(r"^[<&*]*(?:mut )?(?:dyn )?([a-z_0-9]+)::", name)
    if not found:
        return "rust core"
    crate = found[1].replace("_", "-")
    return {"core": "rust core", "firmware": "firmware/main", "microcontroller": "firmware/lib"}.get(crate, crate)


def panic_functions(image: Image) -> dict[int, str]:
    return {at: name for at, name in image.functions.items() if ENTRIES.search(name)}


class Search:
    """All places of an image that can panic."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._starts = sorted(image.functions)
        self.entries = panic_functions(image)
        if not self.entries:
            raise Failure("the image has no panic function at all: it was not looked at rightly")
        self._targets = self._branches()
        self._widen()
        self.sites = self._sites()

    def _places(self, index: int) -> list[Frame]:
        """The places in the sources that are given to the panic function called by this instruction.

        Rust gives it the place that its message names; where one call was made of several, each of those
        comes from another branch with its own.
        """
        lines = self.image.lines
        for start in range(index - 1, max(index - ARGUMENTS_MAX, 0), -1):
            if place := self.image.location(self.image.loaded(lines[start])):
                direct = [place]
                break
            if BRANCH.match(lines[start].code) and lines[start].code.startswith("b"):
                direct = []
                break
        else:
            return []
        merged = [source for line in lines[start + 1 : index + 1] for source in self._inside.get(line.address, ())]
        return direct + [place for source in merged for place in self._places(source)]

    def charged_to(self, stack: list[Frame], function: str) -> str:
        """The crate whose code panics: the innermost that does not only hand on what its caller did wrong."""
        for frame in stack:
            # Without a line, which the compiler made of several, the file is a guess.
            if frame.line == 0 or frame.crate == UNKNOWN:
                continue
            if frame.crate in BUILT_IN and (len(stack) == 1 or short(frame.function) in BY_CONTRACT):
                continue
            return frame.crate
        return crate_of_function(function)

    def _function(self, address: int) -> int:
        return self._starts[bisect.bisect_right(self._starts, address) - 1]

    def _branches(self) -> dict[int, list[int]]:
        """For each address that is branched to from another function, the numbers of the instructions that do.

        Branches inside of a function are kept apart, with their targets.
        """
        targets = defaultdict(list)
        self._inside: dict[int, list[int]] = defaultdict(list)
        for index, line in enumerate(self.image.lines):
            if BRANCH.match(line.code) and (found := re.search(r"0x([0-9a-f]+)", line.arguments)):
                target = int(found[1], 16)
                if target in self.image.functions and self._function(line.address) != target:
                    targets[target].append(index)
                else:
                    self._inside[target].append(index)
        return targets

    def _widen(self) -> None:
        """Takes functions for panic functions that panic on behalf of their callers.

        Such are what the compiler made of like ends of several functions, and helpers of Rust's library.
        """
        fresh = list(self.entries)
        while fresh:
            calls = [index for entry in fresh for index in self._targets.get(entry, ())]
            callers = {self._function(self.image.lines[index].address) for index in calls}
            fresh = []
            for at in callers - set(self.entries):
                name = self.image.functions[at]
                is_helper = crate_of_function(name) == "rust core" and short(name) in BY_CONTRACT
                if OUTLINED.match(name) or is_helper:
                    self.entries[at] = name
                    fresh.append(at)

    def _sites(self) -> list[Site]:
        calls = [(index, name) for entry, name in self.entries.items() for index in self._targets.get(entry, ())]
        sites = []
        for index, entry in calls + self._pointers():
            at = self.image.lines[index].address
            if not self._is_outside(at):
                continue
            if RESUMED.search(entry):
                sites.append(Site(at, entry, ASYNC, ()))
                continue
            for place in self._places(index):
                sites.append(Site(at, entry, place.crate, (place,)))
            if not sites or sites[-1].address != at:
                stack = self.image.all_frames[at]
                sites.append(Site(at, entry, self.charged_to(stack, self.image.functions[self._function(at)]), tuple(stack)))
        return sorted(sites, key=lambda site: (site.crate, site.address))

    def _is_outside(self, address: int) -> bool:
        function = self._function(address)
        return function not in self.entries and not REPORTS.search(self.image.functions[function])

    def _pointers(self) -> list[tuple[int, str]]:
        """Addresses of panic functions that stand between the instructions: they are called through registers."""
        words = {at | 1: name for at, name in self.entries.items()}
        return [
            (index, words[value])
            for index, line in enumerate(self.image.lines)
            if line.is_data and (value := self.image.word(line.address) or 0) in words
        ]

    def tables(self) -> list[str]:
        """Panic functions whose address stands in constant data, where calls cannot be told apart."""
        words = {at | 1: name for at, name in self.entries.items()}
        found = []
        for name in (".rodata", ".data"):
            data = self.image.sections[name].data if name in self.image.sections else b""
            for (value,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4]):
                if value in words:
                    found.append(words[value])
        return found


def listed() -> dict[str, dict[str, object]]:
    return tomllib.loads(LISTED.read_text())


def check(report: Report, search: Search, rows: dict[str, dict[str, object]]) -> None:
    counts = Counter(site.crate for site in search.sites)
    names = sorted({re.sub(r"<.*", "", name) for name in search.entries.values() if not OUTLINED.match(name)})
    print(f"looked for {len(search.entries)} functions: {', '.join(name for name in names if name)}")
    print(f"{'crate':34} {'sites':>5} {'listed':>6}  why")
    for crate in sorted({*counts, *rows}):
        row = rows.get(crate, {})
        print(f"{crate:34} {counts[crate]:5} {row.get('sites', 0):>6}  {row.get('why', '')}")
    own = [site for site in search.sites if OWN.match(site.crate) and site.crate not in STARTUP]
    for site in own:
        print(f"  {site}")
    report.line("no panic in the firmware's own code (INV-1)", f"{len(own)} places" if own else None)
    tables = search.tables()
    report.line("no panic function in a table of functions", ", ".join(tables) or None)
    for crate in sorted({*counts, *rows}):
        if OWN.match(crate) and crate not in STARTUP:
            continue
        most = int(str(rows.get(crate, {}).get("sites", 0)))
        if counts[crate] > most:
            for site in search.sites:
                if site.crate == crate:
                    print(f"  {site}")
            report.line(f"{crate}: panics", f"{counts[crate]} places, {most} listed")
        elif counts[crate] < most:
            report.line(f"{crate}: only {counts[crate]} places that can panic: lower the {most} in {LISTED.name}")
        elif not rows[crate].get("why"):
            report.line(f"{crate}: panics", "listed without a reason")
        else:
            report.line(f"{crate}: {most} places that can panic, as listed")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--linked", type=Path, required=True, help="the firmware")
    parser.add_argument("--speaking", type=Path, required=True, help="the same, with panics that say their reasons")
    parser.add_argument("--planted", type=Path, required=True, help="an image with one panic in its own code")
    parser.add_argument("--clean", type=Path, required=True, help="the same image without it")
    options = parser.parse_args()
    report = Report()
    with report.case("no panic function is linked into the firmware that runs") as remarks:
        linked = Image(options.linked)
        if found := sorted(panic_functions(linked).values()):
            raise Failure(f"{len(found)}: {', '.join(found)[:300]}")
        remarks.append(f"{sum(line.code == 'trap' for line in linked.lines)} traps")
    with report.case("the firmware is looked through"):
        check(report, Search(Image(options.speaking)), listed())
    for path, expected in ((options.clean, 0), (options.planted, 1)):
        with report.case(f"an image with {expected} planted panics: {expected} found"):
            found = [site for site in Search(Image(path, "tests/device/measure")).sites if site.crate == "measure"]
            if len(found) != expected:
                raise Failure(f"{len(found)} found: {', '.join(map(str, found))}")
    report.end()


if __name__ == "__main__":
    main()
