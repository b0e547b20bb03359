#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# A node with 2,000 peers under the PKCS#11 module: searching, first uses, and 100,000 operations after which neither the
# application nor the agent has grown.
. "$(dirname "$0")/common.sh"

app=$LAB_BUILD/tests/pkcs11_keys
module=$LAB_LIB/libkgr-pkcs11.so
peers=${KGR_TEST_PEERS:-2000} named=8 rounds=${KGR_TEST_ROUNDS:-25000} # of four operations each
lab_up "$WORK/lab" --nodes 2 --custody "${LAB_CUSTODY:-sealed}"
# shellcheck disable=SC1091
. "$WORK/lab/env"
LAB=$KGR_LAB
export KGR_AGENT=$KGR_AGENT_1
for ((i = 1; i <= named; i++)); do
    lab_ac node add "seed-0000$i" --peers "$KGR_ID_1" -o "$WORK/credential-$i" >/dev/null
done
lab_kill "$KGR_AGENT_1_PID"
"$LAB_BUILD/tests/seed" -c "$LAB/node-1/agent.conf" -n $peers >"$WORK/seed" || fail "$(cat "$WORK/seed")"
lab_run_agent 1
agent=$LAB_PID
lab_wait_for 60 "the lease" bash -c "'$LAB_BIN/kgrctl' status --json | grep -E '\"lease_s\": *[1-9]'"

# memory: of node 1's agent, in KiB.
memory()
{
    awk '$1 == "VmRSS:" { print $2 }' "/proc/$agent/status"
}

# First use of each that the KS names, then the long run with one of them.
for ((i = 1; i <= named; i++)); do
    timeout 60 "$app" many "$module" "seed-0000$i" $((2 * peers)) 20 || fail "seed-0000$i"
done
before=$(memory)
timeout 3000 "$app" many "$module" seed-00001 $((2 * peers)) $rounds || fail "the long run"
after=$(memory)
[ $((after - before)) -lt 2048 ] || fail "the agent grew from $before to $after KiB"
# What a person waits for: the list of 4,000 objects.
num=$(timeout 60 pkcs11-tool --module "$module" -O 2>/dev/null | grep -c '^Secret Key Object')
[ "$num" -ge $((2 * peers)) ] || fail "pkcs11-tool shows $num objects"
