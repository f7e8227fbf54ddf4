"""The rows of the table, each a function that measures and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.report import Finding


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int = 3
    seconds: float | None = None  # of each measurement; None is the row's own

    def lasting(self, seconds: float) -> float:
        return seconds if self.seconds is None else self.seconds


class Skipped(Exception):
    """A row cannot be measured here; the message says why, and what would help."""


Row = Callable[[Options], Iterator[Finding]]
