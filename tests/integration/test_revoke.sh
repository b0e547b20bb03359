#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Revocation reaches nodes by notices, across a broker that loses them and an agent that was away, and leaves no key; the
# name works again, with another TPM and higher generations.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3)
echo plain >"$WORK/plain"

# field I PEER NAME: what node I says of a peer.
field()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | tr '{' '\n' | sed -n "s/.*\"peer\":\"$2\".*\"$3\":\"*\([^,\"}]*\).*/\1/p"
}

says()
{
    [ "$(field "$1" "$2" "$3")" = "$4" ]
}

node_is()
{
    lab_ac node show "$1" --json | tr -d ' \n' | grep -q "$2"
}

# has_storage_key I: in the TPM of node I, below which all its keys are.
has_storage_key()
{
    tpm2_getcap -T "swtpm:path=$LAB/node-$1/tpm/sock" handles-persistent | grep -qi 0x81004b
}

# Denied and allowed: told long before the lease ends, and the key is the same afterwards.
generation=$(field 1 "$id3" generation)
lab_ac pair deny "$id1" "$id3" >/dev/null
lab_wait_for 5 "node 1 to hear of the denial" says 1 "$id3" state revoked
lab_wait_for 5 "node 3 to hear of the denial" says 3 "$id1" state revoked
expect 5 'denied' "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_1" seal "$id3" --input "$WORK/plain"
lab_ac pair allow "$id1" "$id3" >/dev/null
lab_wait_for 5 "node 1 to hear of the permission" says 1 "$id3" state ready
lab_wait_for 5 "node 3 to hear of the permission" says 3 "$id1" state ready
[ "$(field 1 "$id3" generation)" = "$generation" ] || fail "the key did not come back"
lab_ctl 1 seal "$id3" <"$WORK/plain" >"$WORK/record"
lab_ctl 3 open "$id1" <"$WORK/record" | cmp - "$WORK/plain" || fail "the key does not work any more"

# Revoked while the node is off and the broker loses everything.
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/old-record"
lab_kill "$KGR_AGENT_2_PID"
has_storage_key 2 || fail "node 2 has no storage key to begin with"
kill -STOP "$KGR_BROKER_PID"
expect 0 'revoked' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node revoke "$id2"
expect 1 'revoked already' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node revoke "$id2"
expect 4 'no node' "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node revoke nobody
kill -KILL "$KGR_BROKER_PID"
# The KS forgets nothing when it is killed.
lab_kill "$KGR_KS_PID" KILL
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
rm -f "$KGR_KS"
lab_run_ks
lab_wait_for 20 "node 1 to hear of the revocation" says 1 "$id2" state revoked
says 1 "$id2" generation 0 || fail "node 1 still has a key with the revoked node"
expect 5 'revoked' "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_1" seal "$id2" --input "$WORK/plain"
node_is "$id2" '"state":"revoked"' || fail "the KS does not say that node 2 is revoked"
node_is "$id2" '"told":false' || fail "the KS says that node 2 knows"
lab_wait_for 20 "node 1's acknowledgement" node_is "$id1" '"told":true'
says 1 "$id3" state ready || fail "the pair with node 3 suffered"

# It comes back, hears it, and destroys everything of its own.
lab_run_agent 2
revoked_itself()
{
    lab_ctl 2 status | grep -q 'this node was revoked'
}
lab_wait_for 20 "node 2 to hear of its revocation" revoked_itself
expect 5 'revoked' "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_2" seal "$id1" --input "$WORK/plain"
expect 5 'revoked' "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_2" request "$id1"
lab_wait_for 10 "the acknowledgement of node 2" node_is "$id2" '"told":true'
lab_wait_for 20 "the end of its keys" grep -q keys_destroyed "$LAB/node-2/log"
lab_kill "$LAB_AGENT_PID"
! has_storage_key 2 || fail "node 2 keeps its storage key"
grep -q 'key_destroyed.*generation=1' "$LAB/node-2/log" || fail "node 2 does not say that it destroyed the pair's key"
[ ! -s "$KGR_STATE_2/agent.db-wal" ] || fail "the log of node 2's database was not emptied"
lab_run_agent 2
revoked_itself || fail "node 2 forgot that it was revoked"
expect 5 'revoked' "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_2" open "$id1" --input "$WORK/old-record"
lab_kill "$LAB_AGENT_PID"
expect 5 'revoked' "$LAB_BIN/kgr-agent" --config "$LAB/node-2/agent.conf" enroll
expect 0 '"revoked": true' "$LAB_BIN/kgr-agent" --config "$LAB/node-2/agent.conf" identity --json

# The name again, for another TPM: not after a revocation, but after a removal.
lab_tpm "$LAB/node-4/tpm" tpm-4
lab_node_conf 4 "$LAB_TCTI"
lab_agent 4 init >/dev/null
lab_ac node add "$id2" -o "$WORK/pinned" >/dev/null
expect 6 'no answer' "$LAB_BIN/kgr-agent" --config "$LAB/node-4/agent.conf" enroll "$WORK/pinned" --timeout 3
"$LAB_BIN/kgrctl" --ks --socket "$KGR_KS" status | grep -q "another TPM used the credential of $id2" ||
    fail "no alarm about the other TPM"
lab_ac node remove "$id2" >/dev/null
node_is "$id2" '"state":"removed"' || fail "node 2 is not removed"
rm -rf "$LAB/node-4/state"
lab_agent 4 init >/dev/null
lab_ac node add "$id2" --peers "$id1" -o "$WORK/credential" >/dev/null
lab_agent 4 enroll "$WORK/credential" >/dev/null 2>&1
lab_run_agent 4
lab_ctl 1 request "$id2" >/dev/null
lab_ctl 4 wait "$id1" --timeout 20 >/dev/null
lab_wait_for 10 "the new key of node 1" says 1 "$id2" state ready
[ "$(field 1 "$id2" generation)" -ge 2 ] || fail "a generation came twice"
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record"
lab_ctl 4 open "$id1" <"$WORK/record" | cmp - "$WORK/plain" || fail "the new key does not work"
! lab_ctl 4 open "$id1" <"$WORK/old-record" >/dev/null 2>&1 || fail "the new node opens what the old one could"
