#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# Keys that are renewed every few seconds under a steady load through every door, for KGR_SOAK_MINUTES (2): the broker goes away now and
# then, clients die, configurations are reloaded. Nothing grows, no message is lost, doubled or out of order, nothing fails but
# what is sent while the broker is away. A table of what was measured comes at the end.
. "$(dirname "$0")/common.sh"

MINUTES=${KGR_SOAK_MINUTES:-2}
WARM_UP=${KGR_SOAK_WARM_UP:-60} # seconds
# Memory, without the arena, whose pages are touched one after the other and which is counted by what is in use of it: its book-keeping
# of 768 KiB, touched likewise, SQLite's page cache, of at most 2 MiB, which fills as the audit log grows, and what malloc keeps.
RSS_GROWTH_KIB=3072
# The arena: of each pair one generation more or less, 1,280 bytes where it is sealed, and what a request or two have there.
ARENA_GROWTH=8192
# Databases: a record of the audit log, of two or three a renewal, with its index; and a write-ahead log of 1,000 pages.
RECORD_BYTES=1024 WAL_BYTES=4200000

LAB_KS_EXTRA='lifetime = 60; lease = 40;' LAB_AGENT_EXTRA='overlap = 6; renew_at = 12;' LAB_CUSTODY_2=resident \
    lab_up "$WORK/lab" --nodes 4 --custody mixed
LAB=$WORK/lab
. "$LAB/env"
export KGR_KS OPENSSL_MODULES=$LAB_LIB
nodes=(1 2 3 4)
# Node 1 and 2 are resident, 3 and 4 sealed.
lab_ac pair allow "$(lab_id 3)" "$(lab_id 4)" >>"$LAB/log"
lab_ctl 3 request "$(lab_id 4)" >>"$LAB/log"
lab_ctl 4 wait "$(lab_id 3)" >>"$LAB/log"
declare -A pid tpm state
pid[ks]=$KGR_KS_PID tpm[ks]=$KGR_KS_TPM state[ks]=$LAB/ks/state
for i in "${nodes[@]}"; do
    var=KGR_AGENT_${i}_PID pid[node-$i]=${!var}
    var=KGR_TPM_$i tpm[node-$i]=${!var}
    state[node-$i]=$LAB/node-$i/state
done
daemons=(ks node-1 node-2 node-3 node-4)

# handles DAEMON: what its TPM holds, after the end of a daemon that could not put anything away.
handles()
{
    local kind counts=
    for kind in handles-transient handles-loaded-session handles-saved-session; do
        counts+=" $(tpm2_getcap -T "${tpm[$1]}" $kind | grep -c 0x || true)"
    done
    echo "$1$counts"
}
# kill_all FILE: ends the KS, then, when no exchange is under way, the agents; all by force.
kill_all()
{
    local name
    lab_kill "${pid[ks]}" KILL
    sleep 3
    for name in "${daemons[@]}"; do
        [ "$name" = ks ] || lab_kill "${pid[$name]}" KILL
        handles "$name"
    done >"$1"
}
kill_all "$WORK/handles.first"
lab_run_ks
pid[ks]=$LAB_KS_PID
for i in "${nodes[@]}"; do
    lab_run_agent "$i"
    pid[node-$i]=$LAB_AGENT_PID
done

connected()
{
    local i
    for i in "${nodes[@]}"; do
        lab_ctl "$i" status --json | tr -d ' \n' | grep -q '"broker_connected":true.*"lease_s":[0-9]' || return 1
    done
    "$LAB_BIN/kgrctl" --ks metrics | grep -q '^kgr_broker_connected 1'
}
lab_wait_for 60 "all to be connected" connected

