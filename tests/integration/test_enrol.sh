#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Enrolment goes on where it stopped: KS away, agent killed at any moment, credential given again. Other
# credentials are refused and stay as they were.
. "$(dirname "$0")/common.sh"

lab_open "$WORK/lab"
lab_broker
lab_centre
lab_run_ks

new_node()
{
    lab_tpm "$LAB/node-$1/tpm" "tpm-$1"
    lab_node_conf "$1" "$LAB_TCTI"
    lab_agent "$1" init >/dev/null
    lab_ac node add "$(lab_id "$1")" -o "$LAB/node-$1/credential" >/dev/null
}

agent()
{
    echo "$LAB_BIN/kgr-agent --config $LAB/node-$1/agent.conf"
}

registered()
{
    lab_agent "$1" identity --json | grep -q '"registered": true'
}

# The KS away: the credential is taken, the enrolment ends after the stated time and goes on later.
for i in 1 2 3; do
    new_node $i
done
lab_kill "$LAB_KS_PID"
expect 6 'no answer from the KS' $(agent 1) enroll "$LAB/node-1/credential" --timeout 3
[ ! -e "$LAB/node-1/credential" ] || fail "the credential was not wiped"
! registered 1 || fail "node 1 is registered without a KS"
expect 9 'enroll' $(agent 1) run
expect 1 'another credential' $(agent 1) enroll "$LAB/node-3/credential"
[ -e "$LAB/node-3/credential" ] || fail "a refused credential was wiped"
# A file that was overwritten and not yet removed when the agent was killed.
head -c 300 /dev/zero >"$WORK/zeroed"
expect 8 'damaged' $(agent 2) enroll "$WORK/zeroed"
expect 6 'no answer from the KS' $(agent 1) enroll "$WORK/zeroed" --timeout 1
[ ! -e "$WORK/zeroed" ] || fail "the overwritten credential is still there"
rm -f "$LAB/ks/ks.sock"
lab_run_ks
expect 0 'is registered' $(agent 1) enroll
registered 1 || fail "node 1 does not say that it is registered"
expect 0 'registered already' $(agent 1) enroll
expect 1 'registered already' $(agent 1) enroll "$LAB/node-3/credential"
[ -e "$LAB/node-3/credential" ] || fail "a refused credential was wiped"

# Killed at every moment of the way.
for ((ms = 5; ms < 400; ms += 11)); do
    file=
    [ ! -e "$LAB/node-2/credential" ] || file=$LAB/node-2/credential
    lab_spawn enrol "$LAB/node-2/log" $(agent 2) enroll $file
    sleep "$(printf '0.%03d' $ms)"
    kill -KILL "$LAB_PID" 2>/dev/null || true
    lab_wait_for 5 "the killed agent" test ! -d "/proc/$LAB_PID"
done
expect 0 'registered' $(agent 2) enroll $([ ! -e "$LAB/node-2/credential" ] || echo "$LAB/node-2/credential")
registered 2 || fail "node 2 is not registered"
lab_run_agent 2
lab_wait_for 20 "the lease of node 2" bash -c "KGR_AGENT=$LAB/node-2/agent.sock $LAB_BIN/kgrctl status --json | grep -qE '\"lease_s\": *[1-9]'"

# The same credential once more, while it is still in use by this node: it goes on.
cp -p "$LAB/node-3/credential" "$WORK/copy"
lab_kill "$LAB_KS_PID"
expect 6 'no answer' $(agent 3) enroll "$LAB/node-3/credential" --timeout 2
rm -f "$LAB/ks/ks.sock"
lab_run_ks
expect 0 'is registered' $(agent 3) enroll "$WORK/copy"
[ ! -e "$WORK/copy" ] || fail "the second copy was not wiped"

# Nothing of NTAG is left once it is spent, in the rows or between them.
! cat "$LAB"/node-3/state/agent.db* | grep -aq 'ntag-' || fail "NTAG is still in the state"

# The KS's audit log says who registered.
expect 0 "gateway-00001: done \\(registered\\)" "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" audit
