#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# TOPIC0 changes: credentials that are out go on, over a restart of the KS, and with the last of them the old topic ends.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 1
LAB=$WORK/lab
. "$LAB/env"
export KGR_KS

topic0()
{
    "$LAB_BIN/kgrctl" --ks status | grep -o 'kgr/[A-Za-z0-9_-]\{43\}'
}

refused()
{
    "$LAB_BIN/kgrctl" --ks status --json | tr -d ' \n' | sed -n 's/.*"frames_refused":\([0-9]*\).*/\1/p'
}

# hears TOPIC: the KS counts what is published there.
hears()
{
    local before
    before=$(refused)
    mosquitto_pub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -q 1 -t "$1" -m noise
    # What is heard is counted before the answer to this, or not at all.
    mosquitto_pub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -q 1 -t "$(topic0)" -m noise
    lab_wait_for 5 "the KS to count" test "$(refused)" -gt "$before"
    sleep 0.2
    [ $(($(refused) - before)) = "$2" ]
}

old=$(topic0)
for i in 2 3; do
    lab_tpm "$LAB/node-$i/tpm" "tpm-$i"
    lab_node_conf "$i" "$LAB_TCTI"
    lab_agent "$i" init >/dev/null
done
lab_ac node add "$(lab_id 2)" -o "$WORK/old-credential" >/dev/null
expect 0 'TOPIC0' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" topic0 rotate
[ "$(topic0)" != "$old" ] || fail "TOPIC0 is the same"
new=$(topic0)
lab_kill "$KGR_KS_PID"
rm -f "$KGR_KS"
lab_run_ks
lab_wait_for 10 "the broker" bash -c "$LAB_BIN/kgrctl --ks status --json | tr -d ' \n' | grep -q '\"broker_connected\":true'"
[ "$(topic0)" = "$new" ] || fail "TOPIC0 was forgotten"
lab_ac node add "$(lab_id 3)" -o "$WORK/new-credential" >/dev/null
hears "$old" 2 || fail "the KS does not listen on the TOPIC0 of a credential that is out"
lab_agent 2 enroll "$WORK/old-credential" >/dev/null 2>&1 || fail "a credential that was out does not work any more"
lab_agent 3 enroll "$WORK/new-credential" >/dev/null 2>&1 || fail "a new credential does not work"
hears "$old" 1 || fail "the KS still listens on the old TOPIC0"
hears "$new" 2 || fail "the KS does not listen on the new TOPIC0"
