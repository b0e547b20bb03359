#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What goes wrong in practice: each is one line that names the thing, with the exit code of the contract,
# within 30 s, and leaves everything as it was.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
export KGR_AGENT=$KGR_AGENT_1
ctl=$LAB_BIN/kgrctl

# The command line.
expect 2 'usage|unknown' "$ctl" no-such-command
expect 2 'usage|unknown' "$LAB_BIN/kgr-agent" no-such-command
expect 2 'usage|unknown' "$LAB_BIN/kgr-ks" no-such-command
expect 2 'usage|unknown' "$LAB_BIN/kgr-ac" no-such-command
for program in kgrctl kgr-agent kgr-ks kgr-ac; do
    expect 0 '[0-9]+\.[0-9]+' "$LAB_BIN/$program" --version
    expect 0 'usage|Usage' "$LAB_BIN/$program" --help
done

# Sockets, peers and keys.
expect 3 "$WORK/nobody.sock" "$ctl" --socket "$WORK/nobody.sock" peers
expect 4 'no-such-peer' "$ctl" seal no-such-peer --input "$0"
expect 4 'no-such-peer' "$ctl" handle no-such-peer
expect 2 '.' "$ctl" request 'bad peer!'

# Records: truncated, changed, of somebody else, sealed by oneself, oversized.
echo message >"$WORK/plain"
"$ctl" seal "$id2" <"$WORK/plain" >"$WORK/record"
expect 8 '.' "$ctl" open "$id2" --input "$WORK/record"
export KGR_AGENT=$KGR_AGENT_2
head -c 40 "$WORK/record" >"$WORK/short"
expect 8 '.' "$ctl" open "$id1" --input "$WORK/short"
expect 8 '.' "$ctl" open "$id1" --input /dev/null
size=$(stat -c %s "$WORK/record")
for at in 0 8 9 10 11 12 19 27 28 43 44 $((size - 17)) $((size - 1)); do
    cp "$WORK/record" "$WORK/flipped"
    byte=$(od -An -tu1 -j "$at" -N 1 "$WORK/record" | tr -d ' ')
    printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$WORK/flipped" bs=1 seek="$at" conv=notrunc status=none
    status=0
    "$ctl" open "$id1" --input "$WORK/flipped" >"$WORK/out" 2>"$WORK/err" || status=$?
    [ $status != 0 ] || fail "a record with byte $at changed was opened"
    [ ! -s "$WORK/out" ] || fail "a record with byte $at changed released bytes"
done
# None of those tries spoiled the record itself.
"$ctl" open "$id1" --input "$WORK/record" | cmp - "$WORK/plain" || fail "the good record does not open"
expect 8 'replay|seen' "$ctl" open "$id1" --input "$WORK/record"
head -c 70000 /dev/zero >"$WORK/large"
expect 1 '65,?536|too large|long' "$ctl" seal "$id1" --input "$WORK/large"

# Garbage on the agent's socket and on every topic: the agent and the KS live on and count it.
before=$("$ctl" status --json | tr -d ' \n' | sed -n 's/.*"frames_refused":\([0-9]*\).*/\1/p')
timeout 2 mosquitto_sub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t '#' -F '%t' >"$WORK/topics" &
listener=$!
sleep 0.3
# A restart makes both sides speak, so that their topics are seen.
lab_kill "$KGR_AGENT_1_PID"
lab_run_agent 1
wait $listener || true
sort -u "$WORK/topics" >"$WORK/topics.all"
[ -s "$WORK/topics.all" ] || fail "no topic was seen"
head -c 300 /dev/urandom >"$WORK/noise"
printf 'KGRF\001\007\001\001' >"$WORK/almost"
head -c 152 /dev/zero >>"$WORK/almost"
head -c 60000 /dev/urandom >"$WORK/big"
while read -r topic; do
    for f in "$WORK/noise" "$WORK/almost" "$WORK/big" /dev/null; do
        mosquitto_pub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t "$topic" -f "$f" || true
    done
done <"$WORK/topics.all"
"$ctl" peers >/dev/null || fail "agent 2 is gone"
KGR_AGENT=$KGR_AGENT_1 "$ctl" peers >/dev/null || fail "agent 1 is gone"
kill -0 "$KGR_KS_PID" || fail "the KS is gone"
refused()
{
    local ks_count
    ks_count=$(KGR_KS=$KGR_KS "$ctl" --ks status --json | tr -d ' \n' | sed -n 's/.*"frames_refused":\([0-9]*\).*/\1/p')
    [ "${ks_count:-0}" -gt 0 ]
}
lab_wait_for 10 "the KS to count what it refused" refused
echo "before: $before" >>"$WORK/log"

