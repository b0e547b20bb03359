#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The PKCS#11 module under pkcs11-tool: what one node encrypts and signs, the other decrypts and
# verifies, and nobody else; the token goes and comes with the agent.
. "$(dirname "$0")/common.sh"

command -v pkcs11-tool >/dev/null || exit 77
module=$LAB_LIB/libkgr-pkcs11.so
lab_up "$WORK/lab" --nodes 3
# shellcheck disable=SC1091
. "$WORK/lab/env"
agents=("" "$KGR_AGENT_1" "$KGR_AGENT_2" "$KGR_AGENT_3")

# p11 NODE ARGS...: pkcs11-tool at the agent of NODE.
p11()
{
    local node=$1
    shift
    KGR_AGENT=${agents[$node]} timeout --foreground 60 pkcs11-tool --module "$module" "$@"
}

# id_of NODE LABEL: the CKA_ID of that object, in hex.
id_of()
{
    p11 "$1" -O --type secrkey 2>/dev/null | awk -v label="$2" '
        /^  label:/ { sub(/^  label: */, ""); found = ($0 == label) }
        /^  ID:/ && found { print $2; exit }'
}

p11 1 -L >"$WORK/slots" 2>&1
grep -q 'token label  *: KGR gateway-00001$' "$WORK/slots" || fail "token: $(cat "$WORK/slots")"
grep -qE 'serial num  *: [0-9a-f]{16}$' "$WORK/slots" || fail "serial: $(cat "$WORK/slots")"
p11 1 -M >"$WORK/mechanisms" 2>&1
# Node 1 of a mixed lab is resident.
[ "$LAB_CUSTODY" = sealed ] && hw= || hw='hw, '
grep -q "AES-CBC, keySize={16,32}, ${hw}encrypt, decrypt" "$WORK/mechanisms" || fail "$(cat "$WORK/mechanisms")"
grep -q "$LAB_HASH-HMAC, .*}, ${hw}sign, verify" "$WORK/mechanisms" || fail "$(cat "$WORK/mechanisms")"
[ "$(p11 1 -O 2>/dev/null | grep -c '^Secret Key Object')" = 4 ] || fail "node 1 has not four keys"

e12=$(id_of 1 gateway-00002)
s12=$(id_of 1 'gateway-00002 (sign)')
e21=$(id_of 2 gateway-00001)
s21=$(id_of 2 'gateway-00001 (sign)')
e31=$(id_of 3 gateway-00001)
s31=$(id_of 3 'gateway-00001 (sign)')
[ -n "$e12" ] && [ -n "$s12" ] && [ "$e12" != "$s12" ] || fail "identifiers: $e12 $s12"

iv=000102030405060708090a0b0c0d0e0f
head -c 69632 /dev/urandom >"$WORK/plain" # more than one request takes
p11 1 --encrypt -m AES-CBC --iv $iv --id "$e12" -i "$WORK/plain" -o "$WORK/secret" 2>"$WORK/err"
p11 2 --decrypt -m AES-CBC --iv $iv --id "$e21" -i "$WORK/secret" -o "$WORK/back" 2>>"$WORK/err"
cmp "$WORK/plain" "$WORK/back" || fail "node 2 decrypts something else"
p11 3 --decrypt -m AES-CBC --iv $iv --id "$e31" -i "$WORK/secret" -o "$WORK/other" 2>>"$WORK/err"
! cmp -s "$WORK/plain" "$WORK/other" || fail "node 3 decrypts it"
! cmp -s "$WORK/plain" "$WORK/secret" || fail "nothing was encrypted"
head -c 777 "$WORK/plain" >"$WORK/short"
p11 2 --encrypt -m AES-CBC-PAD --iv $iv --id "$e21" -i "$WORK/short" -o "$WORK/secret" 2>>"$WORK/err"
p11 1 --decrypt -m AES-CBC-PAD --iv $iv --id "$e12" -i "$WORK/secret" -o "$WORK/back" 2>>"$WORK/err"
cmp "$WORK/short" "$WORK/back" || fail "padding"

p11 1 --sign -m $LAB_HASH-HMAC --id "$s12" -i "$WORK/plain" -o "$WORK/mac1" 2>>"$WORK/err"
p11 2 --sign -m $LAB_HASH-HMAC --id "$s21" -i "$WORK/plain" -o "$WORK/mac2" 2>>"$WORK/err"
p11 3 --sign -m $LAB_HASH-HMAC --id "$s31" -i "$WORK/plain" -o "$WORK/mac3" 2>>"$WORK/err"
cmp "$WORK/mac1" "$WORK/mac2" || fail "the MACs of nodes 1 and 2 differ"
[ "$(stat -c %s "$WORK/mac1")" = "$LAB_MAC_LEN" ] || fail "the MAC has not $LAB_MAC_LEN bytes"
! cmp -s "$WORK/mac1" "$WORK/mac3" || fail "node 3 makes the same MAC"
p11 2 --verify -m $LAB_HASH-HMAC --id "$s21" -i "$WORK/plain" --signature-file "$WORK/mac1" 2>>"$WORK/err" |
    grep -q 'Signature is valid' || fail "node 2 does not verify"
# The exit code of a wrong signature differs between versions of pkcs11-tool.
p11 2 --verify -m $LAB_HASH-HMAC --id "$s21" -i "$WORK/plain" --signature-file "$WORK/mac3" \
    >"$WORK/verify" 2>&1 || true
grep -q 'Invalid signature' "$WORK/verify" || fail "node 2 verifies the MAC of node 3"

[ "$(p11 1 --generate-random 32 2>/dev/null | wc -c)" = 32 ] || fail "random"
p11 1 --test >"$WORK/test" 2>&1 || fail "--test: $(cat "$WORK/test")"
grep -q 'No errors' "$WORK/test" || fail "--test: $(cat "$WORK/test")"
p11 1 --test-fork >"$WORK/test" 2>&1 || fail "--test-fork: $(cat "$WORK/test")"

# Nobody there: the slot is empty, at once and without a word of ours.
lab_kill "$KGR_AGENT_1_PID"
p11 1 -L 2>"$WORK/err" | grep -q '(empty)' || fail "a token without an agent"
[ ! -s "$WORK/err" ] || fail "stderr: $(cat "$WORK/err")"
status=0
p11 1 --generate-random 8 >/dev/null 2>&1 || status=$?
[ $status = 1 ] || fail "exit code $status without a token"
# shellcheck disable=SC2086
$KGR_AGENT_1_CMD >"$WORK/agent.log" 2>&1 &
again=$!
for ((i = 0; i < 100; i++)); do
    if [ "$(p11 1 -O 2>/dev/null | grep -c '^Secret Key Object')" = 4 ]; then
        break
    fi
    sleep 0.2
done
[ "$(id_of 1 gateway-00002)" = "$e12" ] || fail "another identifier after a restart"
lab_kill $again
