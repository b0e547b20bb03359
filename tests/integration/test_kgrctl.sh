#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgrctl against a lab: what it prints for people and for programs, its files, pipes and exit codes.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
ctl=$LAB_BIN/kgrctl
export KGR_AGENT=$KGR_AGENT_1

# json PATTERN CMD...: the output of CMD, without white space, has PATTERN in it.
json()
{
    local pattern=$1
    shift
    OUTPUT=$("$@" | tr -d ' \n')
    grep -qE -- "$pattern" <<<"$OUTPUT" || fail "no match for '$pattern' from: $* ($OUTPUT)"
}

same()
{
    [ "$1" = "$2" ] || fail "'$1' instead of '$2'${3:+ in $3}"
}

# peers and topics
expect 0 "^PEER +GEN +STATE" "$ctl" peers
grep -qE "^$id2 +1 +ready +$LAB_CUSTODY +$LAB_SUITE " "$WORK/out" || fail "peers shows: $OUTPUT"
json "^\[\{\"peer\":\"$id2\",\"generation\":1,\"state\":\"ready\",\"custody\":\"$LAB_CUSTODY\",.*\}\]$" "$ctl" peers --json
json '^\{"version":1,' "$ctl" topics "$id2" --json
receive=$(sed 's/.*"receive_topic":"\([^"]*\)".*/\1/' <<<"$OUTPUT")
same "${#receive}" 47
json "\"receive_topic\":\"$receive\"" "$ctl" peers --json
expect 0 "^receive $receive$" "$ctl" topics "$id2"
expect 0 "^send +$receive$" "$ctl" --socket "$KGR_AGENT_2" topics "$id1"

# status, of the agent and of the KS
expect 0 "^node +$id1$" "$ctl" status
json "^\{\"version\":1,\"node\":\"$id1\",.*\"registered\":true,.*\"broker_connected\":true,.*\"lease_s\":[0-9]+,.*\"cbc\".*\"alarms\":\[" \
    "$ctl" status --json
export KGR_KS
json '^\{"version":1,.*"nodes":2,"registered":2,.*"exchanges_holding_duplicates":0,' "$ctl" --ks status --json
expect 1 'not supported' "$ctl" --socket "$KGR_KS" peers

# request and wait of what is there already
expect 0 "^$id2: ready, generation 1, $LAB_CUSTODY" "$ctl" request "$id2"
same "$("$ctl" request "$id2" --no-wait 2>&1)" ""
expect 0 '"generation": 1' "$ctl" wait "$id2" --json
expect 6 "$id2" "$ctl" wait "$id2" --generation 99 --timeout 0

# handles
handle=$("$ctl" handle "$id2")
same "${#handle}" $((LAB_AES / 4))
same "${handle:0:12}" 4b4752680001
same "$("$ctl" handle "$id2" --cipher KGR-AES-256-CBC | tr -d '\n' | wc -c)" 64
same "$("$ctl" handle "$id2" --cipher aes-$LAB_AES-cbc)" "$handle"
expect 2 'no-such-cipher' "$ctl" handle "$id2" --cipher no-such-cipher

# records: pipes, files, associated data, the stored bit
head -c 65536 /dev/urandom >"$WORK/plain"
"$ctl" seal "$id2" --aad context <"$WORK/plain" | "$ctl" --socket "$KGR_AGENT_2" open "$id1" -a context >"$WORK/opened"
cmp "$WORK/plain" "$WORK/opened" || fail "the pipe changed the data"
"$ctl" seal "$id2" -i "$WORK/plain" -o "$WORK/record" --stored
same "$(stat -c %a "$WORK/record")" 600
export KGR_AGENT=$KGR_AGENT_2
for _ in 1 2; do
    "$ctl" open "$id1" --stored -i "$WORK/record" -o "$WORK/opened"
    cmp "$WORK/plain" "$WORK/opened" || fail "the stored record changed"
done
"$ctl" --socket "$KGR_AGENT_1" seal "$id2" -i "$WORK/plain" -o "$WORK/once"
"$ctl" open "$id1" -i "$WORK/once" -o "$WORK/opened"
echo kept >"$WORK/opened"
for flag in "" --stored; do
    expect 8 "$id1" "$ctl" open "$id1" $flag -i "$WORK/once" -o "$WORK/opened"
    same "$(cat "$WORK/opened")" kept
done
expect 8 "$id1" "$ctl" open "$id1" --stored --aad other -i "$WORK/record"
export KGR_AGENT=$KGR_AGENT_1
head -c 65537 /dev/urandom >"$WORK/long"
expect 1 'longer than 65536 bytes' "$ctl" seal "$id2" -i "$WORK/long"
expect 1 'No such file' "$ctl" seal "$id2" -i "$WORK/absent"
expect 1 "$WORK/absent/x" "$ctl" seal "$id2" -i "$WORK/plain" -o "$WORK/absent/x"
leftover=$(find "$WORK" -maxdepth 1 -name 'opened.*' -o -maxdepth 1 -name 'record.*')
[ -z "$leftover" ] || fail "left behind: $leftover"

# A reader that leaves, a device that is full: an exit code, no crash, nothing on stderr for the pipe.
mkfifo "$WORK/fifo"
status=0
# The reader closes before a byte is written: kgrctl opens its output only when it has something for it.
{ exec 7<"$WORK/fifo"; exec 7<&-; touch "$WORK/left"; } &
exec 8>"$WORK/fifo"
lab_wait_for 10 "the reader to leave" test -e "$WORK/left"
"$ctl" seal "$id2" -i "$WORK/plain" >&8 2>"$WORK/err" || status=$?
same $status 1
status=0
"$ctl" peers >&8 2>"$WORK/err" || status=$?
same $status 1
[ ! -s "$WORK/err" ] || fail "a closed pipe is complained about: $(cat "$WORK/err")"
exec 8>&-
status=0
"$ctl" peers >/dev/full 2>"$WORK/err" || status=$?
same $status 1
grep -q 'standard output' "$WORK/err" || fail "a full device is not named: $(cat "$WORK/err")"

# A terminal of 40 columns: no line is longer, and colours only without NO_COLOR.
on_terminal()
{
    TERM=xterm script -qec "stty cols $1; '$ctl' peers" /dev/null </dev/null | tr -d '\r'
}
NO_COLOR=1 on_terminal 40 >"$WORK/narrow"
awk 'length > 40 { exit 1 }' "$WORK/narrow" || fail "wider than the terminal: $(cat "$WORK/narrow")"
grep -q "ready" "$WORK/narrow" || fail "the state is not shown: $(cat "$WORK/narrow")"
! grep -q $'\033' "$WORK/narrow" || fail "colours in spite of NO_COLOR"
unset NO_COLOR
on_terminal 200 >"$WORK/wide"
grep -q $'\033\\[32mready' "$WORK/wide" || fail "no colour on a terminal: $(cat "$WORK/wide")"

# The agent goes away and comes back.
lab_kill "$KGR_AGENT_1_PID"
expect 3 "$KGR_AGENT" "$ctl" peers
