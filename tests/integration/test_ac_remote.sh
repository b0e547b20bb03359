#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An AC that reaches the KS over the broker alone: frames and results get lost, the broker restarts, kgr-ac is killed at any
# moment, and what was recorded comes again; every order is carried out once, and none is lost.
. "$(dirname "$0")/common.sh"

lab_open "$WORK/lab"
lab_broker
lab_tpm "$LAB/ks/tpm" ks-tpm
lab_ks_conf "$LAB_TCTI"
lab_tpm "$LAB/ac/tpm" ac-tpm
mkdir -p "$LAB/ac"
cat >"$LAB/ac/ac.conf" <<CONF
state = "$LAB/ac/state";
broker = {};
timeout = 20;
tpm = { tcti = "$LAB_TCTI"; };
CONF
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")
unset KGR_KS

lab_ac init -o "$LAB/ac/ac.pub" >/dev/null
lab_ks init --ac "$LAB/ac/ac.pub" -o "$LAB/ks/ks.pub" >/dev/null 2>&1
expect 1 'no key server is pinned' "${ac[@]}" node list
expect 0 "over the broker 127.0.0.1:$LAB_PORT" "${ac[@]}" pin "$LAB/ks/ks.pub"
expect 0 '.' "${ac[@]}" pin "$LAB/ks/ks.pub"
lab_run_ks

# Everything on the broker is recorded: topic and payload, one message a line.
mosquitto_sub -V 5 -h 127.0.0.1 -p "$LAB_PORT" -t '#' -F '%t %x' >"$WORK/frames" &
recorder=$!

# The way is said, and configured one way only.
expect 0 'via=broker' "${ac[@]}" node list
sed '/^broker/s/$/ ks_socket = "x";/' "$LAB/ac/ac.conf" >"$WORK/both.conf"
expect 9 'both.conf:[0-9]+.*exclude each other' "$LAB_BIN/kgr-ac" --config "$WORK/both.conf" node list

lab_ac node add gateway-00001 --peers gateway-00002 -o "$WORK/cred1" 2>/dev/null >/dev/null
[ -s "$WORK/cred1" ] || fail "no credential over the broker"
expect 0 'gateway-00001' "${ac[@]}" node show gateway-00001
expect 4 'knows no node' "${ac[@]}" node show gateway-00009

# A result of many entries fits its frames.
for ((i = 0; i < 3; i++)); do
    lab_ac pair allow "$(printf 'node-with-quite-a-long-name-%030d' $i)" gateway-00001 >/dev/null 2>&1
done
[ "$(lab_ac pair matrix 2>/dev/null | wc -l)" = 5 ] || fail "the matrix is not whole"

# Nobody takes the frames: they are sent again until somebody does.
lab_kill "$LAB_KS_PID"
rm -f "$LAB/ks/ks.sock"
"${ac[@]}" pair deny gateway-00001 gateway-00002 >"$WORK/deny.out" 2>"$WORK/deny.err" &
waiting=$!
lab_wait_for 10 "a second frame" grep -q 'attempt=2' "$WORK/deny.err"
lab_run_ks
wait $waiting || fail "an order whose first frames were lost failed: $(cat "$WORK/deny.err")"

# The broker goes away and comes back with nothing.
kill "$recorder"
lab_kill "$LAB_BROKER_PID" KILL
"${ac[@]}" pair allow gateway-00001 gateway-00002 >"$WORK/allow.out" 2>"$WORK/allow.err" &
waiting=$!
lab_wait_for 10 "a failed connection" grep -q 'state=lost' "$WORK/allow.err"
lab_spawn broker "$LAB/broker/log" $LAB_BROKER_CMD
LAB_BROKER_PID=$LAB_PID
wait $waiting || fail "an order did not survive the broker's restart: $(cat "$WORK/allow.err")"

