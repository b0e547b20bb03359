#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A broker with TLS, client certificates and passwords; one node speaks MQTT 3.1.1 to it. A refusal is told with its
# reason, and mended without a restart. The password is in no log and on no command line.
. "$(dirname "$0")/common.sh"

"$LAB_ROOT/tests/support/certs" "$WORK/certs"
secret='correct horse'
printf '%s\n' "$secret" >"$WORK/password"
cp "$WORK/password" "$WORK/password-2"
chmod 600 "$WORK/password" "$WORK/password-2"
touch "$WORK/passwords"
chmod 600 "$WORK/passwords"
mosquitto_passwd -b "$WORK/passwords" gateway "$secret"
tls="tls = true; ca = \"$WORK/certs/ca.pem\"; cert = \"$WORK/certs/client.pem\";
    key = \"$WORK/certs/client.key\"; user = \"gateway\";"
export LAB_BROKER_EXTRA="allow_anonymous false
password_file $WORK/passwords
cafile $WORK/certs/ca.pem
certfile $WORK/certs/server.pem
keyfile $WORK/certs/server.key
require_certificate true"
export LAB_KS_BROKER="$tls password_file = \"$WORK/password\";"
# The host comes from the credential.
export LAB_AGENT_EXTRA_1="broker = { $tls password_file = \"$WORK/password\"; };"
export LAB_AGENT_EXTRA_2="broker = { $tls password_file = \"$WORK/password-2\"; protocol = \"3.1.1\"; };"
lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)

round_trip()
{
    echo "$1 to $2" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" >"$WORK/opened"
    cmp "$WORK/plain" "$WORK/opened" || fail "round trip $1 to $2"
}

# says I PATTERN: the status of node I has a line of it.
says()
{
    lab_ctl "$1" status | grep -qE -- "$2"
}

round_trip 1 2
round_trip 2 1

# A wrong password is told with the broker's reason, at the agent and in its log; put right, it works again.
echo wrong >"$WORK/password-2"
lab_kill "$KGR_BROKER_PID" KILL
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
KGR_BROKER_PID=$LAB_PID
lab_wait_for 20 "node 2 to tell the reason" says 2 'connection refused by the broker: not authorised \(reason 5\)'
grep -q 'broker_lost .*reason 5' "$LAB/node-2/log" || fail "the log has no reason"
lab_wait_for 20 "node 1 to be back" says 1 '^broker .*, connected'
echo "$secret" >"$WORK/password-2"
chmod 644 "$WORK/password-2"
lab_wait_for 30 "node 2 to mind who can read its password" says 2 'others may use it'
chmod 600 "$WORK/password-2"
lab_wait_for 60 "node 2 to be back" says 2 '^broker .*, connected'
lab_wait_for 30 "no alarm at node 2" says 2 '^alarms +none'
round_trip 1 2

# A broker whose rules deny every publication: the reason is among the alarms until one is accepted.
printf 'user gateway\ntopic read #\n' >"$WORK/rules"
{
    cat "$LAB/broker/mosquitto.conf"
    echo "acl_file $WORK/rules"
} >"$WORK/deny.conf"
lab_kill "$KGR_BROKER_PID" KILL
lab_spawn broker "$LAB/broker/log" mosquitto -c "$WORK/deny.conf"
KGR_BROKER_PID=$LAB_PID
lab_wait_for 30 "node 1 to be denied" says 1 'publication refused by the broker: Not authorized \(reason 135\)'
lab_kill "$KGR_BROKER_PID" KILL
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
KGR_BROKER_PID=$LAB_PID
lab_wait_for 60 "no alarm at node 1" says 1 '^alarms +none'

# The broker's certificate is replaced by one of another name: refused, and told.
sed "s,certs/server,certs/wrong," "$LAB/broker/mosquitto.conf" >"$WORK/wrong.conf"
lab_kill "$KGR_BROKER_PID" KILL
lab_spawn broker "$LAB/broker/log" mosquitto -c "$WORK/wrong.conf"
lab_wait_for 20 "node 1 to refuse the certificate" says 1 'certificate is not for 127.0.0.1'
says 1 '^broker .*not connected' || fail "node 1 is connected to a broker of another name"

if grep -rqF "$secret" "$LAB"/*/log "$LAB"/log; then fail "a log has the password"; fi
for pid in "$KGR_KS_PID" "$KGR_AGENT_1_PID" "$KGR_AGENT_2_PID"; do
    if tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "$secret"; then fail "a command line has the password"; fi
done
