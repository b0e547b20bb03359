#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Messages between two nodes: both ways at once, forged, replayed, retained, too many; events; the broker away.
. "$(dirname "$0")/common.sh"

# Node 1 has used half of its budget somewhere in the 1,000 messages.
LAB_AGENT_EXTRA='limits = { inbox_messages = 600; }; budget = 8192; renew_at = 50; request_timeout = 2;'
export LAB_AGENT_EXTRA
lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
ctl=$LAB_BIN/kgrctl

# kgrctl of node 1 and of node 2, as commands.
mkdir "$WORK/bin"
printf '#!/bin/sh\nexec "%s" --socket "%s" "$@"\n' "$ctl" "$KGR_AGENT_1" >"$WORK/bin/one"
printf '#!/bin/sh\nexec "%s" --socket "%s" "$@"\n' "$ctl" "$KGR_AGENT_2" >"$WORK/bin/two"
chmod +x "$WORK/bin/one" "$WORK/bin/two"
PATH=$WORK/bin:$PATH

# has PATTERN CMD...: the output of CMD, without white space, has PATTERN in it.
has()
{
    local pattern=$1
    shift
    "$@" | tr -d ' \n' | grep -qE -- "$pattern"
}
# refused CAUSE NUMBER: so many messages were refused at node 2 for that cause.
refused()
{
    lab_wait_for 10 "$2 messages refused for $1" has "\"refused\":\{[^}]*\"$1\":$2[,}]" two status --json
}
topic2()
{
    two topics "$id1" | awk '$1 == "receive" { print $2 }'
}
publish()
{
    mosquitto_pub -V 5 -q 1 -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t "$(topic2)" "$@"
}

# One message, whole, as it is; the bytes of a file, and none.
head -c 61440 /dev/urandom >"$WORK/large"
one send "$id2" "$WORK/large"
two recv "$id1" >"$WORK/got"
cmp "$WORK/large" "$WORK/got" || fail "the largest message changed"
: | one send "$id2"
has '"sequence":[0-9]+,"waiting":0,"encoding":"utf-8","data":""' two recv --json || fail "an empty message is shown otherwise"
head -c 61441 /dev/urandom >"$WORK/larger"
expect 1 'longer than 61440 bytes' one send "$id2" "$WORK/larger"
expect 6 "$id1: no message in time" two recv "$id1" --timeout 0
expect 4 'unknown' two recv nobody --timeout 0
expect 4 'unknown' one send nobody /dev/null

# 1,000 each way at once, in order, while the keys are renewed.
two events --json --peer "$id1" >"$WORK/events" &
events=$!
seq 1 1000 >"$WORK/numbers"
one recv "$id2" --count 1000 --lines >"$WORK/at1" &
recv1=$!
two recv "$id1" --count 1000 --lines >"$WORK/at2" &
recv2=$!
# A sender may be faster than a receiver, and the inbox holds 600: the second half when the first has arrived.
came()
{
    [ "$(wc -l <"$WORK/$1")" -ge 500 ]
}
halves() # NODE TO AT
{
    head -n 500 "$WORK/numbers" | "$1" send "$2" --lines - && lab_wait_for 30 "the first half at $3" came "$3" &&
        tail -n +501 "$WORK/numbers" | "$1" send "$2" --lines
}
halves one "$id2" at2 &
send1=$!
halves two "$id1" at1 &
send2=$!
wait $send1 && wait $send2 && wait $recv1 && wait $recv2 || fail "1,000 each way: $(one status; two status)"
cmp "$WORK/numbers" "$WORK/at1" || fail "node 1 received something else"
cmp "$WORK/numbers" "$WORK/at2" || fail "node 2 received something else"
lab_wait_for 20 "the event of the renewal" grep -q '"event":"key-renewed".*"generation":2,' "$WORK/events"
kill $events
lab_wait_for 20 "the renewal at node 1" has '"generation":2,"state":"ready"' one peers --json

# Two receivers: each message once, to one of them.
two recv "$id1" --count 50 --lines >"$WORK/r1" &
recv1=$!
two recv --count 50 --lines >"$WORK/r2" &
recv2=$!
head -n 100 "$WORK/numbers" | one send "$id2" --lines
wait $recv1 && wait $recv2
cat "$WORK/r1" "$WORK/r2" | sort -n | cmp - <(head -n 100 "$WORK/numbers") || fail "two receivers: lost or doubled"