# The result is lost: the same command again gets it, and nothing is done twice.
kill -STOP "$LAB_KS_PID"
"${ac[@]}" node add gateway-00002 -o "$WORK/cred2" >/dev/null 2>"$WORK/add.err" &
waiting=$!
lab_wait_for 10 "the frame" grep -q 'attempt=1' "$WORK/add.err"
kill -KILL $waiting
wait $waiting 2>/dev/null || true
kill -CONT "$LAB_KS_PID"
rm -f "$WORK/cred2"
expect 0 'given again' "${ac[@]}" node add gateway-00002 -o "$WORK/cred2"
[ -s "$WORK/cred2" ] || fail "the credential of an order given again is empty"
expect 1 'is known already' "${ac[@]}" node add gateway-00002 -o "$WORK/cred2b"
[ "$(lab_ac audit 2>/dev/null | grep -c 'node add .*gateway-00002: done')" = 1 ] || fail "node add was carried out twice"

# No answer in time: said, with exit code 6; nothing changes.
sed 's/^timeout.*/timeout = 2;/' "$LAB/ac/ac.conf" >"$WORK/short.conf"
kill -STOP "$LAB_KS_PID"
expect 6 'no answer from the key server over the broker 127.0.0.1:[0-9]+ within 2 s' "$LAB_BIN/kgr-ac" --config "$WORK/short.conf" node list
kill -CONT "$LAB_KS_PID"
sed 's/^timeout.*/timeout = 2;/; s/^broker.*/broker = { host = "127.0.0.1"; port = 1; };/' "$LAB/ac/ac.conf" >"$WORK/nobroker.conf"
expect 6 'no connection to the broker 127.0.0.1:1 within 2 s .*nothing was asked' "$LAB_BIN/kgr-ac" --config "$WORK/nobroker.conf" node list

# Killed at every moment of an order: the same command again ends it.
n=10
for ((ms = 20; ms < 260; ms += 24)); do
    n=$((n + 1))
    id=gateway-000$n file=$WORK/cred-$n
    "${ac[@]}" node add "$id" -o "$file" >/dev/null 2>&1 &
    waiting=$!
    sleep "$(printf '0.%03d' $ms)"
    kill -KILL $waiting 2>/dev/null || true
    wait $waiting 2>/dev/null || true
    [ -s "$file" ] && lab_ac node show "$id" >/dev/null 2>&1 && continue
    rm -f "$file"
    expect 0 'may register' "${ac[@]}" node add "$id" -o "$file"
done

# Recorded frames come again, on their topics and on each other's: nothing changes, no number was used twice.
lab_ac pair matrix 2>/dev/null >"$WORK/before"
records=$(lab_ac audit 2>/dev/null | grep -vc 'list')
topics=$(cut -d' ' -f1 "$WORK/frames" | sort -u)
[ "$(wc -l <"$WORK/frames")" -gt 15 ] || fail "too few frames were recorded"
head -n 30 "$WORK/frames" | while read -r topic payload; do
    printf "$(sed 's/../\\x&/g' <<<"$payload")" >"$WORK/frame"
    for t in $topics; do
        mosquitto_pub -V 5 -h 127.0.0.1 -p "$LAB_PORT" -t "$t" -f "$WORK/frame"
    done
done
refused()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status --json | sed -n 's/.*"frames_refused": *\([0-9]*\).*/\1/p'
}
[ "$(refused)" -ge 10 ] || fail "replayed frames were not counted: $(refused)"
lab_ac pair matrix 2>/dev/null | cmp - "$WORK/before" || fail "replayed frames changed something"
[ "$(lab_ac audit 2>/dev/null | grep -vc 'list')" = "$records" ] || fail "replayed frames are orders in the log"
lab_ac audit --json 2>/dev/null | python3 -c '
import json, sys
numbers = [r["number"] for r in json.load(sys.stdin) if r["event"] == "order"]
assert len(numbers) == len(set(numbers)), numbers
'
expect 0 'are whole' "${ac[@]}" audit verify
echo "AC at a distance: all held"
