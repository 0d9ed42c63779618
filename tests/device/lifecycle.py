"""A device over its life: provisioned, its keys changed, its power cut, its flash damaged, its light switched.

The cases are named by the ids of the threat catalogue.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from actuator import actuator
from provisioning import clock, damage, names, versions
from report import Report
from rotation import power, rotation

PARTS = {part.__name__: part for part in (rotation, power, versions, damage, names, actuator, clock)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--firmware", type=Path, required=True)
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    options = parser.parse_args()
    report = Report()
    for part in options.parts or PARTS:
        started = time.monotonic()
        with report.case(f"the whole of {part} was tried") as remarks:
            PARTS[part](report, options.firmware)
            remarks.append(f"{time.monotonic() - started:.0f} s")
    report.end()


if __name__ == "__main__":
    main()
