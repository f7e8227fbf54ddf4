"""What a row found: one line with a verdict, and a line of JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import ROOT, cores

RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. Without a target it is there for information."""

    row: str
    what: str
    measured: float
    detail: str
    target: float | None = None
    at_most: bool = False  # the target is an upper bound
    unit: str = ""
    aim: float | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)
    disturbed: bool = False  # no round of it can be judged

    @property
    def verdict(self) -> str:
        if self.target is None:
            return "info"
        if self.disturbed:
            return "NOISE"
        good = self.measured <= self.target if self.at_most else self.measured >= self.target
        return "PASS" if good else "MISS"

    def line(self) -> str:
        wanted = ""
        if self.target is not None:
            aim = f", aim {self.aim:g}" if self.aim is not None else ""
            wanted = f"  (target {'<=' if self.at_most else '>='} {self.target:g}{aim})"
        measured = f"{self.measured:,.0f}" if self.measured >= 1000 else f"{self.measured:.3g}"
        return f"{self.verdict:5}  {self.what}: {measured}{self.unit}{wanted}  {self.detail}"

    def record(self) -> dict[str, object]:
        return {
            "row": self.row,
            "what": self.what,
            "measured": round(self.measured, 4),
            "unit": self.unit,
            "target": self.target,
            "bound": "at most" if self.at_most else "at least",
            "verdict": self.verdict,
            **self.numbers,
        }


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:  # no git here: the results say commit none
        return ""
    return done.stdout.strip()


def commit() -> str:
    """The commit that is checked out, marked where the sources differ from it."""
    name = _git("rev-parse", "--short", "HEAD") or "none"
    return name + ("-changed" if _git("status", "--porcelain", "src") else "")


def machine() -> dict[str, object]:
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.platform(),
        "cpu": model,
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
    }


class Results:
    """The file that findings are appended to."""

    def __init__(self, machine: Mapping[str, object], options: Mapping[str, object]) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.common = {"at": now.isoformat(timespec="seconds"), **options, "machine": machine}
        self.path = RESULTS / f"{now.date()}-{machine['commit']}.jsonl"

    def add(self, finding: Finding) -> None:
        RESULTS.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({**finding.record(), **self.common}) + "\n")
