#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Rights of local users (docs/access.md): for each right a user that has no other one, and what becomes of each operation through
# each door. The users are numbers without an account.
. "$(dirname "$0")/common.sh"

[ "$(id -u)" = 0 ] || { echo "skipped: only root can be other users"; exit 77; }
command -v pkcs11-tool >/dev/null || { echo "skipped: pkcs11-tool is not installed"; exit 77; }

# One user a right, from 61001 up in this order; then those of rules that go together.
rights=(list encrypt decrypt sign verify seal open send receive request renew manage)
id2=$(lab_id 2) id3=$(lab_id 3)
rules=
for i in "${!rights[@]}"; do
    peers="peers = \"$id2\";"
    [ "${rights[i]}" != manage ] || peers=
    rules+="{ users = \"$((61001 + i))\"; $peers rights = \"${rights[i]}\"; },"
done
member=61020 both=61021 elsewhere=61022 stranger=61023 group=62000
rules+="{ groups = \"$group\"; peers = \"gateway-*\"; },
{ users = \"$both\"; peers = \"gateway-0000?\"; rights = \"encrypt\"; }, { users = \"$both\"; peers = \"*2\"; rights = [ \"verify\" ]; },
{ users = \"$elsewhere\"; peers = \"$id3\"; }"

LAB_AGENT_EXTRA_1="access = ( $rules );" lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
# What strangers run is where they can read it.
chmod 711 "$WORK" "$LAB" "$LAB/node-1"
mkdir -m 777 "$WORK/home"
cp "$LAB_BIN/kgrctl" "$LAB_LIB/kgr.so" "$LAB_LIB/libkgr-pkcs11.so" "$LAB_BUILD/tests/openssl_keys" "$WORK/home"
cd "$WORK/home"
head -c 64 /dev/zero >zeros
"$LAB_BIN/kgrctl" --socket "$KGR_AGENT_2" seal "$KGR_ID_1" --stored --input zeros --output "record-$id2"
"$LAB_BIN/kgrctl" --socket "$KGR_AGENT_3" seal "$KGR_ID_1" --stored --input zeros --output "record-$id3"
cp zeros record-nobody
chmod 644 zeros record-*
export KGR_AGENT=$KGR_AGENT_1
tried=0

# as USER CMD...: what it says in $WORK/said; its exit code.
as()
{
    local user=$1 groups=--clear-groups
    shift
    [ "$user" != $member ] || groups="--groups $group,62001"
    # shellcheck disable=SC2086
    timeout --foreground 30 setpriv --reuid "$user" --regid "$user" $groups "$@" >"$WORK/said" 2>&1
}

# check ROW USER PEER "ALLOWED...": which of all operations the user may do with the peer, and that the others are refused in so many words.
check()
{
    local row=$1 user=$2 peer=$3 allowed=" $4 " op=$5 right=$6 status=0
    shift 6
    tried=$((tried + 1))
    as "$user" "$@" || status=$?
    if [[ $allowed == *" $op "* ]]; then
        [ $status = 0 ] || fail "$row may not $op: $status, $(cat "$WORK/said")"
    else
        [ $status = 5 ] || fail "$row: $op ended with $status: $(cat "$WORK/said")"
        [ "$right" = manage ] || grep -q "uid $user has no right to $right with $peer: the group access of agent.conf" "$WORK/said" ||
            fail "$row: $op is refused by: $(cat "$WORK/said")"
    fi
}

# kgrctl_door ROW USER PEER ALLOWED
kgrctl_door()
{
    check "$@" wait list ./kgrctl wait "$3"
    check "$@" handle list ./kgrctl handle "$3"
    check "$@" seal seal ./kgrctl seal "$3" --input zeros
    check "$@" open open ./kgrctl open "$3" --stored --input "record-$3"
    check "$@" send send ./kgrctl send "$3" zeros
    # Node 1 has no messages: the time-out shows the right.
    local status=0
    as "$2" ./kgrctl recv "$3" --timeout 0 || status=$?
    if [[ " $4 " == *" recv "* ]]; then
        [ $status = 6 ] || fail "$1 may not receive: $status, $(cat "$WORK/said")"
    else
        [ $status = 5 ] && grep -q "no right to receive with $3" "$WORK/said" || fail "$1 receives: $status, $(cat "$WORK/said")"
    fi
    check "$@" request request ./kgrctl request "$3"
    [[ " $4 " == *" renew "* ]] || check "$@" renew renew ./kgrctl renew --no-wait "$3"
    [[ " $4 " == *" rekey "* ]] || check "$@" rekey manage ./kgrctl renew --nksk --no-wait
    # Who may not see the peer does not learn of it.
    as "$2" ./kgrctl peers --json || fail "$1: peers: $(cat "$WORK/said")"
    if [[ " $4 " == *" wait "* ]]; then
        grep -q "\"$3\"" "$WORK/said" || fail "$1 does not see $3: $(cat "$WORK/said")"
    else
        ! grep -q "\"$3\"" "$WORK/said" || fail "$1 sees $3"
    fi
}

# openssl_door ROW USER PEER "encrypt decrypt aead mac": of four operations, those that are not allowed have reason 29.
openssl_door()
{
    local kind
    as "$2" ./openssl_keys try "$WORK/home" "$LAB_AES" "kgr:peer=$3" 64 || fail "$1: $(cat "$WORK/said")"
    for kind in encrypt decrypt aead mac; do
        tried=$((tried + 1))
        if [[ " $4 " == *" $kind "* ]]; then
            grep -q "^$kind: ok" "$WORK/said" || fail "$1, OpenSSL: $(cat "$WORK/said")"
        else
            grep -q "^$kind: 29 local access policy refuses: kgr:peer=$3[^ ]*: uid $2 has no right to" "$WORK/said" ||
                fail "$1, OpenSSL: $kind: $(cat "$WORK/said")"
        fi
    done
}

pkcs11_door()
{
    local op
    as "$2" pkcs11-tool --module "$WORK/home/libkgr-pkcs11.so" -O || fail "$1: $(cat "$WORK/said")"
    grep -q "label: *$3" "$WORK/said" || fail "$1: no object of $3: $(cat "$WORK/said")"
    ! grep -q "label: *$id3" "$WORK/said" || [ "$2" = $member ] || fail "$1: sees $id3"
    for op in encrypt decrypt sign; do
        local args=(--$op -m AES-CBC --iv 000102030405060708090a0b0c0d0e0f --id "$cipher_key" -i zeros -o out-"$2"-$op) status=0
        [ $op != sign ] || args=(--sign -m "$LAB_HASH-HMAC" --id "$mac_key" -i zeros -o out-"$2"-$op)
        tried=$((tried + 1))
        as "$2" pkcs11-tool --module "$WORK/home/libkgr-pkcs11.so" "${args[@]}" || status=$?
        if [[ " $4 " == *" $op "* ]]; then
            [ $status = 0 ] || fail "$1, PKCS#11: $op: $(cat "$WORK/said")"
        else
            [ $status != 0 ] && grep -qE 'CKR_FUNCTION_REJECTED|0x200\)' "$WORK/said" || fail "$1, PKCS#11: $op: $status, $(cat "$WORK/said")"
        fi
    done
}

key_id()
{
    pkcs11-tool --module "$LAB_LIB/libkgr-pkcs11.so" -O --type secrkey 2>/dev/null | awk -v label="$1" '
        /^  label:/ { sub(/^  label: */, ""); found = ($0 == label) }
        /^  ID:/ && found { print $2; exit }'
}
cipher_key=$(key_id "$id2") mac_key=$(key_id "$id2 (sign)")

see='wait handle'
kgrctl_door list 61001 "$id2" "$see"
kgrctl_door encrypt 61002 "$id2" "$see"
kgrctl_door decrypt 61003 "$id2" "$see"
kgrctl_door sign 61004 "$id2" "$see"
kgrctl_door verify 61005 "$id2" "$see"
kgrctl_door seal 61006 "$id2" "$see seal"
kgrctl_door open 61007 "$id2" "$see open"
kgrctl_door send 61008 "$id2" "$see send"
kgrctl_door receive 61009 "$id2" "$see recv"
kgrctl_door request 61010 "$id2" "$see request"
kgrctl_door manage 61012 "$id2" rekey
kgrctl_door both $both "$id2" "$see seal"
kgrctl_door both $both "$id3" "$see"
kgrctl_door elsewhere $elsewhere "$id2" ""
kgrctl_door elsewhere $elsewhere "$id3" "$see seal open send recv request renew"
kgrctl_door member $member "$id2" "$see seal open send recv request renew"
kgrctl_door renew 61011 "$id2" "$see request renew"
# A mirror is beyond all rights, and a refusal is recorded.
for user in $member 61012; do
    status=0
    as $user ./kgrctl mirror list || status=$?
    [ $status = 5 ] && grep -q "mirrors are for root" "$WORK/said" || fail "mirrors of user $user: $status, $(cat "$WORK/said")"
    "$LAB_BIN/kgrctl" audit | grep -q "uid $user: mirrors are for root" || fail "the refusal of user $user is not in the audit log"
done
# A peer that is not there is refused in the same words.
kgrctl_door elsewhere $elsewhere nobody ""

openssl_door list 61001 "$id2" ""
openssl_door encrypt 61002 "$id2" encrypt
openssl_door decrypt 61003 "$id2" decrypt
openssl_door sign 61004 "$id2" mac
openssl_door verify 61005 "$id2" mac
openssl_door seal 61006 "$id2" ""
openssl_door both $both "$id2" "encrypt aead mac"
openssl_door member $member "$id2" "encrypt decrypt aead mac"
openssl_door elsewhere $elsewhere "$id2" ""

pkcs11_door list 61001 "$id2" ""
pkcs11_door encrypt 61002 "$id2" encrypt
pkcs11_door decrypt 61003 "$id2" decrypt
pkcs11_door verify 61005 "$id2" sign
pkcs11_door member $member "$id2" "encrypt decrypt sign"

# CTR decrypts as it encrypts: `encrypt` is the right, and `decrypt` is not.
handle=$("$LAB_BIN/kgrctl" handle "$id2" --cipher "KGR-AES-$LAB_AES-CTR")
ctr=(openssl enc -d "-KGR-AES-$LAB_AES-CTR" -provider-path "$WORK/home" -provider kgr -provider default -in zeros
    -iv 000102030405060708090a0b0c0d0e0f -K "$handle")
as 61002 "${ctr[@]}" || fail "decrypting in CTR: $(cat "$WORK/said")"
! as 61003 "${ctr[@]}" || fail "whoever may decrypt encrypts by CTR"
grep -q 'has no right to encrypt with' "$WORK/said" || fail "CTR: $(cat "$WORK/said")"
# A handle of a peer that he may not see is none.
! as $elsewhere "${ctr[@]}" || fail "a handle is a capability"
grep -q 'the key bytes are no handle of a kgr key' "$WORK/said" || fail "handle: $(cat "$WORK/said")"

# Who has no right at all is refused when he connects; through every door.
status=0
as $stranger ./kgrctl status || status=$?
[ $status = 5 ] && grep -q "uid $stranger may not use this service" "$WORK/said" || fail "a stranger: $status, $(cat "$WORK/said")"
as $stranger ./openssl_keys try "$WORK/home" "$LAB_AES" "kgr:peer=$id2" 64 || true
[ "$(grep -c ': 29 local access policy refuses' "$WORK/said")" = 4 ] || fail "a stranger, OpenSSL: $(cat "$WORK/said")"
as $stranger pkcs11-tool --module "$WORK/home/libkgr-pkcs11.so" -O || true
! grep -q 'Secret Key' "$WORK/said" || fail "a stranger sees keys"

# Messages, metrics and events of peers that one may not see are not there.
as $elsewhere ./kgrctl metrics || fail "no metrics: $(cat "$WORK/said")"
grep -q "peer=\"$id3\"" "$WORK/said" && ! grep -q "peer=\"$id2\"" "$WORK/said" || fail "metrics of another: $(cat "$WORK/said")"
as 61009 ./kgrctl recv --timeout 0 || status=$?
[ $status = 6 ] || [ $status = 5 ] || fail "recv of any: $(cat "$WORK/said")"
(as $elsewhere ./kgrctl events --json --count 1) &
watcher=$!
"$LAB_BIN/kgrctl" --socket "$KGR_AGENT_3" send "$KGR_ID_1" zeros # comes after that of node 2
"$LAB_BIN/kgrctl" --socket "$KGR_AGENT_2" send "$KGR_ID_1" zeros
wait $watcher || fail "no event: $(cat "$WORK/said")"
grep -q "\"$id3\"" "$WORK/said" || fail "an event of another: $(cat "$WORK/said")"
status=0
as $both ./kgrctl recv --timeout 0 || status=$?
[ $status = 5 ] || fail "receives without a right: $(cat "$WORK/said")"
as 61009 ./kgrctl recv --json || fail "$(cat "$WORK/said")"
grep -q "\"$id2\"" "$WORK/said" && grep -q '"waiting": *0' "$WORK/said" || fail "a message of another: $(cat "$WORK/said")"

grep -q 'access_refused right=' "$LAB/node-1/log" || fail "the log says nothing"
"$LAB_BIN/kgrctl" audit >"$WORK/audit" || fail "no audit log"
for user in 61001 61012 $stranger; do
    grep -q "uid $user: uid $user " "$WORK/audit" || fail "no refusal of $user in the audit log: $(tail -n 5 "$WORK/audit")"
done
echo "$tried operations tried"
