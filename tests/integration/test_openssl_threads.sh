#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Eight threads of one process do 10,000 operations each on the key with one peer; every plaintext comes back
# and every MAC is the same twice.
# label: slow
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
before=$SECONDS
KGR_AGENT=$KGR_AGENT_1 timeout 500 "$LAB_BUILD/tests/openssl_app" threads "$LAB_LIB" "$KGR_ID_2" 10000 ||
    fail "threads"
echo "-- $((80000 / (SECONDS - before + 1))) operations a second"
