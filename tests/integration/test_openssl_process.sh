#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgr.so in an application: threads share a peer, a fork in mid-stream leaves both sides right, and an
# agent that ends in mid-stream is an error from which the next init recovers.
. "$(dirname "$0")/common.sh"

# KGR_TEST_INSIDE runs it in another system: see openssl35.sh.
app=$LAB_BUILD/tests/openssl_app
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
export KGR_AGENT=$KGR_AGENT_1

timeout 120 ${KGR_TEST_INSIDE:-} "$app" threads "$LAB_LIB" "$KGR_ID_2" || fail "threads"
timeout 60 ${KGR_TEST_INSIDE:-} "$app" aead "$LAB_LIB" "$KGR_ID_2" || fail "authenticated encryption"
timeout 60 ${KGR_TEST_INSIDE:-} "$app" fork "$LAB_LIB" "$KGR_ID_2" || fail "fork in mid-stream"
timeout 60 ${KGR_TEST_INSIDE:-} "$app" unload "$LAB_LIB" "$KGR_ID_2" || fail "unloading what is in use"
timeout 60 ${KGR_TEST_INSIDE:-} "$app" exit "$LAB_LIB" "$KGR_ID_2" || fail "exit without unloading"

mkfifo "$WORK/to" "$WORK/from"
timeout 120 ${KGR_TEST_INSIDE:-} "$app" restart "$LAB_LIB" "$KGR_ID_2" <"$WORK/to" >"$WORK/from" 2>"$WORK/errors" &
pid=$!
exec 8>"$WORK/to" 9<"$WORK/from"
read -r where <&9
[ "$where" = begun ] || fail "restart: '$where'"
lab_kill "$KGR_AGENT_1_PID"
echo go >&8
read -r where <&9 || fail "restart: $(cat "$WORK/errors")"
[ "$where" = failed ] || fail "restart: '$where'"
grep -q 'no agent' "$WORK/errors" || fail "no reason: $(cat "$WORK/errors")"
# shellcheck disable=SC2034
LAB=$KGR_LAB
lab_run_agent 1
# Keys rest until the KS has been heard again.
lab_wait_for 20 "the agent to work again" sh -c "echo x | openssl mac -provider-path '$LAB_LIB' \
    -provider kgr -provider default -macopt key-uri:kgr:peer=$KGR_ID_2 KGR-HMAC"
echo go >&8
wait $pid || fail "restart: $(cat "$WORK/errors")"
