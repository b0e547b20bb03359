#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws how cost grows: rows of scripts/bench (JSON, one a line, on stdin) into SVG files in the folder named."""
import json
import math
import os
import re
import sys

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 52, 62
COLOURS = ("#1f5fa8", "#c1521b", "#2a7f3f", "#7b3fa0", "#666666", "#a8851f")


def powers(low, high, base):
    """Ticks base^k around all of low..high."""
    first = math.floor(math.log(low, base) + 1e-9)
    last = math.ceil(math.log(high, base) - 1e-9)
    return [base**k for k in range(first, max(last, first + 1) + 1)]


def short(value):
    for unit, size in (("Mi", 1 << 20), ("Ki", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value:g}"


class Plot:
    """Lines over two logarithmic axes."""

    def __init__(self, title, x_name, y_name, x_base):
        self.title, self.x_name, self.y_name, self.x_base = title, x_name, y_name, x_base
        self.lines = []

    def add(self, name, points):
        if points:
            self.lines.append((name, sorted(points)))

    def scale(self):
        xs = [x for _, points in self.lines for x, _ in points]
        ys = [y for _, points in self.lines for _, y in points]
        self.x_ticks = powers(min(xs), max(xs), self.x_base)
        self.y_ticks = powers(min(ys), max(ys), 10)
        self.x_range = (math.log(self.x_ticks[0]), math.log(self.x_ticks[-1]))
        self.y_range = (math.log(self.y_ticks[0]), math.log(self.y_ticks[-1]))

    def x_at(self, x):
        low, high = self.x_range
        return LEFT + (math.log(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y_at(self, y):
        low, high = self.y_range
        return HEIGHT - BOTTOM - (math.log(y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def axes(self):
        bottom = HEIGHT - BOTTOM
        for x in self.x_ticks:
            at = self.x_at(x)
            yield f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="#e4e4e4"/>'
            yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{short(x)}</text>'
        for y in self.y_ticks:
            at = self.y_at(y)
            yield f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#e4e4e4"/>'
            yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>'
        yield f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{bottom - TOP}" fill="none" stroke="#888"/>'
        yield f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="15">{self.title}</text>'
        yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 14}" text-anchor="middle">{self.x_name}</text>'
        yield (f'<text x="18" y="{HEIGHT / 2}" text-anchor="middle" '
               f'transform="rotate(-90 18 {HEIGHT / 2})">{self.y_name}</text>')

    def curve(self, i, name, points):
        colour = COLOURS[i % len(COLOURS)]
        at = [(self.x_at(x), self.y_at(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in at:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
        row = TOP + 18 + 18 * i
        yield f'<line x1="{LEFT + 12}" y1="{row - 4}" x2="{LEFT + 34}" y2="{row - 4}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{LEFT + 40}" y="{row}">{name}</text>'

    def write(self, path):
        if not self.lines:
            print(f"plot: no rows for {path}", file=sys.stderr)
            return
        self.scale()
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
               f'font-family="sans-serif" font-size="12">',
               f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *self.axes()]
        for i, (name, points) in enumerate(self.lines):
            out += self.curve(i, name, points)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([*out, "</svg>", ""]))


def points(rows, pattern, key, at_one=None):
    """(number in the name, value of key) of each row whose name matches; at_one: the key whose value stands at 1."""
    found = []
    for row in rows:
        match = re.fullmatch(pattern, row["name"])
        if match and row[key] is not None:
            found.append((int(match.group(1)), row[key]))
            if at_one and row[at_one] is not None and not any(x == 1 for x, _ in found):
                found.append((1, row[at_one]))
    return found


def main():
    folder = sys.argv[1]
    rows = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    os.makedirs(folder, exist_ok=True)

    size = Plot("Sealing one message, by its size", "bytes of plaintext", "microseconds", 4)
    size.add("resident, kgr_seal", points(rows, r"resident-seal-(\d+)", "ours"))
    size.add("raw TPM commands", points(rows, r"resident-seal-(\d+)", "theirs"))
    size.add("sealed, kgr_seal", points(rows, r"sealed-seal-(\d+)", "ours"))
    size.add("sealed, kgr_seal_batch of 64, each", points(rows, r"sealed-batch-(\d+)", "ours"))
    size.add("EVP in the process", points(rows, r"sealed-seal-(\d+)", "theirs"))
    size.write(os.path.join(folder, "performance-size.svg"))

    clients = Plot("Throughput, by clients at once (two cores)", "clients", "MB/s", 2)
    for length in (16384, 1024):
        clients.add(f"sealed, {length} B", points(rows, rf"sealed-clients-(\d+)-{length}", "ours", "theirs"))
    clients.add("resident, 944 B", points(rows, r"resident-clients-(\d+)-944", "ours", "theirs"))
    clients.write(os.path.join(folder, "performance-clients.svg"))

    peers = Plot("What peers cost an agent (sealed)", "peers", "each in its unit", 10)
    peers.add("start to first answer, ms", points(rows, r"start-agent-(\d+)", "ours"))
    peers.add("resident memory, MiB", points(rows, r"memory-(\d+)", "ours"))
    peers.add("seal 1 KiB, another peer each time, us", points(rows, r"sealed-peers-(\d+)", "ours"))
    peers.write(os.path.join(folder, "performance-peers.svg"))


main()
