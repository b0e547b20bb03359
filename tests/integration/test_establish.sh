#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Keys without an operator: the first use of a peer asks for its key and waits for it; a node that is told so asks for
# all keys it may have; one that is told so asks for none; and a key that has used up its budget is replaced.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA='lease = 6;' LAB_AGENT_EXTRA='limits = { first_use_wait_ms = 3000; }; budget = 1024;' \
    lab_up "$WORK/lab" --nodes 4
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3) id4=$(lab_id 4) id8=$(lab_id 8) id9=$(lab_id 9)
ctl=$LAB_BIN/kgrctl

knows()
{
    lab_ctl "$1" peers --json | grep -q "\"$2\""
}

generation()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | sed "s/.*\"peer\":\"$2\",\"generation\":\([0-9]*\).*/\1/"
}

is_at()
{
    [ "$(generation "$1" "$2")" -ge "$3" ]
}

restart_agent()
{
    local pid
    pid=$(eval "echo \$KGR_AGENT_$1_PID")
    lab_kill "$pid"
    echo "$2" >>"$LAB/node-$1/agent.conf"
    lab_run_agent "$1"
    eval "KGR_AGENT_$1_PID=$LAB_AGENT_PID"
}

# The first use of a peer: by records, and by the provider on another pair.
lab_ac pair allow "$id2" "$id3" >/dev/null
lab_ac pair allow "$id3" "$id4" >/dev/null
lab_wait_for 10 "the pair 2-3 at node 2" knows 2 "$id3"
[ "$(generation 2 "$id3")" = 0 ] || fail "a key before its first use"
echo first >"$WORK/plain"
KGR_AGENT=$KGR_AGENT_2 "$ctl" seal "$id3" --input "$WORK/plain" --output "$WORK/record" || fail "the first use of a peer"
lab_wait_for 5 "the key of 2-3 at node 3" is_at 3 "$id2" 1
KGR_AGENT=$KGR_AGENT_3 "$ctl" open "$id2" --input "$WORK/record" --output "$WORK/opened"
cmp "$WORK/plain" "$WORK/opened" || fail "the first record"
lab_wait_for 10 "the pair 3-4 at node 4" knows 4 "$id3"
KGR_AGENT=$KGR_AGENT_4 openssl mac -provider-path "$LAB_LIB" -provider kgr -provider default \
    -macopt "key-uri:kgr:peer=$id3" -in "$WORK/plain" KGR-HMAC >/dev/null || fail "the first use by the provider"

# The budget: too much is refused; at three quarters of it another key comes.
head -c 16384 /dev/zero >"$WORK/big"
head -c 12800 /dev/zero >"$WORK/less"
before=$(generation 1 "$id2")
expect 1 "used up its budget of 1024 blocks" env "KGR_AGENT=$KGR_AGENT_1" "$ctl" seal "$id2" --input "$WORK/big" --output "$WORK/record"
KGR_AGENT=$KGR_AGENT_1 "$ctl" seal "$id2" --input "$WORK/less" --output "$WORK/record" || fail "a record within the budget"
lab_ctl 1 wait "$id2" --generation $((before + 1)) --timeout 30 >/dev/null || fail "no renewal by the budget"

# On demand.
before=$(generation 1 "$id2")
expect 0 "^$id2: ready, generation $((before + 1)), " env "KGR_AGENT=$KGR_AGENT_1" "$ctl" renew "$id2"
expect 2 'renew what' "$ctl" renew

# The KS says nothing, or later: the error says which.
lab_ac pair allow "$id3" "$id9" >/dev/null
lab_wait_for 10 "the pair 3-9 at node 3" knows 3 "$id9"
lab_kill "$KGR_KS_PID" KILL
expect 1 "no key with $id9 yet: no answer from the KS since [0-9]+ s" \
    env "KGR_AGENT=$KGR_AGENT_3" "$ctl" seal "$id9" --input "$WORK/plain"
rm -f "$LAB/ks/ks.sock"
lab_run_ks

# A node that asks for all, and one that asks for none but goes on with what it asked before.
restart_agent 4 'establish = "allowed";'
restart_agent 3 'establish = "manual";'
not_registered()
{
    { KGR_AGENT=$KGR_AGENT_3 "$ctl" seal "$id9" --input "$WORK/plain" 2>&1 || true; } |
        grep -q "no key with $id9 yet: [0-9]* s ago the KS was busy, or the peer not registered"
}
lab_ac pair allow "$id2" "$id4" >/dev/null
lab_ac pair allow "$id3" "$id8" >/dev/null
lab_wait_for 20 "the answer of the KS about node 9" not_registered
lab_wait_for 20 "the key of 2-4" is_at 2 "$id4" 1
lab_wait_for 10 "the pair 3-8 at node 3" knows 3 "$id8"
expect 1 "by hand: kgrctl request $id8" env "KGR_AGENT=$KGR_AGENT_3" "$ctl" seal "$id8" --input "$WORK/plain"
