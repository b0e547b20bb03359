#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Several brokers: the next is used while the first is down, or up and deaf because the KS is not there; and after a
# broker died at any frame of a renewal, with all its state, both ends come right by themselves.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/hostile.sh"

LAB_AGENT_EXTRA='request_timeout = 2;' hostile_up 1

connected_over()
{
    lab_ctl "$1" status | grep -qE "^broker +127.0.0.1:$2, connected"
}

has_answer()
{
    lab_ctl "$1" status --json | tr -d ' \n' | grep -q '"lease_s":[0-9]' &&
        ! lab_ctl "$1" status | grep -q 'no answer from the KS'
}

# A second broker, which the KS knows nothing of, is node 2's first choice.
other=$KGR_BROKER_PORT
while [ "$other" = "$KGR_BROKER_PORT" ] || lab_listening "$other"; do
    other=$((20000 + RANDOM % 20000))
done
sed "s/^listener .*/listener $other 127.0.0.1/" "$LAB/broker/mosquitto.conf" >"$WORK/other.conf"
echo "broker = ( { host = \"127.0.0.1\"; port = $other; }, { host = \"127.0.0.1\"; port = $KGR_BROKER_PORT; } );" \
    >>"$LAB/node-2/agent.conf"
restart_agent 2
lab_wait_for 20 "node 2 over the second broker" connected_over 2 "$KGR_BROKER_PORT"
lab_spawn other "$WORK/other.log" mosquitto -c "$WORK/other.conf"
other_pid=$LAB_PID
lab_wait_for 10 "the other broker" lab_listening "$other"
restart_agent 2
lab_wait_for 20 "node 2 to try the deaf broker" grep -q "broker_lost broker=127.0.0.1:$other reason=\"no answer" "$LAB/node-2/log"
lab_wait_for 20 "node 2 over the second broker again" connected_over 2 "$KGR_BROKER_PORT"
lab_wait_for 20 "an answer of the KS" has_answer 2
converge brokers
lab_kill "$other_pid"

# The broker dies in the middle of a renewal of everything: KGR_BROKER_DEATHS says after which frames.
for after in ${KGR_BROKER_DEATHS:-3}; do
    published=$(proxy_count published)
    lab_ctl 1 renew --nksk --storage-key --timeout 30 >/dev/null 2>&1 &
    renewal=$!
    until [ "$(proxy_count published)" -ge $((published + after)) ]; do
        kill -0 $renewal 2>/dev/null || break
    done
    lab_kill "$KGR_BROKER_PID" KILL
    lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
    KGR_BROKER_PID=$LAB_PID
    wait $renewal || fail "the renewal did not survive the death of the broker after $after frames"
    lab_ctl 1 request "$id2" --timeout 60 >/dev/null || fail "no key after the death of the broker"
    converge "death after $after frames"
done
