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

# Both ends ask at the same moment: one exchange at a time, and both end with the same generation.
for i in 1 2 3; do
    lab_ctl 1 renew "$id2" --no-wait &
    lab_ctl 2 renew "$id1" --no-wait &
    wait
    round_trip 1 2 "glare $i"
done
same()
{
    [ "$(field 1 generation)" = "$(field 2 generation)" ] && [ "$(field 1 state)" = ready ] && [ "$(field 2 state)" = ready ]
}
lab_wait_for 30 "one generation at both ends" same
awk '/^INFO exchange /{
    split($5, g, "="); split($6, s, "=")
    if (s[2] == "birth") {
        if (open != "") { print "generation " g[2] " was born while " open " was open"; bad = 1 }
        open = g[2]
    } else if (s[2] == "confirmed" || s[2] == "aborted")
        open = ""
} END { exit bad }' "$LAB/ks/log" || fail "two generations in flight"
grep -q "state=birth" "$LAB/ks/log" || fail "the log of the KS shows no exchange"
