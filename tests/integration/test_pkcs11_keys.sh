#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Keys are renewed and revoked while a PKCS#11 session is open: searches and C_WaitForSlotEvent see it at once, the
# generation before still receives (for a program that starts afterwards too), and what is destroyed ends as the standard says.
. "$(dirname "$0")/common.sh"

app=$LAB_BUILD/tests/pkcs11_keys
module=$LAB_LIB/libkgr-pkcs11.so
lab_up "$WORK/lab" --nodes 2
# shellcheck disable=SC1091
. "$WORK/lab/env"
LAB=$KGR_LAB
export KGR_AGENT=$KGR_AGENT_1

mkfifo "$WORK/to" "$WORK/from"
timeout 120 "$app" change "$module" "$KGR_ID_2" <"$WORK/to" >"$WORK/from" 2>"$WORK/errors" &
pid=$!
exec 8>"$WORK/to" 9<"$WORK/from"

# meet WHERE: the program has come to that step.
meet()
{
    local where
    read -r where <&9 || fail "before $1: $(cat "$WORK/errors")"
    [ "$where" = "$1" ] || fail "'$where' instead of $1"
}

meet renew
lab_ctl 1 renew "$KGR_ID_2" >/dev/null
[ "$("$app" list "$module" "$KGR_ID_2" | awk '{print $2}' | sort | tr '\n' ' ')" = 'both receive ' ] ||
    fail "a program that starts now: $("$app" list "$module" "$KGR_ID_2")"
echo go >&8
meet renew
lab_ctl 1 renew "$KGR_ID_2" >/dev/null
echo go >&8
meet revoke
lab_ac pair deny "$KGR_ID_1" "$KGR_ID_2" >/dev/null
denied()
{
    lab_ctl 1 peers --json | grep -q '"revoked"'
}
lab_wait_for 20 "node 1 to hear of it" denied
echo go >&8
wait $pid || fail "$(cat "$WORK/errors")"
