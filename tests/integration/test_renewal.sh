#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Keys that live for a few seconds: records go both ways through three renewals and none is lost; each
# old generation is destroyed afterwards, and topics are new each time.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA='lifetime = 8; lease = 6;' LAB_AGENT_EXTRA='overlap = 1; renew_at = 50;' \
    lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)

round_trip()
{
    echo "$1 to $2, $3" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record" || fail "seal $1 to $2: number $3"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" >"$WORK/opened" || fail "open $1 to $2: number $3"
    cmp "$WORK/plain" "$WORK/opened" || fail "round trip $1 to $2: number $3"
}

field()
{
    lab_ctl "$1" peers --json | tr ',' '\n' | sed -n "s/.*\"$2\": *\"\\{0,1\\}\\([^\"}]*\\).*/\\1/p" | head -1
}

first=$(field 1 generation)
topic=$(field 1 receive_topic)
# Sealed under the first generation, and opened when that is no more.
echo late >"$WORK/plain"
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/late"
n=0
end=$((SECONDS + 60))
while [ "$(field 1 generation)" -lt $((first + 3)) ] || [ "$(field 2 generation)" -lt $((first + 3)) ]; do
    [ $SECONDS -lt $end ] || fail "no three renewals within 60 s: generation $(field 1 generation)"
    n=$((n + 1))
    round_trip 1 2 $n
    round_trip 2 1 $n
done
[ $n -ge 5 ] || fail "only $n records each way"
[ "$(field 1 receive_topic)" != "$topic" ] || fail "the topic was not renewed"

# One generation was asked for at a time: none was used up in vain, and both ends have the same.
gone()
{
    grep -q "key_destroyed peer=$id2 generation=$first" "$LAB/node-1/log" &&
        grep -q "key_destroyed peer=$id1 generation=$first" "$LAB/node-2/log"
}
lab_wait_for 20 "the end of generation $first" gone
expect 1 'not established|no key' env "KGR_AGENT=$KGR_AGENT_2" "$LAB_BIN/kgrctl" open "$id1" --input "$WORK/late"
