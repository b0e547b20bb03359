#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The rows of scripts/bench (JSON, one a line, on stdin) as a table for people, or with --markdown for a document."""
import json
import sys


def number(value, digits=4):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 10**digits else f"{value:.{digits}g}"


def markdown(cells):
    yield "| " + " | ".join(cells[0]) + " |"
    yield "|---|" + "---:|" * (len(cells[0]) - 2) + "---|"
    for line in cells[1:]:
        yield "| `" + line[0] + "` | " + " | ".join(line[1:]) + " |"


def plain(cells):
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        rest = (line[i].rjust(widths[i]) for i in range(1, len(line)))
        yield "  ".join([line[0].ljust(widths[0]), *rest]).rstrip()


def main():
    rows = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    cells = [("row", "ours", "theirs", "unit", "ratio", "must", "")]
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        cells.append((row["name"], number(row["ours"]), number(row["theirs"]), row["unit"] or "not measured",
                      number(row["ratio"], 3), number(row["must"]), verdict))
    print("\n".join(markdown(cells) if "--markdown" in sys.argv[1:] else plain(cells)))


main()
