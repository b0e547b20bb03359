#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of the agent at each step that a new mirror brings to the disk, the store's and the database's: afterwards the agent knows the
# token that stands there, keeps it up or says that there is none, and removes it when it is told to.
. "$(dirname "$0")/common.sh"
lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
. "$(dirname "$0")/mirror.sh"
id1=$(lab_id 1)
export KGR_CRASH=$WORK/crash

# run_armed: node 2 under the shim.
run_armed()
{
    lab_spawn "agent-2" "$LAB/node-2/log" env "LD_PRELOAD=$LAB_BUILD/tests/libkgrcrash.so" \
        "$LAB_BIN/kgr-agent" --config "$LAB/node-2/agent.conf" run
    lab_wait_for 15 "kgr-agent of node 2" lab_ctl 2 status
}
tokens()
{
    rows "SELECT count(*) FROM tokens" 2>/dev/null || echo 0
}
# settled: the mirror holds the keys, or says that the token is not there.
settled()
{
    lab_ctl 2 mirror list >"$WORK/list" || return 1
    ! grep -q kgr "$WORK/list" || mirror_has 2 2 || grep -q 'not there any more\|there is no store\|the store is empty' "$WORK/list"
}
lab_kill "$KGR_AGENT_2_PID"
run_armed
printf 'before %-10d\n' 1000 >"$KGR_CRASH"
mirror_add 2 --peer "$id1"
steps=$((1000 - $(tr -dc 0-9 <"$KGR_CRASH")))
rm "$KGR_CRASH"
cp "$MIRROR_STORE/tpm2_pkcs11.sqlite3" "$WORK/made"
lab_ctl 2 mirror remove --store "$MIRROR_STORE" --token kgr
[ "$steps" -ge 3 ] || fail "a mirror is made in $steps steps"
kept=0
for ((n = 1; n <= steps; n++)); do
    rm -f "$MIRROR_STORE"/*
    printf 'after  %-10d\n' "$n" >"$KGR_CRASH"
    mirror_add 2 --peer "$id1" 2>/dev/null || true
    lab_wait_for 10 "the crash at step $n" test ! -e "$KGR_CRASH"
    run_armed
    there=$(tokens)
    lab_wait_for 10 "step $n: a mirror that knows its token" settled || fail "step $n: $(cat "$WORK/list")"
    [ "$there" = 0 ] || { mirror_has 2 2 && kept=$((kept + 1)); } || fail "step $n: a token without its mirror: $(cat "$WORK/list")"
    grep -q kgr "$WORK/list" || continue
    lab_ctl 2 mirror remove --store "$MIRROR_STORE" --token kgr
    [ "$(tokens)" = 0 ] || fail "step $n: the token is still there"
done
[ "$kept" -gt 0 ] || fail "no crash left a token"

# A power cut after the store's last step and before the database's: the token stands, and the record is that of step 1.
for what in kept removed; do
    rm -f "$MIRROR_STORE"/*
    printf 'after  %-10d\n' 1 >"$KGR_CRASH"
    mirror_add 2 --peer "$id1" 2>/dev/null || true
    lab_wait_for 10 "the crash at step 1" test ! -e "$KGR_CRASH"
    cp "$WORK/made" "$MIRROR_STORE/tpm2_pkcs11.sqlite3"
    run_armed
    [ $what = removed ] || mirror_wait 2 2
    lab_ctl 2 mirror remove --store "$MIRROR_STORE" --token kgr
    [ "$(tokens)" = 0 ] || fail "$what: the token is still there"
done