# Configuration: unknown keys, wrong types, values out of range, with file and line; a missing file.
broken()
{
    printf '%s\n' "$1" >"$WORK/broken.conf"
    expect 9 "$WORK/broken.conf:${2:-1}:" "$LAB_BIN/kgr-agent" --config "$WORK/broken.conf" run
}
broken 'no_such_key = 1;'
broken 'state = 5;'
broken 'broker = { host = "localhost"; port = 70000; };'
broken 'state = "x"' 1
printf 'state = "%s";\ntpm = { tctti = "x"; };\n' "$WORK/s" >"$WORK/broken.conf"
expect 9 "$WORK/broken.conf:2:" "$LAB_BIN/kgr-ks" --config "$WORK/broken.conf" run
expect 9 "$WORK/absent.conf" "$LAB_BIN/kgr-agent" --config "$WORK/absent.conf" run

# Two services on one state folder.
expect 1 "$LAB/node-1/state" "$LAB_BIN/kgr-agent" --config "$LAB/node-1/agent.conf" run
expect 1 "$LAB/ks/state" "$LAB_BIN/kgr-ks" --config "$LAB/ks/ks.conf" run

# A TPM that is not there, and one in failure mode: swtpm answers 0x101 when its state folder is gone.
mkdir -p "$WORK/lab/node-9"
LAB_CUSTODY=resident lab_node_conf 9 "swtpm:path=$WORK/no-tpm"
expect 7 'TPM|tpm' "$LAB_BIN/kgr-agent" --config "$LAB/node-9/agent.conf" init
[ ! -e "$LAB/node-9/state/agent.db" ] || [ ! -s "$LAB/node-9/state/agent.db" ] || true

# Credentials: none, damaged, used, of another node; a node that is not enrolled.
lab_tpm "$LAB/node-9/tpm" tpm-9
lab_node_conf 9 "$LAB_TCTI"
agent9="$LAB_BIN/kgr-agent --config $LAB/node-9/agent.conf"
expect 9 'enrol|init' $agent9 run
$agent9 init >/dev/null
expect 1 "$WORK/none" $agent9 enroll "$WORK/none"
lab_ac node add gateway-00009 -o "$WORK/credential" >/dev/null
expect 1 'gateway-00009' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node add gateway-00009 -o "$WORK/credential2"
cp "$WORK/credential" "$WORK/damaged"
printf X | dd of="$WORK/damaged" bs=1 seek=40 conv=notrunc status=none
expect 8 'damaged|corrupt' $agent9 enroll "$WORK/damaged"
head -c 50 "$WORK/credential" >"$WORK/cut"
expect 8 'damaged|corrupt' $agent9 enroll "$WORK/cut"
cp -p "$WORK/credential" "$WORK/copy"
# A broker that is down: a clear end after the stated time, and the enrolment goes on later.
lab_kill "$KGR_BROKER_PID"
expect 6 '127.0.0.1|broker' $agent9 enroll "$WORK/credential" --timeout 3
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
lab_wait_for 10 "the broker" lab_listening "$KGR_BROKER_PORT"
expect 0 '.' $agent9 enroll --timeout 60
# The credential is spent: another TPM with a copy of it is refused and the KS raises an alarm.
lab_tpm "$LAB/node-8/tpm" tpm-8
lab_node_conf 8 "$LAB_TCTI"
agent8="$LAB_BIN/kgr-agent --config $LAB/node-8/agent.conf"
$agent8 init >/dev/null
expect 6 '.' $agent8 enroll "$WORK/copy" --timeout 4
lab_ac node list --json | tr -d ' \n' | grep -q '"node":"gateway-00009"[^}]*"state":"registered"' ||
    fail "node 9 is not registered any more"
# Expired credentials.
lab_ac node add gateway-00010 --valid 1s -o "$WORK/expired" >/dev/null
sleep 2
lab_tpm "$LAB/node-10/tpm" tpm-10
lab_node_conf 10 "$LAB_TCTI"
"$LAB_BIN/kgr-agent" --config "$LAB/node-10/agent.conf" init >/dev/null
expect 1 'expired' "$LAB_BIN/kgr-agent" --config "$LAB/node-10/agent.conf" enroll "$WORK/expired"
[ -e "$WORK/expired" ] || fail "a refused credential was wiped"

# The KS away: the request says what it waits for and ends after the stated time.
lab_kill "$KGR_KS_PID"
lab_wait_for 10 "the KS to end" test ! -e "/proc/$KGR_KS_PID"
expect 3 "$LAB/ks/ks.sock" "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node list
