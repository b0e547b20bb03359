#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two labs side by side: each writes the contract's variables, shares nothing, and goes down whole
# without touching the other.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/a" --nodes 2 &
first=$!
"$LAB_ROOT/tests/support/lab" up "$WORK/b" --nodes 3 >"$WORK/b.out" 2>&1 || { cat "$WORK/b.out"; fail "lab b"; }
wait $first || fail "lab a"

for lab in a b; do
    (
        # shellcheck disable=SC1090
        . "$WORK/$lab/env"
        [ "$KGR_LAB" = "$WORK/$lab" ] || fail "KGR_LAB is $KGR_LAB"
        [ "$KGR_ID_1" = gateway-00001 ] || fail "KGR_ID_1 is $KGR_ID_1"
        for v in KGR_BROKER_PORT KGR_BROKER_PID KGR_KS KGR_KS_PID KGR_KS_TPM KGR_KS_CMD KGR_BROKER_CMD \
            KGR_AGENT_2 KGR_AGENT_2_PID KGR_AGENT_2_CMD KGR_TPM_2 KGR_STATE_2; do
            [ -n "${!v:-}" ] || fail "$v is not set"
        done
        kill -0 "$KGR_BROKER_PID" "$KGR_KS_PID" "$KGR_AGENT_1_PID" "$KGR_AGENT_2_PID"
        KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" peers --json | tr -d ' \n' |
            grep -q '"peer":"gateway-00002","generation":1,"state":"ready","custody":"'"$LAB_CUSTODY"'","suite":"'"$LAB_SUITE\""
    ) || fail "lab $lab is not as the contract says"
done
. "$WORK/a/env"
a_pids=$(cut -d' ' -f1 "$WORK/a/pids")
"$LAB_ROOT/tests/support/lab" down "$WORK/a"
for pid in $a_pids; do
    [ ! -e "/proc/$pid" ] || grep -q zombie "/proc/$pid/status" || fail "process $pid of lab a still runs"
done
. "$WORK/b/env"
echo over | KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" seal "$KGR_ID_3" >"$WORK/record"
[ "$(KGR_AGENT=$KGR_AGENT_3 "$LAB_BIN/kgrctl" open "$KGR_ID_1" <"$WORK/record")" = over ] || fail "lab b is gone too"
