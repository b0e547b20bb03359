#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Orders at the KS's socket: one that is given again gets its stored result, even after kill -9; old, changed and foreign ones
# are refused, each with its reason; all of it is in the audit log.
. "$(dirname "$0")/common.sh"

orders=$LAB_ROOT/tests/support/orders
lab_open "$WORK/lab"
lab_broker
lab_centre
lab_run_ks
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")

# All orders of the AC pass a recorder.
mkdir "$WORK/seen"
lab_spawn relay "$LAB/log" "$orders" relay "$LAB/relay.sock" "$LAB/ks/ks.sock" "$WORK/seen"
lab_wait_for 5 "the recorder" test -S "$LAB/relay.sock"
sed -i "s|ks/ks.sock|relay.sock|" "$LAB/ac/ac.conf"

send()
{
    "$orders" send "$LAB/ks/ks.sock" "$1"
}

# refused FILE REPLY RESULT WORD: what comes of FILE as an order, and what the log says of it.
refused()
{
    local got last
    got=$(send "$1")
    [ "$got" = "$2 $3" ] || fail "$1 got '$got' instead of '$2 $3'"
    last=$(lab_ac audit | grep 'refused' | tail -n 1)
    grep -q "($4)" <<<"$last" || fail "the log does not say '$4' of $1: $last"
}

lab_ac pair allow gateway-00001 gateway-00002 >/dev/null # order 1
lab_ac pair deny gateway-00001 gateway-00002 >/dev/null  # order 2
lab_ac node add gateway-00001 -o "$WORK/cred" >/dev/null # order 3
cp "$WORK"/seen/[123] "$WORK"

# Given again: the stored result, and nothing is done again.
[ "$(send "$WORK/1")" = "0 0" ] || fail "an order given again is not answered"
lab_ac pair matrix | grep -q 'gateway-00002 *\(denied\|revoked\)' || fail "an order given again was carried out again"
[ "$(send "$WORK/3")" = "0 0" ] || fail "node add given again is not answered"
lab_kill "$LAB_KS_PID" KILL
rm -f "$LAB/ks/ks.sock"
lab_run_ks
[ "$(send "$WORK/1")" = "0 0" ] || fail "an order given again after kill -9 is not answered"
[ "$(lab_ac audit | grep -c 'pair allow')" = 1 ] || fail "a repetition is a record of its own"

# Truncated, changed, too old to be kept.
head -c 60 "$WORK/1" >"$WORK/short"
refused "$WORK/short" 8 - malformed
cp "$WORK/1" "$WORK/flipped"
printf '\377' | dd of="$WORK/flipped" bs=1 seek=50 conv=notrunc status=none
refused "$WORK/flipped" 5 - forged
for ((i = 0; i < 33; i++)); do
    lab_ac node list >/dev/null
done
refused "$WORK/1" 0 "$(sed -n 's/.*KGR_ERR_REPLAY = \([0-9]*\).*/\1/p' "$LAB_ROOT/include/kgr/error.h")" replay

# Many refusals are few records.
for ((i = 0; i < 60; i++)); do
    send "$WORK/short" >/dev/null
done
[ "$(lab_ac audit | grep -c '(malformed)')" = 16 ] || fail "refusals are not bounded in the log"

# The log: paged, whole, and remembered by who verified it.
lab_ac audit --json | python3 -c '
import json, sys
log = json.load(sys.stdin)
assert [r["record"] for r in log] == list(range(1, len(log) + 1)), log
assert any(r["order"] == "pair deny" and r["subject"] == "gateway-00001 gateway-00002" for r in log)
'
[ "$(lab_ac audit --since 1h | wc -l)" -gt 50 ] || fail "--since leaves out what is recent"
expect 2 '.' "${ac[@]}" audit --since yesterday
expect 0 'are whole' "${ac[@]}" audit verify
expect 0 'was verified before' "${ac[@]}" audit verify

echo "orders and audit: all held"
