#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of the agents, the KS and the broker (which loses its state), before and in the middle of an
# exchange: once the parts run again the pair gets its key without an operator, and old keys stay.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3)

restart_agent()
{
    lab_kill "$1" KILL
    lab_run_agent "$2"
    eval "KGR_AGENT_${2}_PID=$LAB_AGENT_PID"
}

has_lease()
{
    lab_ctl "$1" status --json | grep -qE '"lease_s": *[1-9]'
}

round_trip()
{
    echo "$1 to $2" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" >"$WORK/opened"
    cmp "$WORK/plain" "$WORK/opened" || fail "round trip $1 to $2"
}

# After a crash a record from before it is a replay, and a fresh one opens.
round_trip 1 2
cp "$WORK/record" "$WORK/old"
restart_agent "$KGR_AGENT_2_PID" 2
lab_wait_for 30 "the lease of node 2" has_lease 2
expect 8 'replay|seen' env "KGR_AGENT=$KGR_AGENT_2" "$LAB_BIN/kgrctl" open "$id1" --input "$WORK/old"

# A crash burns at most the block of sequences that was reserved, at both ends: the sender goes on behind
# it, and there the receiver accepts.
restart_agent "$KGR_AGENT_1_PID" 1
lab_wait_for 30 "the lease of node 1" has_lease 1
round_trip 2 1
round_trip 1 3

# The KS dies and returns; the broker dies and forgets every subscription.
lab_kill "$KGR_KS_PID" KILL
rm -f "$LAB/ks/ks.sock"
lab_run_ks
KGR_KS_PID=$LAB_KS_PID
lab_kill "$KGR_BROKER_PID" KILL
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
round_trip 1 2

# A pair that the AC allows only now, asked for while the KS is down, is served when it is back.
KGR_BROKER_PID=$LAB_PID
lab_ac pair allow "$id2" "$id3" >/dev/null
lab_kill "$KGR_KS_PID" KILL
rm -f "$LAB/ks/ks.sock"
lab_ctl 2 request "$id3" --no-wait >/dev/null
restart_agent "$KGR_AGENT_3_PID" 3
lab_run_ks
KGR_KS_PID=$LAB_KS_PID
lab_ctl 2 wait "$id3" --timeout 60 >/dev/null || fail "2-3 did not become ready"
lab_ctl 3 wait "$id2" --timeout 60 >/dev/null || fail "3-2 did not become ready"
round_trip 2 3
round_trip 3 2

# The crash of node 2, which had opened a record, cost it a block of sequences: it asked for another key.
lab_ctl 1 wait "$id2" --generation 2 --timeout 60 >/dev/null || fail "no renewal after the crash of a receiver"
