#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A key is renewed while an application uses it over kgr.so: what was begun never mixes two generations; encryption
# under the old one ends with an error and goes on with the next init, all else ends as it began.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
export KGR_AGENT=$KGR_AGENT_1
peer=$KGR_ID_2

mkfifo "$WORK/to" "$WORK/from"
timeout 120 ${KGR_TEST_INSIDE:-} "$LAB_BUILD/tests/openssl_keys" hold "$LAB_LIB" "$LAB_AES" "kgr:peer=$peer" 1 \
    <"$WORK/to" >"$WORK/from" 2>"$WORK/errors" &
pid=$!
exec 8>"$WORK/to" 9<"$WORK/from"
read -r where <&9 || fail "$(cat "$WORK/errors")"
[ "$where" = begun ] || fail "'$where'"
lab_ctl 1 renew "$peer" >/dev/null
echo go >&8
cat <&9 >"$WORK/said"
wait $pid || fail "$(cat "$WORK/errors")"
grep -q "^encrypt: 21 not possible in the present state: kgr:peer=$peer;generation=1: .*generation 1 may only receive" "$WORK/said" ||
    fail "$(cat "$WORK/said")"
# Both ends have both.
mac()
{
    KGR_AGENT=$1 openssl mac -provider-path "$LAB_LIB" -provider kgr -provider default \
        -macopt "key-uri:kgr:peer=$2;generation=$3" -in "$0" KGR-HMAC
}
for generation in 1 2; do
    one=$(mac "$KGR_AGENT_1" "$KGR_ID_2" $generation)
    [ "$one" = "$(mac "$KGR_AGENT_2" "$KGR_ID_1" $generation)" ] || fail "the ends differ under generation $generation"
    [ "$one" != "${last:-}" ] || fail "generation $generation is the one before"
    last=$one
done
