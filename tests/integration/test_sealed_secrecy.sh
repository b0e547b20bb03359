#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Sealed and mixed custody with keys that the test knows, NKSK too, in both suites: their bytes stand in the guarded arena of a
# sealed end while they are in use, and in no other memory, no file of the lab, and nowhere on a TPM's bus; after
# their destruction nowhere at all. With an arena of memfd_secret nobody finds them even there.
. "$(dirname "$0")/common.sh"

case "${LD_PRELOAD:-}" in
*libasan*)
    echo "skipped: the shadow memory of a sanitizer is too large to search"
    exit 77
    ;;
esac

export LAB_KS_PROGRAM=$LAB_BUILD/tests/kgr-ks-known-source
export LAB_RECORD_TPM=yes
export LAB_KS_EXTRA="lease = 3;"
scan=$LAB_BUILD/tests/memscan

# searched WHAT WANTED TARGET...: the search for WHAT (keys in hex) in the targets ends with WANTED, 0 nothing, 1 found.
searched()
{
    local what=$1 wanted=$2 status=0
    shift 2
    # shellcheck disable=SC2086
    "$scan" $what -- "$@" >"$WORK/finds" || status=$?
    [ $status = "$wanted" ] || fail "the search in $* ended with $status: $(cat "$WORK/finds")"
}

# a_record FROM TO: goes there and opens.
a_record()
{
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" | cmp - "$WORK/plain" || fail "the record does not open"
}

list_files()
{
    local file
    files=()
    while read -r file; do
        files+=("file:$file")
    done < <(find "$LAB" -type f)
}

# lab_of CUSTODY BITS: a lab of that kind of which the test knows the keys.
lab_of()
{
    local custody=$1 suite=AES-128-CBC-HMAC-SHA256
    [ "$2" = 128 ] || suite=AES-256-CBC-HMAC-SHA384
    lab_suite $suite
    export KGR_KNOWN_KEYS=$WORK/$custody-$2-$KGR_ARENA.keys
    lab_up "$WORK/$custody" --nodes 2 --custody "$custody"
    LAB=$WORK/$custody
    . "$LAB/env"
    [ "$(lab_ctl 1 peers --json | grep -o "\"custody\": *\"$custody\"" | wc -l)" = 1 ] || fail "the pair is not $custody"
    [ "$(tail -n 1 "$KGR_KNOWN_KEYS" | cut -d' ' -f1 | tr -d '\n' | wc -c)" = $(($2 / 4)) ] || fail "the pair is not of $suite"
    a_record 1 2
    a_record 2 1
    nnsk=$(tail -n 1 "$KGR_KNOWN_KEYS")
    all=$(cat "$KGR_KNOWN_KEYS")
    list_files
    [ -s "$LAB/node-2/tpm/traffic" ] || fail "the traffic of the TPM was not recorded"
}

head -c 5000 /dev/urandom >"$WORK/plain"
# The quick run has one suite of each custody; test_sealed_secrecy_all.sh the others.
for kind in ${SECRECY_KINDS:-sealed-128 mixed-256}; do
    custody=${kind%-*}
    export KGR_ARENA=mlock
    lab_of "$custody" "${kind#*-}"
    # NKSK of each sealed node, and NNSK with NNSKsign.
    [ "$(wc -l <"$KGR_KNOWN_KEYS")" = $([ $custody = sealed ] && echo 3 || echo 2) ] || fail "unexpected keys were made"
    for key in $nnsk; do
        searched "$key" 1 "arena:$KGR_AGENT_2_PID" # the positive control
    done
    if [ $custody = mixed ]; then
        searched "$all" 0 "pid:$KGR_AGENT_1_PID"
    else
        searched "$all" 1 "arena:$KGR_AGENT_1_PID"
    fi
    searched "$all" 0 "outside:$KGR_AGENT_1_PID" "outside:$KGR_AGENT_2_PID" "pid:$KGR_KS_PID" "pid:$KGR_BROKER_PID" "${files[@]}"

    lab_ac pair deny "$(lab_id 1)" "$(lab_id 2)" >/dev/null
    for i in 1 2; do
        lab_wait_for 15 "the revocation at node $i" sh -c \
            "KGR_AGENT=$LAB/node-$i/agent.sock $LAB_BIN/kgrctl peers --json | grep -q '\"state\": *\"revoked\"'"
    done
    # shellcheck disable=SC2086
    lab_wait_for 5 "the keys to go" "$scan" $nnsk -- "pid:$KGR_AGENT_1_PID" "pid:$KGR_AGENT_2_PID"
    list_files
    searched "$nnsk" 0 "pid:$KGR_AGENT_1_PID" "pid:$KGR_AGENT_2_PID" "pid:$KGR_KS_PID" "${files[@]}"
    searched "$all" 1 "arena:$KGR_AGENT_2_PID" # NKSK is in use
    lab_ac node revoke "$(lab_id 2)" >/dev/null
    # shellcheck disable=SC2086
    lab_wait_for 15 "every key of the revoked node to go" "$scan" $all -- "pid:$KGR_AGENT_2_PID"
    lab_down "$LAB"
    rm -rf "$LAB"
    echo "$kind: searched ${#files[@]} files and 4 processes"
done

export KGR_ARENA=
lab_of sealed 256
if grep -q secretmem "/proc/$KGR_AGENT_1_PID/maps"; then
    searched "$all" 0 "pid:$KGR_AGENT_1_PID" "pid:$KGR_AGENT_2_PID" "pid:$KGR_KS_PID"
    echo "memfd_secret: nothing to be found"
else
    echo "skipped in part: this kernel gives no memfd_secret"
fi
