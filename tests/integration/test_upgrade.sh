#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# From the version before the first packages to this one, part by part: the new programs go on from the states that the old
# ones left, old and new agents and key servers speak with each other, and so do old and new clients and agents.
. "$(dirname "$0")/common.sh"

# The commit whose schemas, frames and local protocol are what an upgrade begins with.
before=46e831a
git -C "$LAB_ROOT" cat-file -e "$before^{commit}" 2>/dev/null ||
    { echo "skipped: the history does not reach back to $before, whose programs this test builds"; exit 77; }
old=$WORK/old
mkdir "$old"
git -C "$LAB_ROOT" archive "$before" | tar -xf - -C "$old"
{
    cmake -S "$old" -B "$old/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo
    cmake --build "$old/build" --target kgr-agent kgr-ks kgr-ac kgrctl kgr_so
} >"$WORK/build.log" 2>&1 || { tail -n 20 "$WORK/build.log" >&2; fail "$before does not build"; }

LAB_BUILD=$old/build LAB_BIN=$old/build/bin "$old/tests/support/lab" up "$WORK/lab" --nodes 3 >"$WORK/lab.out" 2>&1 ||
    { cat "$WORK/lab.out" >&2; fail "the old lab did not come up"; }
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3)
old_ctl() { KGR_AGENT=$LAB/node-$1/agent.sock "$old/build/bin/kgrctl" "${@:2}"; }
# over CTL OTHER_CTL A B: a record of node A for node B, and back.
over()
{
    local seal=$1 open=$2 a=$3 b=$4
    [ "$(echo "from $a" | $seal "$a" seal "$(lab_id "$b")" | $open "$b" open "$(lab_id "$a")")" = "from $a" ] ||
        fail "no record from node $a to node $b by $seal and $open"
}
mac_by() { KGR_AGENT=$LAB/node-1/agent.sock openssl mac -provider-path "$1/lib" -provider kgr -provider default -macopt "key-uri:kgr:peer=$id2" -in "$0" KGR-HMAC; }
generation() { lab_ctl "$1" peers --json | python3 -c 'import json,sys; print(next(p["generation"] for p in json.load(sys.stdin) if p["peer"] == sys.argv[1]))' "$2"; }

# start_agent I: of the new version; it uses keys once it has heard of the key server.
has_lease() { lab_ctl "$1" status --json | grep -qE '"lease_s": *[1-9]'; }
start_agent()
{
    lab_run_agent "$1"
    lab_wait_for 20 "the lease of node $1" has_lease "$1"
}

# New clients, old agents.
over lab_ctl lab_ctl 1 2
over lab_ctl old_ctl 2 1
lab_ctl 1 status >/dev/null || fail "an old agent tells a new client nothing"
lab_ctl 1 peers | grep -q "$id2" || fail "an old agent shows a new client no peers"
mac=$(mac_by "$LAB_BUILD") || fail "an old agent refuses a new provider"
echo "sealed before" | old_ctl 1 seal "$id2" >"$WORK/record"

# The key server first: old agents renew their keys with it.
lab_kill "$KGR_KS_PID"
lab_run_ks
first=$(generation 1 "$id2")
lab_ctl 1 renew "$id2" >/dev/null || fail "an old agent and a new key server renew nothing"
renewed() { [ "$(generation 1 "$id2")" -gt "$first" ] && [ "$(generation 2 "$id1")" -gt "$first" ]; }
lab_wait_for 20 "the renewal between old agents at a new key server" renewed
"$old/build/bin/kgr-ac" --config "$LAB/ac/ac.conf" node list | grep -q "$id3" || fail "an old AC sees nothing at a new key server"
lab_ac node list | grep -q "$id3" || fail "the new AC does not see the nodes of the old one"
lab_ac audit verify >/dev/null || fail "the audit log of the old key server does not hold"

# One agent after the other.
lab_kill "$KGR_AGENT_1_PID"
start_agent 1
over lab_ctl old_ctl 1 2
over old_ctl lab_ctl 2 1
for i in 2 3; do
    pid=KGR_AGENT_${i}_PID
    lab_kill "${!pid}"
    start_agent "$i"
done
[ "$(lab_ctl 2 open "$id1" <"$WORK/record")" = "sealed before" ] || fail "what was sealed before the upgrade does not open"
lab_ctl 1 renew "$id3" >/dev/null
over lab_ctl lab_ctl 1 3
over lab_ctl lab_ctl 3 1

# Old clients, new agents.
over old_ctl old_ctl 1 2
over old_ctl lab_ctl 2 1
old_ctl 1 status >/dev/null || fail "a new agent tells an old client nothing"
old_ctl 1 peers | grep -q "$id2" || fail "a new agent shows an old client no peers"
[ -n "$mac" ] && [ -n "$(mac_by "$old/build")" ] || fail "a new agent refuses an old provider"

# And a new start of all that was upgraded.
lab_kill "$LAB_KS_PID"
lab_run_ks
lab_kill "$LAB_AGENT_PID"
start_agent 3
over lab_ctl lab_ctl 3 1
