#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Resident custody with keys that the test knows: the doors use exactly these keys, and their bytes
# stand in no memory of an agent, no file of the lab, and nowhere on a TPM's bus.
. "$(dirname "$0")/common.sh"

case "${LD_PRELOAD:-}" in
*libasan*)
    echo "skipped: the shadow memory of a sanitizer is too large to search"
    exit 77
    ;;
esac

export LAB_KS_PROGRAM=$LAB_BUILD/tests/kgr-ks-known-source
export KGR_KNOWN_KEYS=$WORK/keys
export LAB_RECORD_TPM=yes
# Memory that can be searched, all of it.
export KGR_ARENA=mlock
scan=$LAB_BUILD/tests/memscan
lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
[ "$(wc -l <"$KGR_KNOWN_KEYS")" = 1 ] || fail "the known source made no single pair of keys"
read -r enc mac <"$KGR_KNOWN_KEYS"

# The doors compute with these keys: OpenSSL, given the bytes, gets the same.
head -c 5000 /dev/urandom >"$WORK/plain"
kgr_openssl()
{
    local command=$1
    shift
    KGR_AGENT=$KGR_AGENT_1 openssl "$command" -provider-path "$LAB_LIB" -provider kgr -provider default "$@"
}
got=$(kgr_openssl mac -macopt "key-uri:kgr:peer=$id2" -in "$WORK/plain" KGR-HMAC)
want=$(openssl mac -digest "$LAB_HASH" -macopt "hexkey:$mac" -in "$WORK/plain" HMAC)
[ "$got" = "$want" ] || fail "KGR-HMAC is not HMAC-$LAB_HASH under NNSKsign"
iv=000102030405060708090a0b0c0d0e0f
kgr_openssl enc -e "-KGR-AES-$LAB_AES-CBC" -K "$(lab_ctl 1 handle "$id2" --cipher "AES-$LAB_AES-CBC")" -iv $iv -in "$WORK/plain" -out "$WORK/cipher"
openssl enc -d "-aes-$LAB_AES-cbc" -K "$enc" -iv $iv -in "$WORK/cipher" -out "$WORK/back"
cmp "$WORK/plain" "$WORK/back" || fail "KGR-AES-$LAB_AES-CBC is not AES-$LAB_AES-CBC under NNSK"
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record"
lab_ctl 2 open "$id1" <"$WORK/record" | cmp - "$WORK/plain" || fail "the record does not open"

# The search finds what is there: in the memory of the searcher and in a file.
status=0
"$scan" "$enc" "$mac" -- self "file:$KGR_KNOWN_KEYS" >"$WORK/control" || status=$?
[ $status = 1 ] && grep -q '^self' "$WORK/control" && grep -q '^file' "$WORK/control" ||
    fail "the search does not find the keys where they are"

list_targets()
{
    local file
    targets=("pid:$KGR_AGENT_1_PID" "pid:$KGR_AGENT_2_PID" "pid:$KGR_KS_PID" "pid:$KGR_BROKER_PID")
    while read -r file; do
        targets+=("file:$file")
    done < <(find "$LAB" -type f)
}
list_targets
for part in node-1/tpm/traffic node-2/tpm/traffic ks/tpm/traffic node-1/state node-2/state ks/state; do
    [ -e "$LAB/$part" ] || fail "$LAB/$part is not there to be searched"
done
"$scan" "$enc" "$mac" -- "${targets[@]}" || fail "key bytes stand where they must not"
echo "searched ${#targets[@]} places"

# Nor after their destruction.
lab_ac pair deny "$id1" "$id2" >/dev/null
for i in 1 2; do
    lab_wait_for 15 "the revocation at node $i" sh -c \
        "KGR_AGENT=$LAB/node-$i/agent.sock $LAB_BIN/kgrctl peers --json | grep -q '\"state\": *\"revoked\"'"
done
list_targets
"$scan" "$enc" "$mac" -- "${targets[@]}" || fail "key bytes stand somewhere after their destruction"
