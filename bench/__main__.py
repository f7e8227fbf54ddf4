"""`python -m bench [ROW ...]`: measure, print a line of verdict for each finding, and keep the numbers."""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench import native
from bench.processes import Failed
from bench.report import Results, machine
from bench.rows import (
    Options,
    Row,
    Skipped,
    dynamodb,
    function,
    growth,
    http_proxy,
    http_templates,
    memory,
    mock,
    push,
    render,
    slow,
    startup,
)

ROWS: dict[str, Row] = {
    "mock": mock.run,
    "render": render.run,
    "http": http_proxy.run,
    "http_templates": http_templates.run,
    "dynamodb": dynamodb.run,
    "function": function.run,
    "push": push.run,
    "memory": memory.run,
    "growth": growth.run,
    "startup": startup.run,
    "slow": slow.run,
}
WITHOUT_COMPILER = ("render", "startup", "slow")
WIDTH = max(map(len, ROWS))


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which of {', '.join(ROWS)} (all)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each side is measured, in turn (3)")
    parser.add_argument("--seconds", type=float, help="of each measurement (1.5; of slow 60)")
    given = parser.parse_args()
    rows = given.rows or list(ROWS)
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        parser.error(f"{unknown[0]} is no row (one of {', '.join(ROWS)})")
    if not sys.platform.startswith("linux"):
        print(f"bench measures on Linux alone, this is {sys.platform}: nothing is run")
        return 0
    missing = native.unavailable()
    if missing is not None:
        skipped = [row for row in rows if row not in WITHOUT_COMPILER]
        if skipped:
            print(f"{missing}: skipping {', '.join(skipped)}")
        rows = [row for row in rows if row in WITHOUT_COMPILER]
    else:
        native.build()
    if not rows:
        return 0
    return _measure(rows, Options(given.rounds, given.seconds))


def _measure(rows: list[str], options: Options) -> int:
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    results = Results(facts, {"rounds": options.rounds, "seconds": options.seconds})
    failed = 0
    for row in rows:
        try:
            for finding in ROWS[row](options):
                print(f"{row:{WIDTH}}  {finding.line()}", flush=True)
                results.add(finding)
        except Skipped as why:
            print(f"{row:{WIDTH}}  skipped: {why}", flush=True)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"{row:{WIDTH}}  FAIL  {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
