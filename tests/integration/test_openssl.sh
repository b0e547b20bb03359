#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The openssl command over kgr.so on a lab: what one node encrypts the other decrypts, both compute the
# same MACs, and every misuse ends with a reason on the error stack.
. "$(dirname "$0")/common.sh"

command -v openssl >/dev/null || exit 77
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
iv=000102030405060708090a0b0c0d0e0f

# ossl NODE SUBCOMMAND ARGS...: openssl on that node, kgr beside default.
ossl()
{
    local agent=KGR_AGENT_$1 sub=$2
    shift 2
    KGR_AGENT=${!agent} openssl "$sub" -provider-path "$LAB_LIB" -provider kgr -provider default "$@"
}

# refused PATTERN CMD...: CMD fails, in 30 s, and its errors match.
refused()
{
    local pattern=$1
    shift
    ! "$@" >"$WORK/out" 2>"$WORK/err" || fail "went through: $*"
    grep -qE -- "$pattern" "$WORK/err" || fail "no match for '$pattern' from: $* ($(cat "$WORK/err"))"
    [ ! -s "$WORK/out" ] || fail "there is output from: $*"
}

handle1=$(KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" handle "$KGR_ID_2")
handle2=$(KGR_AGENT=$KGR_AGENT_2 "$LAB_BIN/kgrctl" handle "$KGR_ID_1")

echo "-- enc: every length comes back, with and without padding"
for len in 0 1 15 16 17 31 32 4095 4096 4097 20000; do
    head -c "$len" /dev/urandom >"$WORK/plain"
    ossl 1 enc -e -KGR-AES-$LAB_AES-CBC -K "$handle1" -iv $iv -in "$WORK/plain" -out "$WORK/sealed"
    [ "$(stat -c %s "$WORK/sealed")" = $((len / 16 * 16 + 16)) ] || fail "wrong length for $len"
    ossl 2 enc -d -KGR-AES-$LAB_AES-CBC -K "$handle2" -iv $iv -in "$WORK/sealed" -out "$WORK/back"
    cmp "$WORK/plain" "$WORK/back" || fail "$len bytes came back changed"
done
head -c 4096 /dev/urandom >"$WORK/plain"
ossl 1 enc -e -nopad -KGR-AES-$LAB_AES-CBC -K "$handle1" -iv $iv -in "$WORK/plain" -out "$WORK/sealed"
[ "$(stat -c %s "$WORK/sealed")" = 4096 ] || fail "padded in spite of -nopad"
ossl 2 enc -d -nopad -KGR-AES-$LAB_AES-CBC -K "$handle2" -iv $iv -in "$WORK/sealed" -out "$WORK/back"
cmp "$WORK/plain" "$WORK/back"
ossl 2 enc -d -KGR-AES-$LAB_AES-CBC -K "$handle2" -iv ffffffffffffffffffffffffffffffff -nopad \
    -in "$WORK/sealed" -out "$WORK/back"
! cmp -s "$WORK/plain" "$WORK/back" || fail "the IV does not matter"

echo "-- mac: both nodes agree at every length"
for len in 0 1 63 64 65 65535 65536 65537 200000; do
    head -c "$len" /dev/urandom >"$WORK/plain"
    a=$(ossl 1 mac -macopt "key-uri:kgr:peer=$KGR_ID_2" -in "$WORK/plain" KGR-HMAC)
    b=$(ossl 2 mac -macopt "hexkey:$handle2" -in "$WORK/plain" KGR-HMAC)
    [ ${#a} = $((2 * LAB_MAC_LEN)) ] && [ "$a" = "$b" ] || fail "MACs of $len bytes: '$a' and '$b'"
    [ "$a" != "${last:-}" ] || fail "the data do not matter"
    last=$a
done
a=$(ossl 1 mac -macopt "key-uri:kgr:peer=$KGR_ID_2;generation=1" -in "$WORK/plain" KGR-HMAC)
[ "$a" = "$last" ] || fail "generation 1 is not the current one"

echo "-- a section of openssl.cnf names socket and peer"
cat >"$WORK/openssl.cnf" <<END
openssl_conf = init
[init]
providers = providers
[providers]
default = default_section
kgr = kgr_section
[default_section]
activate = 1
[kgr_section]
activate = 1
module = $LAB_LIB/kgr.so
socket = $KGR_AGENT_1
peer = $KGR_ID_2
timeout-ms = 5000
END
a=$(OPENSSL_CONF=$WORK/openssl.cnf openssl mac -in "$WORK/plain" KGR-HMAC)
[ "$a" = "$last" ] || fail "the default peer's MAC is '$a'"
a=$(KGR_AGENT=/nowhere OPENSSL_CONF=$WORK/openssl.cnf openssl mac -in "$WORK/plain" KGR-HMAC)
[ "$a" = "$last" ] || fail "the environment beats the section"
OPENSSL_CONF=$WORK/openssl.cnf openssl dgst -sha256 "$WORK/plain" >/dev/null || fail "default is gone"

OPENSSL_CONF=$WORK/openssl.cnf openssl speed -seconds 1 -bytes 64 -evp KGR-AES-$LAB_AES-CBC >"$WORK/out" 2>&1 ||
    fail "speed: $(cat "$WORK/out")"

echo "-- storeutl lists the keys, rand comes from the TPM"
ossl 1 storeutl -noout kgr: >"$WORK/list"
grep -q "kgr:peer=$KGR_ID_2" "$WORK/list" || fail "storeutl: $(cat "$WORK/list")"
cat >"$WORK/rand.cnf" <<END
$(sed 's/^providers = providers/&\nrandom = random/' "$WORK/openssl.cnf")
[random]
random = KGR-TPM-RAND
properties = provider=kgr
END
a=$(OPENSSL_CONF=$WORK/rand.cnf openssl rand -hex 100)
b=$(OPENSSL_CONF=$WORK/rand.cnf openssl rand -hex 100)
[ ${#a} = 200 ] && [ "$a" != "$b" ] || fail "rand: '$a' '$b'"

echo "-- misuse has its reason"
enc=(enc -e -KGR-AES-$LAB_AES-CBC -iv $iv -in "$WORK/plain")
mac=(mac -in "$WORK/plain")
refused 'no handle of a kgr key.*kgrctl handle' ossl 1 "${enc[@]}" -K 00000000000000000000000000000000
refused 'no handle of a kgr key' ossl 1 "${enc[@]}" -K 4b4752680001ffffffffffffffffffff
refused 'no key was named.*key-uri' ossl 1 "${mac[@]}" KGR-HMAC
refused 'not a key URI.*kgr:nobody' ossl 1 "${mac[@]}" -macopt key-uri:kgr:nobody KGR-HMAC
refused 'unknown peer.*kgr:peer=nobody' ossl 1 "${mac[@]}" -macopt key-uri:kgr:peer=nobody KGR-HMAC
refused "generation=99" ossl 1 "${mac[@]}" -macopt "key-uri:kgr:peer=$KGR_ID_2;generation=99" KGR-HMAC
refused 'another suite' ossl 1 enc -e -KGR-AES-$LAB_OTHER_AES-CBC -iv $iv -in "$WORK/plain" \
    -K "$(KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" handle "$KGR_ID_2" --cipher KGR-AES-$LAB_OTHER_AES-CBC)"
head -c 100 /dev/zero >"$WORK/odd"
refused 'no whole number of blocks' ossl 1 enc -d -KGR-AES-$LAB_AES-CBC -iv $iv -in "$WORK/odd" \
    -K "$handle1" -out /dev/null
printf 'KGRrec\000\001 and then some' >"$WORK/record"
refused "kgr:peer=$KGR_ID_2;generation=1: " ossl 1 mac -in "$WORK/record" \
    -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC
refused 'no agent.*/nowhere' env KGR_AGENT=/nowhere openssl mac -provider-path "$LAB_LIB" \
    -provider kgr -provider default -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC
sed -i 's/^timeout-ms.*/timeout-ms = soon/' "$WORK/openssl.cnf"
refused 'timeout-ms = soon' env OPENSSL_CONF="$WORK/openssl.cnf" openssl mac "${mac[@]:1}" KGR-HMAC

echo "-- the agent goes and comes back"
lab_kill "$KGR_AGENT_1_PID"
refused 'no agent' ossl 1 "${mac[@]}" -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC
# shellcheck disable=SC2034
LAB=$KGR_LAB
lab_run_agent 1
head -c 1000 /dev/zero >"$WORK/plain"
# Keys rest until the KS has been heard again.
lab_wait_for 20 "the agent to work again" ossl 1 "${mac[@]}" -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC
a=$(ossl 1 "${mac[@]}" -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC)
b=$(ossl 2 "${mac[@]}" -macopt "key-uri:kgr:peer=$KGR_ID_1" KGR-HMAC)
[ -n "$a" ] && [ "$a" = "$b" ] || fail "after the restart: '$a' and '$b'"
