#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# With keys that the test knows, made by a key server of its own: all that libkgr-pkcs11.so computes through agent
# and TPM is what OpenSSL computes with these keys, for every mechanism, over random lengths and splits.
. "$(dirname "$0")/common.sh"

known=$LAB_BUILD/tests/pkcs11_known
module=$LAB_LIB/libkgr-pkcs11.so
export LAB_KS_PROGRAM=$LAB_BUILD/tests/kgr-ks-known-source
export KGR_KNOWN_KEYS=$WORK/keys
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
# The last: in sealed custody NKSK comes before.
read -r enc mac < <(tail -n 1 "$KGR_KNOWN_KEYS")
export KGR_AGENT=$KGR_AGENT_1

timeout 300 "$known" "$module" "$KGR_ID_2" "$enc" "$mac" 900 || fail "not what OpenSSL computes"
KGR_AGENT=$KGR_AGENT_2 timeout 300 "$known" "$module" "$KGR_ID_1" "$enc" "$mac" 60 || fail "node 2 computes something else"
# The comparison itself notices a wrong key.
case $enc in 0*) wrong=1${enc:1} ;; *) wrong=0${enc:1} ;; esac
! "$known" "$module" "$KGR_ID_2" "$wrong" "$mac" 1 2>/dev/null || fail "any ENC will do"
case $mac in 0*) wrong=1${mac:1} ;; *) wrong=0${mac:1} ;; esac
! "$known" "$module" "$KGR_ID_2" "$enc" "$wrong" 1 2>/dev/null || fail "any MAC will do"
