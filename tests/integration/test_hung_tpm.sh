#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A TPM that stops answering: clients get an error within their time-out, and the services end within
# 10 s of being told to, as after a crash.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
tpm=$(awk '$2 == "tpm-1" { print $1 }' "$LAB/pids")
kill -STOP "$tpm"
expect 6 '.' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" seal "$(lab_id 2)" --input "$0"
kill -TERM "$KGR_AGENT_1_PID"
lab_wait_for 25 "the agent to end" test ! -e "/proc/$KGR_AGENT_1_PID"
grep -q 'stop_overdue' "$LAB/node-1/log" || fail "the agent does not say why it ended"
kill -CONT "$tpm"
lab_run_agent 1
lab_wait_for 30 "the lease of node 1" bash -c "KGR_AGENT=$KGR_AGENT_1 '$LAB_BIN/kgrctl' status --json | grep -qE '\"lease_s\": *[1-9]'"
echo back | lab_ctl 1 seal "$(lab_id 2)" >"$WORK/record"
[ "$(lab_ctl 2 open "$(lab_id 1)" <"$WORK/record")" = back ] || fail "no round trip after the TPM is back"
