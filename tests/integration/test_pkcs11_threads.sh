#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# pkcs11-tool's threads, which initialise the module at the same time and look at its token. The tool
# waits half a minute for threads that are not done when it is.
. "$(dirname "$0")/common.sh"

command -v pkcs11-tool >/dev/null || exit 77
lab_up "$WORK/lab" --nodes 2
# shellcheck disable=SC1091
. "$WORK/lab/env"
KGR_AGENT=$KGR_AGENT_1 timeout --foreground 120 pkcs11-tool --module "$LAB_LIB/libkgr-pkcs11.so" \
    --test-threads IL:GI:SL:T0 --test-threads IL:SL:T0:GI --test-threads IN:SL:T0 -O \
    >"$WORK/threads" 2>&1 || fail "$(cat "$WORK/threads")"
! grep -E 'rv:CKR_[A-Z_]+' "$WORK/threads" | grep -vE 'rv:CKR_(OK|CRYPTOKI_ALREADY_INITIALIZED)' ||
    fail "$(cat "$WORK/threads")"
! grep -q 'some errors' "$WORK/threads" || fail "$(cat "$WORK/threads")"
[ "$(grep -c 'C_GetTokenInfo' "$WORK/threads")" -ge 3 ] || fail "not all threads ran: $(cat "$WORK/threads")"
[ "$(grep -c '^Secret Key Object' "$WORK/threads")" = 2 ] || fail "the keys: $(cat "$WORK/threads")"
