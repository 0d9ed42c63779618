"""Runs the commands that the documentation shows, as they stand there, on loopback.

Prints `ok - PLACE: COMMAND` and `not ok - PLACE: COMMAND: why` lines, and names what other steps run and what only
people do. A command that nobody knows how to run fails, and so does a way to run one that is shown nowhere.
"""

from __future__ import annotations

import argparse
import re
import sys
from itertools import groupby
from pathlib import Path

import device  # noqa: F401  each declares how its commands are run
import links
import service  # noqa: F401
import serving  # noqa: F401
import using  # noqa: F401
import words
from recipe import RECIPES, ByHand, Elsewhere, Recipe, plain
from shown import Block, Command, blocks, commands
from stage import Stage

ELSEWHERE = tuple(
    Elsewhere(re.compile(pattern), step, evidence)
    for pattern, step, evidence in (
        (r"cargo install cargo-fuzz", "fuzz", "cargo-fuzz"),
        (r"cd core/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run bearer", "fuzz", "cargo"),
        (r"examples/microcontroller/run( \d+)?", "firmware", ". tests/device/images.sh"),
        (r"examples/microcontroller/build rp2040-w5500", "core-targets", "microcontroller/build rp2040-w5500"),
        (r"cargo test", "test", "examples/microcontroller/Cargo.toml"),
    )
)
BY_HAND = tuple(
    ByHand(re.compile(pattern), why)
    for pattern, why in (
        (r"(\./)?tests/run( [a-z-]+)*", "it is what runs this"),
        (r"\./run( quick)?", "a benchmark, whose results are for people to read"),
        (r"useradd .+|systemctl .+", "it changes the users and services of the machine; a unit test reads the unit"),
        (r"cargo build --release", "the steps build the same program without optimisation, in a third of the time"),
        (r"picotool .+", "it writes to a board that is connected"),
    )
)
Way = Recipe | Elsewhere | ByHand

failures = 0


def report(command: Command, why: str | None, how: str = "") -> None:
    global failures
    failures += why is not None
    title = f"{command.place}: {plain(command.text)}"[:150]
    print(f"ok - {title}{how}" if why is None else f"not ok - {title}: {why}".replace("\n", " "), flush=True)


def way(command: Command) -> Way | None:
    """How it is run; the first that fits."""
    text = plain(command.text)
    return next((way for way in (*RECIPES, *ELSEWHERE, *BY_HAND) if way.pattern.fullmatch(text)), None)


def perform(block: Block, stage: Stage) -> None:
    """Runs the commands of a block in order, and ends what they started."""
    for command in block:
        found = way(command)
        match found:
            case None:
                report(command, "the tests do not know how to run it")
            case Elsewhere():
                report(command, found.why_not(stage.root), f" (run by step {found.step})")
            case ByHand():
                print(f"by hand - {command.place}: {plain(command.text)}: {found.why}", flush=True)
            case Recipe():
                try:
                    found.run(stage, plain(command.text))
                    report(command, None)
                except Exception as error:  # every failure of a command is reported the same way
                    report(command, f"{type(error).__name__}: {error}"[:900])
    try:
        stage.end_block()
    except Exception as error:
        report(block[-1], f"{type(error).__name__}: {error}")


def is_blind() -> str | None:
    """A command that nobody knows must be seen, wherever it stands in a block."""
    lines = ["portcullis doctor https://mcp.example.com/mcp   # known", "portcullis conjure \\", "    --all", "ls |", "  wc"]
    found = commands("X.md", 1, lines)
    told = [(command.line, plain(command.text), way(command) is None) for command in found]
    expected = [(1, lines[0].split("   ")[0], False), (2, "portcullis conjure --all", True), (4, "ls | wc", True)]
    return None if told == expected else f"{told}"


def check_mentions(root: Path, programs: dict[str, Path]) -> None:
    """Commands in the middle of a text."""
    stage = Stage(root, programs)
    mentions = list(words.mentioned(root))
    unknown = [(command, why) for command in mentions if (why := words.why_not(stage, command.text))]
    for command, why in unknown:
        report(command, why)
    if not unknown:
        report(Command("run.py", 0, f"the program knows the {len(mentions)} commands that texts mention"), None)
    for wrong in ("key conjure", "user add|conjure", "demo --conjure"):
        why = None if words.why_not(stage, wrong) else "it is taken for one"
        report(Command("run.py", 0, f"the program does not know {wrong!r}"), why)
    stage.close()


def check_links(root: Path) -> None:
    """Links between pages."""
    lost = list(links.broken(root))
    for link, why in lost:
        report(link, why)
    if not lost:
        report(Command("run.py", 0, "links within the project lead to a file and a heading"), None)
    readme = root / "README.md"
    blind = links.why_not(readme, "conjured") is None or links.why_not(root / "conjured.md", "") is None
    report(Command("run.py", 0, "a link that leads nowhere is seen"), "it is not" if blind else None)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, required=True, help="the portcullis program")
    parser.add_argument("--examples", type=Path, required=True, help="the folder with the programs of the examples")
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    programs = {"portcullis": options.program.resolve()}
    programs |= {name: options.examples.resolve() / name for name in ("desktop_server", "desktop_client", "rmcp_client")}
    shown = list(blocks(root))
    report(Command("run.py", 0, "an unknown command is seen"), is_blind())
    for _, of_file in groupby(shown, key=lambda block: block[0].file):
        stage = Stage(root, programs)
        try:
            for block in of_file:
                perform(block, stage)
        finally:
            stage.close()
    check_mentions(root, programs)
    check_links(root)
    used = {id(way(command)) for block in shown for command in block}
    for unused in (each for each in (*RECIPES, *ELSEWHERE, *BY_HAND) if id(each) not in used):
        report(Command("run.py", 0, unused.pattern.pattern), "it is shown nowhere")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
