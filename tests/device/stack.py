"""SEC-517: no function of the linked firmware comes back to itself by direct calls, and how deep these can get.

Sizes are the compiler's own (`-Z emit-stack-sizes`), the calls are those of the linked image. What is called through
a pointer (tasks, formatting) is not followed: how deep the stack was with all of it is measured (`budgets.py`, SEC-516),
and a stack that grows further faults at the end of memory instead of growing over what is there.
"""

from __future__ import annotations

import argparse
import bisect
import re
import struct
from pathlib import Path

from image import Image
from qemu import stack_region
from report import Failure, Report

CALL = re.compile(r"^(bl|b)(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|hs|lo)?(\.[nw])?$")
SECTION = b".stack_sizes"
# Functions of Rust's library that call themselves once at the most, and when.
ONCE = {
    r"^<core::str::iter::SplitInternal<.*>>::next_back$": "when it is first asked, for the empty piece at the end",
}

Graph = dict[int, set[int]]


def stack_sizes(path: Path) -> dict[int, int]:
    """Bytes of stack of each function, by its first address."""
    raw = path.read_bytes()
    offset, entry_len, count, names = struct.unpack_from("<I", raw, 32)[0], *struct.unpack_from("<HHH", raw, 46)
    entries = [struct.unpack_from("<10I", raw, offset + at * entry_len) for at in range(count)]
    strings = entries[names][4]
    found: dict[int, int] = {}
    for name, _, _, _, start, length, *_ in entries:
        if not raw.startswith(SECTION + b"\0", strings + name):
            continue
        at = start
        while at < start + length:
            address = struct.unpack_from("<I", raw, at)[0]
            at, size, shift = at + 4, 0, 0
            while True:  # ULEB128
                byte = raw[at]
                at, size, shift = at + 1, size | (byte & 0x7F) << shift, shift + 7
                if not byte & 0x80:
                    break
            found[address & ~1] = size
    if not found:
        raise Failure("the image says nothing about stacks")
    return found


def calls(image: Image) -> Graph:
    """Which functions each function calls, or ends in."""
    starts = sorted(image.functions)
    graph: Graph = {start: set() for start in starts}
    for line in image.lines:
        if not CALL.match(line.code) or not (found := re.search(r"0x([0-9a-f]+)", line.arguments)):
            continue
        caller, target = starts[bisect.bisect_right(starts, line.address) - 1], int(found[1], 16)
        # A branch to the own start is a loop; only a call is one level more.
        if target in graph and (target != caller or line.code.startswith("bl")):
            graph[caller].add(target)
    return graph


def bounded(image: Image, graph: Graph, sizes: dict[int, int]) -> list[int]:
    """Takes a listed function's call of itself out of the graph, and counts its stack twice."""
    found = [at for at in graph if at in graph[at] and any(re.match(name, image.functions[at]) for name in ONCE)]
    for at in found:
        graph[at].remove(at)
        sizes[at] = 2 * sizes.get(at, 0)
    return found


def depths(graph: Graph, sizes: dict[int, int]) -> dict[int, tuple[int, list[int]]]:
    """The greatest depth below each function and the calls that lead there; a call that comes back is a failure."""
    done: dict[int, tuple[int, list[int]]] = {}
    for root in graph:
        path, rows = [root], [sorted(graph[root])]
        while path:
            if rows[-1]:
                callee = rows[-1].pop()
                if callee in path:
                    raise Comeback(path[path.index(callee) :])
                if callee not in done:
                    path.append(callee)
                    rows.append(sorted(graph[callee]))
                continue
            function = path.pop()
            rows.pop()
            deepest = max((done[callee] for callee in graph[function]), default=(0, []))
            done[function] = (sizes.get(function, 0) + deepest[0], [function, *deepest[1]])
    return done


class Comeback(Exception):
    """Functions of which each calls the next, and the last the first."""

    def __init__(self, functions: list[int]) -> None:
        super().__init__()
        self.functions = functions


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    options = parser.parse_args()
    report = Report()
    with report.case("SEC-517: the stack by direct calls is known") as remarks:
        image, sizes = Image(options.firmware), stack_sizes(options.firmware)
        graph = calls(image)
        for at in bounded(image, graph, sizes):
            print(f"{image.functions[at]} calls itself once")
        try:
            deepest, chain = max(depths(graph, sizes).values())
        except Comeback as comeback:
            names = " -> ".join(image.functions[at][:80] for at in comeback.functions)
            raise Failure(f"recursion: {names}") from None
        for function in chain:
            print(f"{sizes.get(function, 0):6}  {image.functions[function][:110]}")
        region = stack_region(options.firmware)
        remarks.append(f"{deepest} of {region.len} bytes, {len(graph)} functions, {len(graph.keys() - sizes.keys())} of unknown size")
        if deepest > region.len:
            raise Failure(f"{deepest} bytes do not fit")
    with report.case("SEC-517: a planted call that comes back is found"):
        graph[chain[-1]].add(chain[0])
        try:
            depths(graph, sizes)
        except Comeback:
            pass
        else:
            raise Failure("it was not")
    report.end()


if __name__ == "__main__":
    main()
