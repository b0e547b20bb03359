#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A broker that suppresses a revocation gains one lease: until then the peer uses the key, afterwards it refuses with an
# error of its own and keeps the key; with the broker come the notices.
. "$(dirname "$0")/common.sh"

export LAB_KS_EXTRA="lease = 4;"
lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3)
echo plain >"$WORK/plain"

refuses()
{
    local status=0
    lab_ctl 1 seal "$1" --input "$WORK/plain" >"$WORK/out" 2>"$WORK/err" || status=$?
    [ $status = "$2" ] && [ ! -s "$WORK/out" ] && grep -q "$3" "$WORK/err"
}

seals()
{
    lab_ctl 1 seal "$1" --input "$WORK/plain" >"$WORK/out"
}

seals "$id2" || fail "no key to begin with"
# The broker keeps all to itself, and the AC ends node 2.
kill -STOP "$KGR_BROKER_PID"
lab_ac node revoke "$id2" >/dev/null
lab_wait_for 15 "the end of the lease" refuses "$id2" 1 'lease'
refuses "$id3" 1 'lease' || fail "a pair that nobody revoked goes on without a lease"
lab_ctl 1 status | grep -q 'no lease' || lab_ctl 1 status | grep -q 'no answer' || fail "the status does not say that the KS is silent"
kill -CONT "$KGR_BROKER_PID"
lab_wait_for 30 "the revocation" refuses "$id2" 5 'revoked'
lab_wait_for 30 "the lease" seals "$id3"
lab_ctl 3 wait "$id1" --timeout 20 >/dev/null
lab_ctl 3 open "$id1" <"$WORK/out" | cmp - "$WORK/plain" || fail "the kept key does not work"
lab_wait_for 30 "node 2 to hear of it" bash -c "KGR_AGENT=$KGR_AGENT_2 $LAB_BIN/kgrctl status | grep -q 'this node was revoked'"
