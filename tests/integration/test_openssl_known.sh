#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# With keys that the test knows, made by a key server of its own: all that kgr.so computes through agent and TPM
# is what OpenSSL's default provider computes with these keys, over random lengths, splits, copies and restarts.
. "$(dirname "$0")/common.sh"

known=$LAB_BUILD/tests/openssl_known
export LAB_KS_PROGRAM=$LAB_BUILD/tests/kgr-ks-known-source
export KGR_KNOWN_KEYS=$WORK/keys
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
# The last: in sealed custody NKSK comes before.
read -r enc mac < <(tail -n 1 "$KGR_KNOWN_KEYS")
export KGR_AGENT=$KGR_AGENT_1

timeout 300 ${KGR_TEST_INSIDE:-} "$known" "$LAB_LIB" "$KGR_ID_2" "$enc" "$mac" 1500 || fail "not what OpenSSL computes"
# The comparison itself notices a wrong key.
case $enc in 0*) wrong=1${enc:1} ;; *) wrong=0${enc:1} ;; esac
! ${KGR_TEST_INSIDE:-} "$known" "$LAB_LIB" "$KGR_ID_2" "$wrong" "$mac" 5 2>/dev/null || fail "any ENC will do"
case $mac in 0*) wrong=1${mac:1} ;; *) wrong=0${mac:1} ;; esac
! ${KGR_TEST_INSIDE:-} "$known" "$LAB_LIB" "$KGR_ID_2" "$enc" "$wrong" 5 2>/dev/null || fail "any MAC will do"