# The load: loops that run while LOAD is there and none asks for a pause. Each operation leaves a line in ops/NAME.
mkdir "$WORK/ops" "$WORK/tmp"
LOAD=$WORK/load PAUSE=$WORK/pause AWAY=$WORK/away FAILURES=$WORK/failures
: >"$LOAD"
: >"$FAILURES"
loops=() collectors=() senders=() subscribers=()
soak_finish()
{
    local status=$?
    set +e
    rm -f "$LOAD"
    kill "${collectors[@]}" "${senders[@]}" "${subscribers[@]}" 2>/dev/null
    wait "${loops[@]}" 2>/dev/null
    (exit $status)
    common_finish
}
trap soak_finish EXIT
loop()
{
    local seconds=$1
    shift
    {
        trap - EXIT
        TMP=$WORK/tmp/$BASHPID
        mkdir "$TMP"
        set +e
        round=0
        while [ -e "$LOAD" ]; do
            if [ ! -e "$PAUSE" ]; then
                round=$((round + 1))
                "$@"
            fi
            sleep "$seconds"
        done
    } &
    loops+=($!)
}
# op NAME FUNCTION ARGS...: what fails because its key was replaced within the operation is done again, as
# applications do; what needs the broker may fail while that is away.
op()
{
    local name=$1 away=
    shift
    [ ! -e "$AWAY" ] || away=1
    for _ in 1 2 3; do
        if "$@" >"$TMP/said" 2>&1; then
            echo ok >>"$WORK/ops/$name"
            return 0
        elif grep -qE 'may only receive|C_(Encrypt|Sign)(Init)?: error 0x(68|60)' "$TMP/said"; then
            echo renewed >>"$WORK/ops/$name"
        else
            break
        fi
    done
    if [ "$name" = message ] && { [ -n "$away" ] || [ -e "$AWAY" ]; }; then
        echo away >>"$WORK/ops/$name"
    else
        echo FAILED >>"$WORK/ops/$name"
        echo "$(date +%T) $name $*: $(tail -n 3 "$TMP/said" | tr '\n' ' ')" >>"$FAILURES"
    fi
    return 1
}
generation()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | tr '{' '\n' | sed -n "s/.*\"peer\":\"$(lab_id "$2")\".*\"generation\":\([0-9]*\).*/\1/p"
}
at()
{
    local agent=KGR_AGENT_$1
    shift
    KGR_AGENT=${!agent} timeout 60 "$@"
}
same()
{
    cmp "$TMP/plain" "$TMP/back"
}
fresh()
{
    head -c "$((RANDOM % 3000 + 1))" /dev/urandom >"$TMP/plain"
}
record_once()
{
    fresh && lab_ctl "$1" seal "$(lab_id "$2")" <"$TMP/plain" >"$TMP/sealed" &&
        lab_ctl "$2" open "$(lab_id "$1")" <"$TMP/sealed" >"$TMP/back" && same || return 1
    ! lab_ctl "$2" open "$(lab_id "$1")" <"$TMP/sealed" >/dev/null 2>&1 || { echo "opened twice"; return 1; }
}
record_stored()
{
    fresh && lab_ctl "$1" seal --stored "$(lab_id "$2")" <"$TMP/plain" >"$TMP/sealed" &&
        lab_ctl "$2" open --stored "$(lab_id "$1")" <"$TMP/sealed" >"$TMP/back" && same &&
        lab_ctl "$2" open --stored "$(lab_id "$1")" <"$TMP/sealed" >"$TMP/back" && same
}
evp_record()
{
    fresh && at "$1" "$LAB_BIN/kgr-evp" seal "$(lab_id "$2")" <"$TMP/plain" >"$TMP/sealed" &&
        at "$2" "$LAB_BIN/kgr-evp" open "$(lab_id "$1")" <"$TMP/sealed" >"$TMP/back" && same
}
mac_by_openssl()
{
    at "$1" openssl mac -provider kgr -provider default -macopt "key-uri:kgr:peer=$(lab_id "$2");generation=$3" -in "$TMP/plain" KGR-HMAC
}
evp_mac()
{
    local g one two
    fresh && g=$(generation "$1" "$2") && one=$(mac_by_openssl "$1" "$2" "$g") && two=$(mac_by_openssl "$2" "$1" "$g") || return 1
    [ -n "$one" ] && [ "$one" = "$two" ] || { echo "MACs under $g: '$one' '$two'"; return 1; }
}
# One process, so that it begins and ends under one generation or says that it was replaced.
token()
{
    fresh && at "$1" "$LAB_BIN/kgr-token" "$LAB_LIB/libkgr-pkcs11.so" "$(lab_id "$2")" <"$TMP/plain"
}
message()
{
    lab_ctl "$1" send "$(lab_id "$2")" <"$3" && lab_ctl "$2" recv "$(lab_id "$1")" --timeout 20 >"$TMP/back" || return 1
    cmp "$3" "$TMP/back" || { echo "another message: $(cat "$TMP/back")"; return 1; }
}
look()
{
    lab_ctl "$1" status && lab_ctl "$1" peers && lab_ctl "$1" metrics && "$LAB_BIN/kgrctl" --ks status
}
pairs=("1 2" "2 1" "3 4" "4 3" "1 3" "3 1")
each_pair()
{
    # shellcheck disable=SC2086
    op "$1" "$1" ${pairs[$((round % ${#pairs[@]}))]}
}
messages()
{
    local from=$((round % 2 * 3 + 1))
    echo "message $round" >"$TMP/message"
    op message message $from $((5 - from)) "$TMP/message" && return
    while lab_ctl 1 recv "$(lab_id 4)" --timeout 0 >/dev/null 2>&1 || lab_ctl 4 recv "$(lab_id 1)" --timeout 0 >/dev/null 2>&1; do :; done
}
# Clients that die: with a subscription, with a MAC half done, waiting for a message.
deaths()
{
    local a=${nodes[$((round % 4))]} b victim
    [ "$a" = 1 ] && b=2 || b=1
    KGR_AGENT=$LAB/node-$a/agent.sock "$LAB_BIN/kgrctl" events >/dev/null 2>&1 &
    victim=$!
    sleep 0.5
    kill -KILL $victim
    wait $victim 2>/dev/null
    head -c 300000 /dev/zero | at "$a" sh -c 'cat; sleep 5' | at "$a" timeout -s KILL 2 openssl mac -provider kgr -provider default \
        -macopt "key-uri:kgr:peer=$(lab_id $b)" KGR-HMAC >/dev/null 2>&1
    [ "$a" != 2 ] || at "$a" timeout -s KILL 1 "$LAB_BIN/kgrctl" recv "$(lab_id 4)" >/dev/null 2>&1
    echo ok >>"$WORK/ops/death"
}
reload()
{
    op reload lab_ctl "${nodes[$((round % 4))]}" reload
    op reload "$LAB_BIN/kgrctl" --ks reload
}
broker_away()
{
    : >"$AWAY"
    lab_kill "$(cat "$WORK/broker.pid")"
    sleep 2
    # shellcheck disable=SC2086
    lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
    echo "$LAB_PID" >"$WORK/broker.pid"
    lab_wait_for 60 "all to be connected again" connected >>"$FAILURES" 2>&1
    sleep 3
    rm "$AWAY"
    echo ok >>"$WORK/ops/broker_restart"
}
echo "$KGR_BROKER_PID" >"$WORK/broker.pid"

# Sensors: numbered lines, each once and in order. Their subscriptions and those to events stay for the whole time.
sensors=("1 2" "4 3" "3 1")
for s in "${sensors[@]}"; do
    read -r from to <<<"$s"
    mkfifo "$WORK/lines-$from"
    KGR_AGENT=$LAB/node-$to/agent.sock "$LAB_BIN/kgr-sensor" collect "$(lab_id "$from")" >"$WORK/heard-$from" 2>"$WORK/collect-$from" &
    collectors+=($!)
    KGR_AGENT=$LAB/node-$from/agent.sock "$LAB_BIN/kgr-sensor" send "$(lab_id "$to")" <"$WORK/lines-$from" 2>"$WORK/send-$from" &
    senders+=($!)
    {
        trap - EXIT
        n=0
        while [ -e "$LOAD" ]; do
            n=$((n + 1))
            echo $n
            sleep 0.5
        done
        echo $n >"$WORK/count-$from"
    } >"$WORK/lines-$from" &
    loops+=($!)
done
for i in "${nodes[@]}"; do
    KGR_AGENT=$LAB/node-$i/agent.sock "$LAB_BIN/kgrctl" events --json >"$WORK/events-$i" 2>&1 &
    subscribers+=($!)
done
loop 1 each_pair record_once
loop 2 each_pair record_stored
loop 2 each_pair evp_record
loop 3 each_pair evp_mac
loop 2 each_pair token
loop 1 messages
loop 5 deaths
looks()
{
    op look look "${nodes[$((round % 4))]}"
}
loop 4 looks
loop 20 reload

# sample: a line for each daemon: seconds, name, KiB resident without the arena, files, threads, bytes of its state, bytes of its log.
started=$SECONDS
bytes()
{
    find "$1" -type f -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
}
sample()
{
    local name p
    for name in "${daemons[@]}"; do
        p=/proc/${pid[$name]}
        [ -d "$p" ] || fail "$name is gone: $(tail -n 3 "$LAB/$name/log")"
        echo "$((SECONDS - started)) $name $(awk '/^[0-9a-f]+-/ { name = $6 } /^Rss/ && name != "/secretmem" { n += $2 } END { print n }' "$p/smaps")" \
            "$(ls "$p/fd" | wc -l) $(ls "$p/task" | wc -l) $(bytes "${state[$name]}") $(stat -c %s "$LAB/$name/log")"
    done
}
records()
{
    local name
    for name in "${daemons[@]}"; do
        if [ "$name" = ks ]; then "$LAB_BIN/kgrctl" --ks metrics; else lab_ctl "${name#node-}" metrics; fi >"$WORK/metrics"
        awk -v name="$name" '/^kgr_audit_records(_total)? / { a = $2 } /^kgr_arena_used_bytes / { u = $2 } /^kgr_tpm_command_failures_total/ { f += $2 }
            /^kgr_(ks_)?exchanges_total(\{state="confirmed"\})? / { e = $2 } END { print name, a + 0, e + 0, f + 0, u + 0 }' "$WORK/metrics"
    done
}
quiet()
{
    : >"$PAUSE"
    sleep 8
    sample >"$WORK/quiet.$1"
    records >"$WORK/records.$1"
    rm "$PAUSE"
}
sleep "$WARM_UP"
quiet first
end=$((SECONDS + MINUTES * 60))
last_away=$SECONDS
period=$((MINUTES < 10 ? 45 : 240))
while [ $SECONDS -lt $end ]; do
    sleep 10
    sample >>"$WORK/samples"
    if [ $((SECONDS - last_away)) -ge $period ]; then
        last_away=$SECONDS
        broker_away
    fi
    [ $(wc -l <"$FAILURES") -lt 20 ] || break
done
quiet last

# The end: the sensors empty their pipes, alarms go.
rm "$LOAD"
wait "${loops[@]}" || true
for p in "${senders[@]}"; do
    wait "$p" || fail "a sensor ended with $?: $(tail -n 2 "$WORK"/send-*)"
done
no_alarm()
{
    local i
    for i in "${nodes[@]}"; do ! lab_ctl "$i" metrics | grep '^kgr_alarm.* 1$' || return 1; done
    ! "$LAB_BIN/kgrctl" --ks metrics | grep '^kgr_alarm.* 1$'
}
lab_wait_for 60 "the alarms to go" no_alarm
echo "== operations"
for f in "$WORK"/ops/*; do
    echo "$(basename "$f") $(sort "$f" | uniq -c | awk '{ printf "%s%s %s", sep, $1, $2; sep = ", " }')"
done
for s in "${sensors[@]}"; do
    read -r from to <<<"$s"
    count=$(cat "$WORK/count-$from")
    [ "$(cut -d' ' -f2 "$WORK/heard-$from")" = "$(seq 1 "$count")" ] || fail "from $from to $to lines are lost, doubled or out of order"
    echo "sensor of $from: $count lines, each once and in order"
done
for p in "${subscribers[@]}" "${collectors[@]}"; do
    kill "$p" 2>/dev/null || fail "a subscriber or collector is gone: $(cat "$WORK"/collect-*; tail -qn 1 "$WORK"/events-*)"
done
for i in "${nodes[@]}"; do
    grep -q '"event":"key-renewed"' "$WORK/events-$i" || fail "no event of a renewal at node $i"
    lab_ctl "$i" audit verify >"$WORK/verify" 2>&1 || fail "the audit log of node $i: $(cat "$WORK/verify")"
done
lab_ac audit verify >"$WORK/verify" 2>&1 || fail "the audit log of the KS: $(cat "$WORK/verify")"
kill_all "$WORK/handles.last"

echo "== daemons: first to last"
awk -v growth=$RSS_GROWTH_KIB -v arena=$ARENA_GROWTH -v record=$RECORD_BYTES -v wal=$WAL_BYTES -v minutes="$MINUTES" '
    function median(name, from, to,    i, j, n, v, t) {
        n = 0
        for (i = from; i < to; i++) v[n++] = rss[name, i]
        for (i = 1; i < n; i++) for (j = i; j > 0 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return v[int(n / 2)]
    }
    FILENAME ~ /samples$/ { rss[$2, num[$2]++] = $3; logs[$2, num[$2] - 1] = $7; at[num[$2] - 1] = $1; next }
    { key = FILENAME; sub(/.*\//, "", key); line[key, $(key ~ /quiet/ ? 2 : 1)] = $0 }
    END {
        for (name in num) {
            n = num[name]; w = n < 15 ? int(n / 3) : 5
            a = median(name, 0, w); b = median(name, n - w, n); mid = median(name, int((n - w) / 2), int((n + w) / 2) + 1)
            split(line["quiet.first", name], q, " "); split(line["quiet.last", name], z, " ")
            split(line["records.first", name], r, " "); split(line["records.last", name], s, " ")
            split(line["handles.first", name], h, " "); split(line["handles.last", name], k, " ")
            half = int(n / 2)
            early = (logs[name, half] - logs[name, 0]) / (at[half] - at[0]) * 60
            late = (logs[name, n - 1] - logs[name, half]) / (at[n - 1] - at[half]) * 60
            printf "%s: %d to %d to %d KiB, arena %d to %d bytes, %d to %d files, %d to %d threads, state %d to %d bytes for %d audit records, log %d then %d bytes a minute, %d renewals, TPM %s to %s objects, %s to %s and %s to %s sessions loaded and saved, %d failed commands\n",
                name, a, mid, b, r[5], s[5], q[4], z[4], q[5], z[5], q[6], z[6], s[2] - r[2], early, late, s[3] - r[3], h[2], k[2], h[3], k[3], h[4], k[4], s[4] - r[4]
            if (b - a > growth) bad = bad name ": memory grows\n"
            if (s[5] - r[5] > arena) bad = bad name ": secrets are left in the arena\n"
            if (z[4] > q[4]) bad = bad name ": open files grow\n"
            if (z[5] > q[5]) bad = bad name ": threads grow\n"
            if (z[6] - q[6] > record * (s[2] - r[2]) + wal) bad = bad name ": the state grows by more than its audit log\n"
            if (late > 1.5 * early + 2000) bad = bad name ": the log grows faster\n"
            if (k[2] > h[2] || k[3] > h[3] || k[4] > h[4]) bad = bad name ": handles are left in the TPM\n"
            if (s[4] > r[4]) bad = bad name ": commands of the TPM failed\n"
            if (s[3] - r[3] < minutes * 3) bad = bad name ": too few renewals\n"
        }
        printf "%s", bad
        exit bad != ""
    }' "$WORK/samples" "$WORK"/quiet.* "$WORK"/records.* "$WORK"/handles.* >"$WORK/table" || failed=1
sort "$WORK/table"
[ ! -s "$FAILURES" ] || fail "$(wc -l <"$FAILURES") failed: $(head -n 10 "$FAILURES")"
[ -z "${failed:-}" ] || fail "something grows: see above"
[ "$(wc -l <"$WORK/ops/broker_restart")" -ge 1 ] || fail "the broker was never away"
echo "soak: $MINUTES minutes, all held"
