#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a mirror refuses, with a clear error and the store as it was: taken labels, wrong PINs (one try each), stores that are locked,
# damaged, of another schema or of another TPM; mixed and sealed pairs. A token beside stays as it is, byte for byte.
. "$(dirname "$0")/common.sh"
LAB_CUSTODY=mixed lab_up "$WORK/mixed" --nodes 2
LAB=$WORK/mixed
. "$(dirname "$0")/mirror.sh"
mirror_fails 1 "pair is mixed" 1 add --store "$MIRROR_STORE" --token kgr --pin-fd 3 --peer "$(lab_id 2)"
mirror_fails 1 "keeps its keys sealed" 2 add --store "$MIRROR_STORE" --token kgr --pin-fd 3
mirror_add 1
mirror_has 1 0 || fail "a mirror of all peers does not pass over a mixed pair: $(lab_ctl 1 mirror list)"
lab_down "$WORK/mixed"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
rm -f "$MIRROR_STORE"/*
db=$MIRROR_STORE/tpm2_pkcs11.sqlite3

echo "-- a token of stock tpm2-pkcs11 beside it"
lab_kill "$KGR_AGENT_2_PID"
# With tpm2_ptool it is the same, which needs a resource manager: test_mirror_tabrmd.sh.
tool()
{
    stock 2 pkcs11-tool --module "$MIRROR_STOCK" "$@" >"$WORK/out" 2>&1 || fail "pkcs11-tool $*: $(cat "$WORK/out")"
}
tool --init-token --slot-index 0 --label other --so-pin so-pin-1
tool --token-label other --login --login-type so --so-pin so-pin-1 --init-pin --pin user-pin
tool --token-label other --login --pin user-pin --keypairgen --key-type EC:prime256v1 --label k
chmod 660 "$db"
lab_run_agent 2
others()
{
    sqlite3 -cmd ".timeout 5000" "$1" "SELECT id, pid, quote(label), quote(config) FROM tokens WHERE label = 'other'; SELECT quote(hierarchy), quote(config),
        quote(objauth) FROM pobjects WHERE id = 1; SELECT id, tokid, quote(userpub), quote(userpriv), quote(userauthsalt), quote(sopub),
        quote(sopriv), quote(soauthsalt) FROM sealobjects WHERE tokid = 1; SELECT id, tokid, quote(attrs) FROM tobjects WHERE tokid = 1"
}
others "$db" >"$WORK/others"
[ "$(wc -l <"$WORK/others")" -ge 4 ] || fail "no token to compare"

# refused PATTERN DIR [ARG...]: mirror add there fails, and changes nothing.
refused()
{
    local pattern=$1 dir=$2 sum
    shift 2
    sum=$(sha256sum "$dir"/*)
    mirror_fails "${code:-1}" "$pattern" 2 add --store "$dir" --pin-fd 3 "$@"
    [ "$(sha256sum "$dir"/*)" = "$sum" ] || fail "the store was changed: $pattern"
}

refused "other is there below another primary object" "$MIRROR_STORE" --token other
mirror_add 2 --peer "$id1"
mirror_has 2 2 || fail "$(lab_ctl 2 mirror list)"
others "$db" | cmp - "$WORK/others" || fail "the token beside was touched"
here=(--store "$MIRROR_STORE" --token kgr --pin-fd 3)
mirror_fails 1 "mirrored there already" 2 add "${here[@]}" --peer "$id1"
mirror_fails 4 "unknown peer" 2 add "${here[@]}" --peer nobody
MIRROR_PIN=123 mirror_fails 2 "4 to 64 bytes" 2 add "${here[@]}"

echo "-- a wrong PIN is tried once"
sum=$(sha256sum "$db")
MIRROR_PIN=wrong-pin mirror_fails 5 "the PIN is wrong" 2 add "${here[@]}"
[ "$(sha256sum "$db")" = "$sum" ] || fail "the store was changed"
lab_ctl 2 mirror list --json | tr -d ' \n' | grep -q "\"peer\":\"$id1\"" || fail "the mirror is another one now"

echo "-- stores that are locked, damaged, of another schema"
copy()
{
    rm -rf "$WORK/$1"
    cp -r "$MIRROR_STORE" "$WORK/$1"
}
copy locked
exec 9>"$WORK/locked/tpm2_pkcs11.sqlite3.lock"
flock 9
refused "another program holds it" "$WORK/locked" --token new
exec 9>&-
rm -f "$WORK/locked/tpm2_pkcs11.sqlite3.lock"
coproc { sqlite3 "$WORK/locked/tpm2_pkcs11.sqlite3"; }
printf 'BEGIN EXCLUSIVE;\nSELECT 1;\n' >&"${COPROC[1]}"
read -r _ <&"${COPROC[0]}"
refused "database is locked" "$WORK/locked" --token new
printf '.quit\n' >&"${COPROC[1]}"
wait
for version in 7 10; do
    copy schema
    sqlite3 "$WORK/schema/tpm2_pkcs11.sqlite3" "UPDATE schema SET schema_version = $version"
    refused "schema $version; this agent knows 8 and 9" "$WORK/schema" --token new
done
copy column
sqlite3 "$WORK/column/tpm2_pkcs11.sqlite3" "ALTER TABLE tokens ADD COLUMN more TEXT"
refused "its tables are not those" "$WORK/column" --token new
copy half
truncate -s 20480 "$WORK/half/tpm2_pkcs11.sqlite3"
code=8 refused "malformed|damaged" "$WORK/half" --token new
copy text
echo "not a database, but a text of some length" >"$WORK/text/tpm2_pkcs11.sqlite3"
code=8 refused "not a database" "$WORK/text" --token new
copy upgrade
touch "$WORK/upgrade/tpm2_pkcs11.sqlite3.old"
code=8 refused "was cut off" "$WORK/upgrade" --token new
mirror_fails 1 "No such file" 2 add --store "$WORK/nowhere" --token new --pin-fd 3

echo "-- schema 9, and a store of another TPM"
copy nine
sqlite3 "$WORK/nine/tpm2_pkcs11.sqlite3" "UPDATE schema SET schema_version = 9"
lab_ctl 2 mirror add --store "$WORK/nine" --token new --pin-fd 3 3<<<"$MIRROR_PIN"
[ "$(sqlite3 "$WORK/nine/tpm2_pkcs11.sqlite3" 'SELECT schema_version FROM schema')" = 9 ] || fail "the schema was changed"
lab_ctl 2 mirror remove --store "$WORK/nine" --token new
others "$WORK/nine/tpm2_pkcs11.sqlite3" | cmp - "$WORK/others" || fail "removing a mirror touched the token beside"
copy foreign
sum=$(sha256sum "$WORK"/foreign/*)
mirror_fails 1 "below another primary object" 1 add --store "$WORK/foreign" --token kgr --pin-fd 3
[ "$(sha256sum "$WORK"/foreign/*)" = "$sum" ] || fail "the store of another TPM was changed"

echo "-- a store that is swapped, or loses its token, behind the agent's back"
cp "$db" "$WORK/good"
sqlite3 -cmd ".timeout 5000" "$db" "PRAGMA foreign_keys = ON; DELETE FROM tokens WHERE label = 'kgr'"
lab_ctl 1 renew "$id2" --timeout 20 >/dev/null
lab_wait_for 20 "the loss to show" bash -c "KGR_AGENT=$KGR_AGENT_2 '$LAB_BIN/kgrctl' mirror list | grep -q 'not there any more'" ||
    fail "$(lab_ctl 2 mirror list)"
cp "$WORK/good" "$db"
lab_ctl 1 renew "$id2" --timeout 20 >/dev/null
mirror_wait 2 4
others "$db" | cmp - "$WORK/others" || fail "the token beside was touched by a renewal"
mirror_fails 4 "no such mirror" 2 remove --store "$MIRROR_STORE" --token other
lab_ctl 2 mirror remove --store "$MIRROR_STORE" --token kgr --peer "$id1"
others "$db" | cmp - "$WORK/others" || fail "the token beside was touched by the removal"
[ "$(rows 'SELECT count(*) FROM tokens')" = 1 ] || fail "the mirror's token is still there"

lab_kill "$LAB_AGENT_PID"
stock 2 tpm2_getcap properties-variable >"$WORK/caps"
grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x1$' "$WORK/caps" || fail "the wrong PIN was not tried once: $(grep LOCKOUT "$WORK/caps")"
