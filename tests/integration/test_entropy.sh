#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A FIFO as the quantum generator of the KS, required: every birth stirs the TPM first; a source that ends or
# sticks is an alarm and no key is made; when it is back all goes on without an operator.
. "$(dirname "$0")/common.sh"

fifo=$WORK/quantum
mkfifo "$fifo"
LAB=$WORK
feed()
{
    lab_spawn feeder "$WORK/feeder.log" bash -c "exec cat $1 >$fifo"
    feeder=$LAB_PID
}
feed /dev/urandom
export LAB_KS_EXTRA="entropy = ( { path = \"$fifo\"; min_entropy = 700; } ); entropy_required = true;"
export LAB_RECORD_TPM=1
lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2) id3=$(lab_id 3)

ks_status()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" status --ks --json
}
shows()
{
    ks_status | grep "$1" >/dev/null
}

shows "$fifo: good" || fail "the status does not show the source"
# TPM2_StirRandom (146) with a Create (153) behind it, and no Create without: a birth is two of them.
traffic=$(find "$LAB" -path '*ks*/traffic' | head -1)
grep -oE '^> .{12}00000(146|153)' "$traffic" | grep -oE '(146|153)$' | tr '\n' ' ' >"$WORK/order"
grep -q '146 .*153' "$WORK/order" || fail "nothing was stirred: $(cat "$WORK/order")"
if grep -qE '153 153 153' "$WORK/order" && ! grep -qE '^(153 )+146' "$WORK/order"; then
    fail "keys were born without stirring: $(cat "$WORK/order")"
fi

# It ends: no key.
lab_kill "$feeder"
lab_wait_for 10 "the alarm of an ended source" shows 'has ended'
lab_ac pair allow "$id2" "$id3" >/dev/null
expect 6 '.' env "KGR_AGENT=$KGR_AGENT_2" "$LAB_BIN/kgrctl" request "$id3" --timeout 3
expect 1 'required' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node add gateway-00099 -o "$WORK/cred"

# It sticks: no key either.
feed /dev/zero
lab_wait_for 10 "the alarm of a stuck source" shows 'repetition count test'
lab_kill "$feeder"

# It is back.
feed /dev/urandom
lab_ctl 2 wait "$id3" --timeout 40 >/dev/null || fail "no key after the source is back"
lab_wait_for 10 "the end of the alarm" shows '"alarms": \[\]'
