#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tests/support/seed: the store of a stopped agent gets peers by real imports, in both custodies; the agent then starts with
# them, and those that the KS names encrypt. The node's list has more pages than that of the KS.
. "$(dirname "$0")/common.sh"

seed=$LAB_BUILD/tests/seed
for custody in resident sealed; do
    lab_up "$WORK/$custody" --nodes 2 --custody "$custody"
    LAB=$WORK/$custody
    . "$LAB/env"
    id1=$(lab_id 1)
    expect 1 'in use' "$seed" -c "$LAB/node-1/agent.conf" -n 1
    for i in 1 2; do
        lab_ac node add "seed-0000$i" --peers "$id1" -o "$WORK/cred-$custody-$i" >/dev/null
    done
    lab_kill "$KGR_AGENT_1_PID"
    expect 0 '230 peers' "$seed" -c "$LAB/node-1/agent.conf" -n 230
    expect 1 'already' "$seed" -c "$LAB/node-1/agent.conf" -n 1
    expect 2 'usage' "$seed" -n 1
    lab_run_agent 1
    lab_wait_for 20 "the lease" bash -c "KGR_AGENT=$LAB/node-1/agent.sock '$LAB_BIN/kgrctl' status --json | grep -E '\"lease_s\": *[1-9]'"
    lab_ctl 1 peers --json >"$WORK/peers"
    [ "$(grep -o '"peer": *"seed-' "$WORK/peers" | wc -l)" -ge 2 ] || fail "the seeded peers are not there: $(cat "$WORK/peers")"
    for i in 1 2; do
        echo text | lab_ctl 1 seal "seed-0000$i" >"$WORK/record" || fail "$custody: no record for seed-0000$i"
        [ -s "$WORK/record" ] || fail "$custody: empty record"
    done
    lab_down "$LAB"
done
