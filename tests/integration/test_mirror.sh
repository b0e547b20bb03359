#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two doors to the same keys: what libkgr-pkcs11.so and kgr.so make on node 1, stock tpm2-pkcs11 reads on node 2 from a mirror, and the
# reverse, for every mechanism that both have; through a renewal; and it is gone after a revocation.
. "$(dirname "$0")/common.sh"
LAB_AGENT_EXTRA='overlap = 2;' lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
. "$(dirname "$0")/mirror.sh"
id1=$(lab_id 1) id2=$(lab_id 2)

ossl()
{
    local sub=$1
    shift
    KGR_AGENT=$KGR_AGENT_1 openssl "$sub" -provider-path "$LAB_LIB" -provider kgr -provider default "$@"
}

# by_openssl e|d FOLDER: kgr.so on node 1 makes files as the program does, or finds in them what it should.
by_openssl()
{
    local mode name len=160 iv=000102030405060708090a0b0c0d0e0f
    mkdir -p "$2"
    for mode in ecb cbc cfb ctr; do
        name=KGR-AES-$LAB_AES-${mode^^}
        if [ "$1" = e ]; then
            ossl enc -e -nopad "-$name" -K "$handle" -iv $iv -in "$WORK/1/plain-$len" -out "$2/$mode-$len" 2>/dev/null
        else
            ossl enc -d -nopad "-$name" -K "$handle" -iv $iv -in "$2/$mode-$len" 2>/dev/null | cmp - "$2/plain-$len" ||
                fail "kgr.so reads something else in $2/$mode-$len"
        fi
    done
    len=1025
    if [ "$1" = e ]; then
        ossl mac -binary -macopt "key-uri:kgr:peer=$id2" -in "$WORK/1/plain-$len" -out "$2/hmac-$len" KGR-HMAC
    else
        ossl mac -binary -macopt "key-uri:kgr:peer=$id2" -in "$2/plain-$len" KGR-HMAC | cmp - "$2/hmac-$len" ||
            fail "kgr.so signs otherwise than stock"
    fi
}
handle=$(lab_ctl 1 handle "$id2")

echo "-- a mirror on node 2"
mirror_add 2
mirror_has 2 2 || fail "$(lab_ctl 2 mirror list)"
lab_ctl 2 peers | grep -q MIRRORED || fail "peers do not say it"
lab_ctl 2 peers --json | tr -d ' \n' | grep -q '"mirrored":true' || fail "nor does their JSON"
lab_ctl 1 peers --json | tr -d ' \n' | grep -q '"mirrored":false' || fail "node 1 has no mirror"
grep -q 'mirror_added .*uid=' "$LAB/node-2/log" || fail "the log does not say it"
[ "$(stat -c %a "$MIRROR_STORE/tpm2_pkcs11.sqlite3")" = 660 ] || fail "mode of the store"
[ ! -e "$MIRROR_STORE/tpm2_pkcs11.sqlite3.lock" ] || fail "the lock is left behind"
! grep -aq "$MIRROR_PIN" "$MIRROR_STORE"/* "$LAB/node-2/log" "$LAB/node-2/state"/* || fail "the PIN stands somewhere"

echo "-- both ways, without the agent of node 2"
by_agent 1 "$id2" 0 make "$WORK/1"
by_openssl e "$WORK/openssl"
lab_kill "$KGR_AGENT_2_PID"
by_stock 2 "$id1" 0 check "$WORK/1"
by_stock 2 "$id1" 0 check "$WORK/openssl"
by_stock 2 "$id1" 1 make "$WORK/2"
by_agent 1 "$id2" 0 check "$WORK/2"
by_openssl d "$WORK/2"

echo "-- the tools of others"
stock 2 pkcs11-tool --module "$MIRROR_STOCK" -L >"$WORK/tokens" 2>&1
grep -q 'token label  *: kgr$' "$WORK/tokens" || fail "pkcs11-tool -L: $(cat "$WORK/tokens")"
stock 2 pkcs11-tool --module "$MIRROR_STOCK" --login --pin "$MIRROR_PIN" -O >"$WORK/objects" 2>&1
grep -q "label: *$id1 (sign)" "$WORK/objects" && grep -q "label: *$id1\$" "$WORK/objects" || fail "$(cat "$WORK/objects")"
! grep -qE 'extractable|ATTRIBUTE_TYPE' "$WORK/objects" || fail "$(cat "$WORK/objects")"
stock 2 tpm2_ptool listtokens --pid 1 --path "$MIRROR_STORE" >"$WORK/tokens"
grep -q 'label: kgr' "$WORK/tokens" || fail "tpm2_ptool listtokens: $(cat "$WORK/tokens")"
stock 2 tpm2_ptool listobjects --label kgr --path "$MIRROR_STORE" >"$WORK/objects"
[ "$(grep -c CKA_ID "$WORK/objects")" = 2 ] || fail "tpm2_ptool listobjects: $(cat "$WORK/objects")"

echo "-- a renewal: the next generation beside the one before, which goes when its time is over"
lab_run_agent 2
lab_ctl 1 renew "$id2" --timeout 20 >/dev/null
mirror_wait 2 4
by_agent 1 "$id2" 2 make "$WORK/3"
lab_kill "$LAB_AGENT_PID"
by_stock 2 "$id1" 2 check "$WORK/3"
by_stock 2 "$id1" 1 check "$WORK/1"
lab_run_agent 2
mirror_wait 2 2
[ "$(rows 'SELECT count(*) FROM tobjects')" = 2 ] || fail "the generation before is still there"
lab_kill "$LAB_AGENT_PID"
by_stock 2 "$id1" 2 make "$WORK/4"
by_agent 1 "$id2" 2 check "$WORK/4"

echo "-- gone after revocations: of the peer, then of the node itself"
lab_run_agent 2
lab_ac node revoke "$id1" >/dev/null
mirror_wait 2 0
lab_ctl 2 audit >"$WORK/audit"
grep -qi 'added: token kgr' "$WORK/audit" && grep -q '0 objects written, 2 erased: token kgr' "$WORK/audit" || fail "$(cat "$WORK/audit")"
[ "$(rows 'SELECT count(*) FROM tobjects')" = 0 ] || fail "keys of a revoked pair are still there"
lab_ac node revoke "$id2" >/dev/null
lab_wait_for 20 "the token to go" bash -c "[ \"\$(sqlite3 -cmd '.timeout 5000' '$MIRROR_STORE/tpm2_pkcs11.sqlite3' 'SELECT count(*) FROM tokens')\" = 0 ]"
[ "$(rows 'SELECT (SELECT count(*) FROM pobjects) + (SELECT count(*) FROM sealobjects)')" = 0 ] || fail "rows are left"
