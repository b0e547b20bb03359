#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The rows of scripts/bench (JSON, one a line, on stdin) as a table for people."""
import json
import sys


def number(value, digits=4):
    return "-" if value is None else f"{value:.{digits}g}"


def main():
    rows = [json.loads(line) for line in sys.stdin if line.strip()]
    cells = [("row", "ours", "theirs", "unit", "ratio", "must", "")]
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: ""}[row["ok"]]
        cells.append((row["name"], number(row["ours"]), number(row["theirs"]), row["unit"] or "not measured",
                      number(row["ratio"], 3), number(row["must"]), verdict))
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        left = line[0].ljust(widths[0])
        rest = (line[i].rjust(widths[i]) for i in range(1, len(line)))
        print("  ".join([left, *rest]).rstrip())


main()
