#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Renewal of NKSK (docs/protocol.md, section 5.2): under traffic, with and without a new storage key, on demand and by the
# AC's order; kill -9 of the agent and of the KS in the middle, at many moments; and everything that the broker saw
# replayed into the node whose storage key was replaced: nothing opens, nothing changes.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA='lease = 6;' lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)

# Node 2 finds its NKSK old again and again, all the time.
echo 'nksk_lifetime = 4;' >>"$LAB/node-2/agent.conf"
lab_kill "$KGR_AGENT_2_PID"
lab_run_agent 2

# Whatever passes the broker from now on, as lines of topic and hexadecimal payload.
lab_spawn recorder "$WORK/seen" \
    mosquitto_sub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -i "$LAB" -t '#' -F '%t %x'
recorder=$LAB_PID

round_trip()
{
    echo "$1 to $2" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" --input "$WORK/plain" --output "$WORK/record" &&
        lab_ctl "$2" open "$(lab_id "$1")" --input "$WORK/record" --output "$WORK/opened" &&
        cmp "$WORK/plain" "$WORK/opened"
}

generation()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | sed 's/.*"generation":\([0-9]*\).*/\1/'
}

renewals()
{
    grep -c nksk_renewed "$LAB/node-1/log" || true
}

has_renewed()
{
    [ "$(renewals)" -gt "$1" ]
}

# As the KS says it: an agent may die between the change and the line in its log.
changes()
{
    grep -c "node=$id1 state=renewed" "$LAB/ks/log" || true
}

has_changed()
{
    [ "$(changes)" -gt "$1" ]
}

persistent_handles()
{
    tpm2_getcap -T "$KGR_TPM_1" handles-persistent | grep -c 0x
}

handles=$(persistent_handles)
lab_wait_for 15 "node 2 after its start" round_trip 1 2

# Under traffic: no record is lost, no key of a pair changes.
(while round_trip 1 2 >/dev/null 2>"$WORK/traffic.err"; do echo; done) >"$WORK/traffic" &
traffic=$!
for i in 1 2; do
    expect 0 'NKSK is new' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" renew --nksk
done
kill -0 $traffic 2>/dev/null || fail "traffic broke under a renewal: $(cat "$WORK/traffic.err")"
kill $traffic
wait $traffic 2>/dev/null || true
[ -s "$WORK/traffic" ] || fail "no traffic passed"
[ "$(generation 1)" = 1 ] || fail "a renewal of NKSK changed the key of a pair"

# With a new storage key every pair gets another key, of a higher generation; the old storage key is gone.
expect 0 'storage key are new' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" renew --nksk --storage-key
lab_ctl 1 wait "$id2" --generation 2 >/dev/null
lab_wait_for 10 "generation 2 at node 2" round_trip 1 2
lab_wait_for 10 "a record the other way" round_trip 2 1
lab_wait_for 10 "the eviction" grep -q storage_key_evicted "$LAB/node-1/log"
[ "$(persistent_handles)" = "$handles" ] || fail "a storage key is left in the TPM"

# The AC orders it; the node hears of it by its next synchronisation.
before=$(renewals)
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")
expect 0 'when it synchronises' "${ac[@]}" node rekey "$id1" --storage-key
lab_wait_for 15 "the ordered renewal" has_renewed "$before"
lab_ctl 1 wait "$id2" --generation 3 >/dev/null
expect 4 'knows no node' "${ac[@]}" node rekey nobody

# kill -9 of either end at many moments of it.
for pause in 0 0.03 0.08; do
    before=$(changes)
    lab_ctl 1 renew --nksk --storage-key --no-wait >/dev/null
    sleep $pause
    lab_kill "$KGR_AGENT_1_PID" KILL
    lab_run_agent 1
    KGR_AGENT_1_PID=$LAB_AGENT_PID
    lab_wait_for 30 "the renewal that was cut off after $pause s" has_changed "$before"
    # It may still wait for the last answer: then this ends with it, otherwise it is another one.
    expect 0 'NKSK is new' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" renew --nksk
done
for pause in 0.01 0.04; do
    before=$(renewals)
    lab_ctl 1 renew --nksk --no-wait >/dev/null
    sleep $pause
    lab_kill "$KGR_KS_PID" KILL
    rm -f "$LAB/ks/ks.sock"
    lab_run_ks
    KGR_KS_PID=$LAB_KS_PID
    lab_wait_for 30 "the renewal that the KS died in after $pause s" has_renewed "$before"
done
lab_wait_for 30 "a record after all that" round_trip 1 2
lab_wait_for 10 "the eviction" test "$(persistent_handles)" = "$handles"

lab_wait_for 10 "the renewal of the old NKSK of node 2" grep -q nksk_renewed "$LAB/node-2/log"

# The past, played again to everybody on the topics in use now, the latest first: refused, counted, and nothing
# changes. What was wrapped for storage keys that are gone is in it (tests/unit/test_tpm_duplicate.c: 0x3df).
refused()
{
    lab_ctl "$1" status --json | tr -d ' \n' | sed -n 's/.*"frames_refused":\([0-9]*\).*/\1/p'
}
lab_kill $recorder
before=$(renewals) gen=$(generation 1) was=$(refused 1)
tail -n 8 "$WORK/seen" | cut -d' ' -f1 | sort -u >"$WORK/topics"
payloads=$(wc -l <"$WORK/seen")
[ "$payloads" -gt 60 ] || fail "only $payloads frames were recorded"
tac "$WORK/seen" | while read -r _ payload; do
    # shellcheck disable=SC2059
    printf "$(sed 's/../\\x&/g' <<<"$payload")" >"$WORK/payload"
    while read -r topic; do
        mosquitto_pub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t "$topic" -q 0 -f "$WORK/payload"
    done <"$WORK/topics"
done
round_trip 1 2 || fail "no record after the replay"
[ "$(generation 1)" = "$gen" ] || fail "the replay changed a key"
[ "$(renewals)" = "$before" ] || fail "the replay renewed something"
[ "$(refused 1)" -gt $((was + payloads / 2)) ] || fail "the replay did not reach node 1"
