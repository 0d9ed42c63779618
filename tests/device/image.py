"""A linked image taken apart: its instructions, and from which source each of them came.

Reads it through LLVM's tools: what was disassembled by `llvm-objdump`, the line tables by `llvm-symbolizer`.
"""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterable

from report import Failure

TOOL_SECS_MAX = 120
BUILT_IN = ("rust core", "compiler-builtins")
UNKNOWN = "no line table"

# How a source file tells its crate; the last match in a path counts, since paths are put together from several.
_SOURCE = re.compile(
    r"(?P<library>library/(?:core|alloc|std)/src/)"
    r"|(?P<builtins>compiler[-_]builtins)"
    r"|(?:^|/)(?P<package>[A-Za-z0-9_-]+)-[0-9]+\.[0-9]+\.[0-9]+[^/]*/(?:src|build|lib)/"
    r"|(?:^|/)(?P<adapter>adapters/embassy/src/)"
    r"|(?:^|/)(?P<board>examples/microcontroller/src/board/)"
    r"|(?:^|/)(?P<firmware>examples/microcontroller/src/)(?P<module>[a-z0-9_]+)"
    r"|(?:^|/)(?P<measure>tests/device/measure/src/)"
    r"|(?:^|/)(?P<core>core/src/)"
)


def crate_of(path: str) -> str:
    """The crate of a source file; of the firmware's own, the module."""
    found = None
    for found in _SOURCE.finditer(path):
        if found["library"] or found["builtins"]:
            break
    if found is None:
        return UNKNOWN
    if found["library"]:
        return "rust core"
    if found["builtins"]:
        return "compiler-builtins"
    if found["adapter"]:
        return "portcullis-embassy"
    if found["board"]:
        return "firmware/board"
    if found["firmware"]:
        return f"firmware/{found['module']}"
    if found["measure"]:
        return "measure"
    return "portcullis-core" if found["core"] else found["package"]


@dataclass(frozen=True)
class Frame:
    """A place in a source, and the function that has it."""

    function: str
    file: str
    line: int

    @property
    def crate(self) -> str:
        return crate_of(self.file)

    def __str__(self) -> str:
        return f"{self.file.split('/src/')[-1] if self.crate in BUILT_IN else self.file}:{self.line}"


@dataclass(frozen=True)
class Line:
    """An instruction, or data between instructions."""

    address: int
    len: int
    code: str
    arguments: str

    @property
    def is_data(self) -> bool:
        return self.code.startswith(".")


@dataclass(frozen=True)
class Section:
    name: str
    address: int
    data: bytes
    len: int

    @property
    def end(self) -> int:
        return self.address + self.len


