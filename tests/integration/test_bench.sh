#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# scripts/bench measures every row that can be measured here, and each is a line of JSON as docs/performance.md says. What
# the figures are is no matter of a test.
. "$(dirname "$0")/common.sh"

left_out=none
if ! command -v tpm2_ptool softhsm2-util >/dev/null; then
    echo "left out, for scripts/setup --bench was not run: what is measured beside tpm2-pkcs11 and SoftHSM2"
    left_out=pkcs11-1
fi
mapfile -t wanted < <("$LAB_BUILD/tests/kgr-bench" --list | cut -f1 | grep -v -- "$left_out")
[ ${#wanted[@]} -ge 20 ] || fail "only ${#wanted[@]} rows"
only="^($(IFS='|'; echo "${wanted[*]}"))\$"
TMPDIR=$WORK "$LAB_ROOT/scripts/bench" --smoke --only "$only" >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/err")"
python3 - "$WORK/out" "${wanted[@]}" <<'PYTHON' || fail "$(cat "$WORK/out")"
import json
import sys

lines = open(sys.argv[1]).read().split("\n\n")
rows = [json.loads(line) for line in lines[0].splitlines()]
assert [row["name"] for row in rows] == sys.argv[2:], "rows"
for row in rows:
    assert list(row) == ["name", "ours", "theirs", "unit", "ratio", "must", "ok"], row
    assert row["ours"] > 0, row
    assert (row["theirs"] is None) == (row["ratio"] is None), row
    assert (row["must"] is None) == (row["ok"] is None), row
assert len(lines[1].splitlines()) == len(rows) + 1, "the table"
PYTHON
! "$LAB_ROOT/scripts/bench" --what 2>/dev/null || fail "an unknown option is taken"
