#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A state database that is put back or copied is noticed by the TPM's counter: the agent says so, drops its pair
# keys, and the pair gets new ones.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)

lab_kill "$KGR_AGENT_1_PID"
cp -a "$KGR_STATE_1/agent.db" "$WORK/old.db"
lab_run_agent 1
echo plain >"$WORK/plain"
lab_wait_for 20 "the lease" bash -c "KGR_AGENT=$KGR_AGENT_1 $LAB_BIN/kgrctl status --json | grep -qE '\"lease_s\": *[1-9]'"
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record"
! lab_ctl 1 status | grep -q 'put back' || fail "an alarm without a rollback"
lab_kill "$LAB_AGENT_PID"
rm -f "$KGR_STATE_1"/agent.db-*
cp -a "$WORK/old.db" "$KGR_STATE_1/agent.db"
lab_run_agent 1
lab_ctl 1 status | grep -q 'put back' || fail "no alarm about the database that was put back"
# The KS tells of a generation that this node has not; it asks by itself.
lab_ctl 1 wait "$id2" --timeout 30 >/dev/null || fail "no new key with node 2"
generation=$(lab_ctl 1 peers --json | tr -d ' \n' | sed -n "s/.*\"peer\":\"$id2\",\"generation\":\([0-9]*\).*/\1/p")
[ "$generation" -ge 2 ] || fail "generation $generation came again"
same_at_2()
{
    lab_ctl 2 peers --json | tr -d ' \n' | grep -q "\"peer\":\"$id1\",\"generation\":$generation,"
}
lab_wait_for 30 "generation $generation at node 2" same_at_2
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record"
lab_ctl 2 open "$id1" <"$WORK/record" | cmp - "$WORK/plain" || fail "the new key does not work"
# A restart without a rollback says nothing any more.
lab_kill "$LAB_AGENT_PID"
lab_run_agent 1
! lab_ctl 1 status | grep -q 'put back' || fail "the alarm came again"
