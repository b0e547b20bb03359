#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The shortest real use of README.md, command by command as it stands there.
. "$(dirname "$0")/common.sh"

awk '/^## /{ on = /Shortest real use/ } on && /^    /' "$LAB_ROOT/README.md" |
    sed "s|/tmp/lab|$WORK/lab|g; s|scripts/lab|tests/support/lab|; s|\$PWD/build/|$LAB_BUILD/|g; s| build/| $LAB_BUILD/|g" \
        >"$WORK/commands"
[ "$(grep -c . "$WORK/commands")" -ge 10 ] || fail "README.md has no shortest real use"
cp "$LAB_ROOT/README.md" "$WORK"
mkdir "$WORK/tests"
ln -s "$LAB_ROOT/tests/support" "$WORK/tests/support"
(cd "$WORK" && PS4= bash -euxo pipefail commands >out 2>err) || fail "README.md: $(tail -n 3 "$WORK/err")"
grep -qx hello "$WORK/out" || fail "the record did not open"
grep -qE '^[0-9A-F]{64}$' "$WORK/out" || fail "no MAC"
grep -q 'gateway-00002 (sign)' "$WORK/out" || fail "PKCS#11 lists no key"
[ ! -e "$WORK/lab/pids" ] || fail "the lab still runs"
