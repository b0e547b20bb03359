#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A MAC that was begun before its pair was denied is not finished afterwards.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2)
export KGR_AGENT=$KGR_AGENT_1

# begun NAME: a MAC over what comes from a FIFO, of which the agent has had a part; MAC is its pid.
begun()
{
    mkfifo "$WORK/$1"
    openssl mac -provider-path "$LAB_LIB" -provider kgr -provider default -propquery provider=kgr \
        -macopt "key-uri:kgr:peer=$id2" -in "$WORK/$1" KGR-HMAC >"$WORK/$1.out" 2>&1 &
    MAC=$!
    exec 9>"$WORK/$1"
    head -c 300000 /dev/zero >&9
}

begun kept
exec 9>&-
wait $MAC || { cat "$WORK/kept.out"; fail "no MAC without a denial"; }
begun ended
lab_ac pair deny "$(lab_id 1)" "$id2" >/dev/null
denied()
{
    lab_ctl 1 peers --json | grep -q '"revoked"'
}
lab_wait_for 20 "the notice" denied
echo rest >&9 2>/dev/null || true
exec 9>&-
! wait $MAC || fail "a MAC was finished after its pair was denied"