# What others publish: copied, changed, retained, of another kind. Nothing arrives, all of it is counted.
mosquitto_sub -V 5 -q 1 -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t "$(topic2)" -C 1 -N >"$WORK/record" &
sub=$!
lab_wait_for 10 "the listener" grep -q "mosquitto_sub\|subscrib\|auto-" "$LAB/broker/log"
sleep 0.3
echo hello | one send "$id2"
wait $sub
[ "$(two recv "$id1")" = hello ] || fail "hello did not arrive"
publish -f "$WORK/record"
refused replay 1
cp "$WORK/record" "$WORK/forged"
printf '\377' | dd of="$WORK/forged" bs=1 seek=26 conv=notrunc status=none # a sequence that was not seen
publish -f "$WORK/forged"
refused tag 1
cp "$WORK/record" "$WORK/mirrored"
printf '\2' | dd of="$WORK/mirrored" bs=1 seek=9 conv=notrunc status=none # from node 2 itself
publish -f "$WORK/mirrored"
refused key 1
publish -m 'not a record'
one seal "$id2" <"$WORK/numbers" >"$WORK/sealed"
publish -f "$WORK/sealed"
refused format 2
two open "$id1" <"$WORK/sealed" | cmp - "$WORK/numbers" || fail "a sealed record was spoiled on a topic"
head -c 62000 /dev/urandom >"$WORK/too-large"
publish -f "$WORK/too-large"
refused size 1
expect 8 'a message' two open "$id1" -i "$WORK/record"
expect 6 'no message' two recv --timeout 0
# Whoever subscribes is sent what is retained: after a restart, and never taken.
publish -r -f "$WORK/record"
refused replay 2
lab_kill "$KGR_AGENT_2_PID"
lab_run_agent 2
refused retained 1
publish -r -n
lab_ctl 2 wait "$id1" >/dev/null
lab_wait_for 10 "the lease" has '"lease_s":[0-9]' two status --json

# Events, and an inbox that is full: what was accepted stays, in order.
two events --json --peer "$id1" --count 3 --timeout 20 >"$WORK/events" &
events=$!
lab_wait_for 10 "the subscription" test -s "$WORK/events" -o -d "/proc/$events"
sleep 0.3
seq 1 700 | one send "$id2" --lines
refused full 100
lab_wait_for 20 "600 messages to wait" has '"waiting":600' two status --json
wait $events || fail "no events: $(cat "$WORK/events")"
head -n 1 "$WORK/events" | grep -q "\"event\":\"message\",\"peer\":\"$id1\"" || fail "events: $(cat "$WORK/events")"
grep -q '"event":"overflow".*"count":1,' "$WORK/events" || fail "events: $(cat "$WORK/events")"
two recv "$id1" --count 600 --lines | cmp - <(seq 1 600) || fail "the inbox is not what came first"

# A reader that leaves costs at most the message that is in his hands.
seq 1 20 | one send "$id2" --lines
lab_wait_for 10 "20 messages" has '"waiting":20,' two status --json
mkfifo "$WORK/pipe"
two recv "$id1" --count 20 --lines >"$WORK/pipe" 2>"$WORK/err" &
recv1=$!
# Gone before anything is written, whoever is faster.
exec 7<"$WORK/pipe" 7<&-
wait $recv1 || true
[ ! -s "$WORK/err" ] || fail "a closed pipe is complained about: $(cat "$WORK/err")"
two recv --count 0 --timeout 0 --lines >"$WORK/rest" 2>/dev/null || true
tail -n 1 "$WORK/rest" | grep -qx 20 || fail "the rest is gone: $(cat "$WORK/rest")"

# The broker goes away and comes back, the KS later: an error that says so, and no queue behind anybody's back.
two events >"$WORK/events" &
events=$!
lab_wait_for 10 "the subscription" kill -0 $events
sleep 0.3
lab_kill "$KGR_KS_PID" # so that nobody answers when the broker is back
lab_kill "$KGR_BROKER_PID"
lab_wait_for 10 "the loss to be seen" has '"broker_connected":false' one status --json
lab_wait_for 10 "the loss to be seen" has '"broker_connected":false' two status --json
expect 1 'no connection to the broker .*nothing is kept for later' one send "$id2" "$WORK/numbers"
# shellcheck disable=SC2086
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
for node in one two; do
    lab_wait_for 40 "the broker's return at $node" has '"broker_connected":true' $node status --json
done
echo again | one send "$id2"
[ "$(two recv "$id1")" = again ] || fail "nothing arrives after the broker's return"
lab_wait_for 20 "the silence of the KS to be noticed" grep -q ' ks-lost' "$WORK/events"
lab_run_ks
lab_wait_for 40 "the return of the KS" grep -q ' ks-back' "$WORK/events"
kill $events
[ "$(awk '{ print $2 }' "$WORK/events" | grep -v message | tr -d : | xargs)" = "broker-lost broker-back ks-lost ks-back" ] ||
    fail "events: $(cat "$WORK/events")"

# The end of the pair: what was accepted is still given out, then nobody waits in vain.
echo last | one send "$id2"
lab_wait_for 10 "the last message" has '"waiting":1,' two status --json
two events --json --peer "$id1" >"$WORK/events" &
events=$!
lab_wait_for 10 "the subscription" grep -q '"event":"message"' "$WORK/events"
one recv "$id2" --timeout 25 >"$WORK/out" 2>"$WORK/err" &
recv1=$!
lab_ac pair deny "$id1" "$id2" >/dev/null
status=0
wait $recv1 || status=$?
[ $status = 5 ] || fail "who waits for a peer that is denied ends with $status: $(cat "$WORK/err")"
lab_wait_for 20 "the event of the denial" grep -q '"event":"revoked".*"error":"revoked"' "$WORK/events"
kill $events
[ "$(two recv "$id1")" = last ] || fail "an accepted message was lost with the key"
expect 5 "$id1: revoked" two recv "$id1"
expect 5 "$id2: revoked" one send "$id2" /dev/null
expect 5 "$id1: revoked" two open "$id1" -i "$WORK/sealed"