class Image:
    """One image, and the folder of its own package: the compiler names those sources without it."""

    def __init__(self, path: Path, package: str = "examples/microcontroller") -> None:
        self.path = path
        self.package = package

    def _tool(self, *arguments: str, text: str | None = None) -> str:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=TOOL_SECS_MAX)
        if done.returncode != 0:
            raise Failure(f"{arguments[0]}: {done.stderr.strip()[:300]}")
        return done.stdout

    @cached_property
    def sections(self) -> dict[str, Section]:
        """The sections that take flash or RAM, by name."""
        raw = self.path.read_bytes()
        offset, entry_len, count, names = struct.unpack_from("<I", raw, 32)[0], *struct.unpack_from("<HHH", raw, 46)
        entries = [struct.unpack_from("<10I", raw, offset + at * entry_len) for at in range(count)]
        strings = entries[names][4]
        found = {}
        for name_at, kind, flags, address, at, length, *_ in entries:
            name = raw[strings + name_at : raw.index(b"\0", strings + name_at)].decode()
            if flags & 2 and length:
                found[name] = Section(name, address, raw[at : at + length] if kind != 8 else b"", length)
        return found

    @cached_property
    def lines(self) -> list[Line]:
        """Everything in `.text`, in its order."""
        rows = []
        pattern = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$")
        text = self._tool("llvm-objdump", "-d", "--section=.text", "--no-show-raw-insn", "--no-leading-headers", str(self.path))
        for row in text.splitlines():
            if found := pattern.match(row):
                rows.append((int(found[1], 16), found[2], found[3]))
        if not rows:
            raise Failure("nothing was disassembled")
        ends = [address for address, *_ in rows[1:]] + [self.sections[".text"].end]
        return [Line(at, end - at, code, arguments) for (at, code, arguments), end in zip(rows, ends)]

    @cached_property
    def functions(self) -> dict[int, str]:
        """The name of each function by its first address."""
        names = {}
        for row in self._tool("llvm-nm", "--demangle", "--defined-only", str(self.path)).splitlines():
            parts = row.split(" ", 2)
            if len(parts) == 3 and parts[1] in "tTwW" and not parts[2].startswith(("$t", "$d", "$a", "__stext", "_stext")):
                names[int(parts[0], 16) & ~1] = parts[2]
        return names

    def frames(self, addresses: Iterable[int], with_functions: bool = True) -> dict[int, list[Frame]]:
        """Where each address comes from: the place itself first, then the one that it was inlined into, and so on."""
        wanted = sorted(set(addresses))
        kind = "linkage" if with_functions else "none"
        options = ["--inlines", "--demangle", f"--functions={kind}", "--output-style=LLVM"]
        asked = "".join(f"{address:#x}\n" for address in wanted)
        told = self._tool("llvm-symbolizer", f"--obj={self.path}", *options, text=asked)
        groups = told.split("\n\n")
        if len(groups) - 1 != len(wanted):
            raise Failure(f"{len(groups) - 1} answers for {len(wanted)} addresses")
        found = {}
        for address, group in zip(wanted, groups):
            rows = group.strip("\n").split("\n")
            if not with_functions:
                rows = [part for row in rows for part in ("", row)]
            frames = []
            for function, place in zip(rows[::2], rows[1::2]):
                file, line, _ = place.rsplit(":", 2)
                frames.append(Frame(function, file, int(line) if line.isdigit() else 0))
            found[address] = frames
        return found

    def word(self, address: int) -> int | None:
        """The word that stands there in flash."""
        for section in self.sections.values():
            if section.data and section.address <= address <= section.end - 4:
                return int(struct.unpack_from("<I", section.data, address - section.address)[0])
        return None

    def text_at(self, address: int, length: int) -> bytes:
        section = self.sections[".rodata"]
        return section.data[max(address - section.address, 0) : max(address - section.address + length, 0)]

    def loaded(self, line: Line) -> int | None:
        """The constant that an instruction loads from between the instructions."""
        if line.code.startswith("ldr") and (found := re.search(r"\[pc.*@ 0x([0-9a-f]+)", line.arguments)):
            return self.word(int(found[1], 16))
        return None

    def location(self, address: int | None) -> Frame | None:
        """The place in a source that Rust left there for a panic's message: file, its length, line, column."""
        section = self.sections[".rodata"]
        if address is None or address % 4 or not section.address <= address <= section.end - 16:
            return None
        file, length, line, column = struct.unpack_from("<4I", section.data, address - section.address)
        if not (3 < length < 200 and 0 < line < 100_000 and 0 < column < 1000):
            return None
        name = self.text_at(file, length)
        if not re.fullmatch(rb"[!-~]+\.rs", name):
            return None
        own = f"{self.package}/" if name.startswith(b"src/") else ""
        return Frame("", own + name.decode(), line)

    @cached_property
    def all_frames(self) -> dict[int, list[Frame]]:
        """Where each instruction comes from, with the functions."""
        return self.frames(line.address for line in self.lines)


def owner(frames: list[Frame]) -> str:
    """The crate that an instruction is charged to: the innermost that is not Rust's own library.

    An iterator's step or an `Option`'s test that was inlined is part of what was written with it. What is
    left of Rust's library are its functions as such.
    """
    crates = [frame.crate for frame in frames]
    return next((crate for crate in crates if crate not in (*BUILT_IN, UNKNOWN)), crates[0] if crates else UNKNOWN)
