#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# The agent and stock tpm2-pkcs11 on one TPM behind a private tpm2-abrmd on a private bus: tpm2_ptool makes a token, lists and verifies
# the mirror's and leaves its own; then both compute at once through renewals, and no handle of either is lost.
. "$(dirname "$0")/common.sh"

for tool in tpm2-abrmd dbus-daemon; do
    if ! command -v "$tool" >/dev/null && [ ! -x "/usr/sbin/$tool" ]; then
        echo "skipped: no $tool here (scripts/setup --slow installs it)"
        exit 77
    fi
done
LAB_AGENT_EXTRA='overlap = 5;' lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
. "$(dirname "$0")/mirror.sh"
id1=$(lab_id 1) id2=$(lab_id 2)
db=$MIRROR_STORE/tpm2_pkcs11.sqlite3
lab_kill "$KGR_AGENT_2_PID"

lab_abrmd "$KGR_TPM_2"
MIRROR_TCTI=$LAB_TCTI

# What stays in the TPM for ever or until a reset: persistent keys, NV indices; what is loaded is the resource manager's.
handles()
{
    tpm2_getcap -T "$MIRROR_TCTI" handles-persistent
    tpm2_getcap -T "$MIRROR_TCTI" handles-nv-index
}
ptool()
{
    stock 2 tpm2_ptool "$@" --path "$MIRROR_STORE" >"$WORK/ptool.out" 2>"$WORK/ptool.err" ||
        fail "tpm2_ptool $*: $(cat "$WORK/ptool.err")"
}

echo "-- a token of tpm2_ptool, and the mirror's beside it"
ptool init
ptool addtoken --pid 1 --label other --sopin so-pin --userpin user-pin
ptool addkey --algorithm aes128 --label other --key-label k --userpin user-pin
others()
{
    sqlite3 -cmd ".timeout 5000" "$db" "SELECT id, pid, quote(label), quote(config) FROM tokens WHERE label = 'other';
        SELECT quote(hierarchy), quote(config), quote(objauth) FROM pobjects WHERE id = 1; SELECT id, tokid, quote(userpub),
        quote(userpriv), quote(userauthsalt), quote(sopub), quote(sopriv), quote(soauthsalt) FROM sealobjects WHERE tokid = 1;
        SELECT id, tokid, quote(attrs) FROM tobjects WHERE tokid = 1"
}
others >"$WORK/others"
[ "$(wc -l <"$WORK/others")" -ge 4 ] || fail "no token to compare"
chmod 660 "$db"
sed -i "s|tcti = \"[^\"]*\"|tcti = \"$MIRROR_TCTI\"|" "$LAB/node-2/agent.conf"
lab_run_agent 2
handles >"$WORK/handles"
mirror_add 2
mirror_has 2 2 || fail "$(lab_ctl 2 mirror list)"
ptool verify --label kgr --userpin "$MIRROR_PIN"
[ "$(grep -c 'encauth' "$WORK/ptool.out")" = 2 ] || fail "tpm2_ptool verify: $(cat "$WORK/ptool.out")"
! grep -q 'encauth: null' "$WORK/ptool.out" || fail "an object without authorisation value"
ptool verify --label other --userpin user-pin
ptool listtokens --pid 2
grep -q 'label: kgr' "$WORK/ptool.out" || fail "tpm2_ptool listtokens: $(cat "$WORK/ptool.out")"
ptool listobjects --label kgr
[ "$(grep -c CKA_ID "$WORK/ptool.out")" = 2 ] || fail "tpm2_ptool listobjects: $(cat "$WORK/ptool.out")"
others | cmp - "$WORK/others" || fail "the token of tpm2_ptool was touched"

echo "-- the PIN changed by tpm2_ptool"
ptool changepin --user user --old "$MIRROR_PIN" --new another-pin --label kgr
MIRROR_PIN=another-pin
lab_ctl 1 renew "$id2" --timeout 20 >/dev/null
mirror_wait 2 4
ptool verify --label kgr --userpin "$MIRROR_PIN"
mirror_wait 2 2

echo "-- both at once"
by_agent 1 "$id2" 2 make "$WORK/1"
(
    for i in $(seq 12); do
        by_stock 2 "$id1" 2 check "$WORK/1" >/dev/null
    done
    echo done >"$WORK/stock-done"
) &
stock=$!
n=0
while [ ! -e "$WORK/stock-done" ] && kill -0 $stock 2>/dev/null; do
    n=$((n + 1))
    echo "round $n" | lab_ctl 2 seal "$id1" >"$WORK/record" || fail "seal beside stock, round $n"
    [ "$(lab_ctl 1 open "$id2" <"$WORK/record")" = "round $n" ] || fail "open, round $n"
    echo "back $n" | lab_ctl 1 seal "$id2" >"$WORK/record" || fail "seal, round $n"
    [ "$(lab_ctl 2 open "$id1" <"$WORK/record")" = "back $n" ] || fail "open beside stock, round $n"
done
wait $stock || fail "stock tpm2-pkcs11 beside the agent"
[ $n -ge 5 ] || fail "only $n records beside it"
echo "$n records each way while stock checked 240 cases"
handles | cmp - "$WORK/handles" || fail "handles came or went"
[ "$(tpm2_getcap -T "$MIRROR_TCTI" handles-transient | wc -l)" = 0 ] || fail "transient objects are left"
tpm2_getcap -T "$MIRROR_TCTI" properties-variable >"$WORK/caps"
grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0$' "$WORK/caps" || fail "somebody guessed: $(grep LOCKOUT "$WORK/caps")"
others | cmp - "$WORK/others" || fail "the token of tpm2_ptool was touched"
lab_ctl 2 mirror remove --store "$MIRROR_STORE" --token kgr
others | cmp - "$WORK/others" || fail "the token of tpm2_ptool was touched by the removal"
[ "$(rows 'SELECT group_concat(label) FROM tokens')" = other ] || fail "more than the mirror's token went, or less"
