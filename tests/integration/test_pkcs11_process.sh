#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libkgr-pkcs11.so in an application: every mechanism in any split, threads, a fork in mid-stream,
# records that libkgr opens, and an agent that ends in mid-stream under sessions that outlive it.
. "$(dirname "$0")/common.sh"

app=$LAB_BUILD/tests/pkcs11_app
module=$LAB_LIB/libkgr-pkcs11.so
lab_up "$WORK/lab" --nodes 2
# shellcheck disable=SC1091
. "$WORK/lab/env"
export KGR_AGENT=$KGR_AGENT_1

timeout 120 "$app" mechanisms "$module" "$KGR_ID_2" || fail "mechanisms"
timeout 120 "$app" threads "$module" "$KGR_ID_2" || fail "threads"
timeout 60 "$app" fork "$module" "$KGR_ID_2" || fail "fork in mid-stream"

echo 'to node 2' | "$app" seal "$module" "$KGR_ID_2" >"$WORK/record" || fail "sealing"
opened=$(KGR_AGENT=$KGR_AGENT_2 "$LAB_BIN/kgrctl" open "$KGR_ID_1" <"$WORK/record")
[ "$opened" = 'to node 2' ] || fail "kgrctl opens '$opened'"
echo 'to node 1' | KGR_AGENT=$KGR_AGENT_2 "$LAB_BIN/kgrctl" seal "$KGR_ID_1" >"$WORK/record"
opened=$("$app" open "$module" "$KGR_ID_2" <"$WORK/record")
[ "$opened" = 'to node 1' ] || fail "the module opens '$opened'"

mkfifo "$WORK/to" "$WORK/from"
timeout 120 "$app" restart "$module" "$KGR_ID_2" <"$WORK/to" >"$WORK/from" 2>"$WORK/errors" &
pid=$!
exec 8>"$WORK/to" 9<"$WORK/from"
read -r where <&9 || fail "restart: $(cat "$WORK/errors")"
[ "$where" = begun ] || fail "restart: '$where'"
lab_kill "$KGR_AGENT_1_PID"
echo go >&8
read -r where <&9 || fail "restart: $(cat "$WORK/errors")"
[ "$where" = failed ] || fail "restart: '$where'"
LAB=$KGR_LAB
lab_run_agent 1
lab_ctl 1 wait "$KGR_ID_2" >/dev/null
echo go >&8
wait $pid || fail "restart: $(cat "$WORK/errors")"
