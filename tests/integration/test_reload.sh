#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A changed configuration counts after kgrctl reload or SIGHUP, for connections that stand too; one with a mistake changes
# nothing, and says what is wrong; what needs a restart is named. Agent and KS.
. "$(dirname "$0")/common.sh"

LAB_AGENT_EXTRA_1='log = { level = "info"; };' lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
export KGR_AGENT=$KGR_AGENT_1 KGR_KS
ctl=$LAB_BIN/kgrctl
conf=$LAB/node-1/agent.conf
cp "$conf" "$WORK/agent.conf"

# Good.
expect 0 '^reloaded$' "$ctl" reload
mkdir "$conf.d"
echo 'budget = 1024; limits = { rate = 1; burst = 4; };' >"$conf.d/10-less.conf"
expect 0 '^reloaded$' "$ctl" reload
! grep -q 'restart needed' "$WORK/out" || fail "nothing that changed needs a restart: $OUTPUT"
grep -q 'INFO reload by="uid [0-9]*" changed="budget, limits.rate, limits.burst" restart_needed=""' "$LAB/node-1/log" ||
    fail "the log: $(tail -n 3 "$LAB/node-1/log")"
refused()
{
    "$ctl" status >/dev/null 2>"$WORK/err" || grep -q 'more than 1 requests a second (limits.rate)' "$WORK/err" && [ -s "$WORK/err" ]
}
lab_wait_for 5 "the rate to be felt" refused
rm "$conf.d/10-less.conf"
sleep 1.2 # for two requests: hello is none
expect 0 '^reloaded$' "$ctl" reload
for _ in 1 2 3 4 5 6; do "$ctl" status >/dev/null || fail "the rate is still there"; done

# Refused: nothing of it counts, and each mistake is told.
echo 'budget = 2048;
limits = { rat = 1; };
establish = "never";' >"$conf.d/20-wrong.conf"
status=0
"$ctl" reload >"$WORK/out" 2>"$WORK/err" || status=$?
[ $status = 9 ] || fail "a wrong configuration: $status"
[ "$(cat "$WORK/err")" = "$conf.d/20-wrong.conf:2: rat is no known key; did you mean rate?
$conf.d/20-wrong.conf:3: establish is \"never\", must be one of \"on-demand\", \"allowed\", \"manual\"" ] || fail "$(cat "$WORK/err")"
grep -q "ERROR reload_refused by=\"uid [0-9]*\" reason=\"$conf.d/20-wrong.conf:2: rat is no known key" "$LAB/node-1/log" || fail "the log says nothing"
rm "$conf.d/20-wrong.conf"
chmod 666 "$conf"
status=0
"$ctl" reload >"$WORK/out" 2>"$WORK/err" || status=$?
[ $status = 9 ] && grep -q 'everybody may write it' "$WORK/err" || fail "a file that everybody may write: $status $(cat "$WORK/err")"
chmod 644 "$conf"

# What needs a restart.
sed 's,^socket.*,socket = "/nowhere/else";,; s,^custody.*,custody = "auto"; renew_at = 50;,' "$WORK/agent.conf" >"$conf"
expect 0 '^restart needed for: socket, custody$' "$ctl" reload
expect 0 '^restart needed for: socket, custody$' "$ctl" reload
cp "$WORK/agent.conf" "$conf"
expect 0 '^reloaded$' "$ctl" reload

# By the signal, and the level of the log.
echo 'log = { level = "debug"; };' >"$conf.d/30-log.conf"
kill -HUP "$KGR_AGENT_1_PID"
lab_wait_for 5 "the reload" grep -q 'INFO reload by="signal" changed="log.level"' "$LAB/node-1/log"
echo 'log = { level = 7; };' >"$conf.d/30-log.conf"
kill -HUP "$KGR_AGENT_1_PID"
lab_wait_for 5 "the refusal" grep -q 'ERROR reload_refused by="signal" reason=".*30-log.conf:1: level must be a text' "$LAB/node-1/log"
rm "$conf.d/30-log.conf"
"$ctl" audit >"$WORK/audit" || fail "no audit log"
[ "$(grep -c reload "$WORK/audit")" -ge 8 ] || fail "reloads are not in the audit log: $(cat "$WORK/audit")"

# A connection that stands: it waits for a key and a message, and loses the right to.
if [ "$(id -u)" = 0 ]; then
    user=61001
    chmod 711 "$WORK" "$LAB" "$LAB/node-1"
    mkdir -m 755 "$WORK/home"
    cp "$ctl" "$WORK/home"
    as_user()
    {
        timeout --foreground 30 setpriv --reuid $user --regid $user --clear-groups "$WORK/home/kgrctl" "$@"
    }
    status=0
    as_user status >/dev/null 2>"$WORK/err" || status=$?
    [ $status = 5 ] || fail "a stranger is let in: $(cat "$WORK/err")"
    echo "access = ( { users = \"$user\"; rights = \"receive\"; } );" >"$conf.d/40-access.conf"
    expect 0 '^reloaded$' "$ctl" reload
    as_user recv "$KGR_ID_2" --timeout 20 >"$WORK/got" 2>"$WORK/recv.err" &
    receiver=$!
    as_user wait "$KGR_ID_2" --generation 9 --timeout 20 >"$WORK/got" 2>"$WORK/wait.err" &
    waiter=$!
    connected()
    {
        [ "$(ss -x -a 2>/dev/null | grep -c "$KGR_AGENT_1")" -ge 3 ]
    }
    command -v ss >/dev/null && lab_wait_for 5 "both to wait" connected || sleep 0.5
    echo 'access = ( { users = "0"; } );' >"$conf.d/40-access.conf"
    expect 0 '^reloaded$' "$ctl" reload
    status=0
    wait $receiver || status=$?
    [ $status = 5 ] && grep -q 'no right to receive' "$WORK/recv.err" || fail "recv goes on: $status $(cat "$WORK/recv.err")"
    status=0
    wait $waiter || status=$?
    [ $status = 5 ] && grep -q 'no right to list' "$WORK/wait.err" || fail "wait goes on: $status $(cat "$WORK/wait.err")"
    # A MAC that was begun is not finished. Whoever has written so much to the pipe knows that the agent has the beginning.
    cp "$LAB_LIB/kgr.so" "$WORK/home"
    mkfifo "$WORK/pipe"
    echo "access = ( { users = \"$user\"; rights = \"sign\"; } );" >"$conf.d/40-access.conf"
    expect 0 '^reloaded$' "$ctl" reload
    timeout --foreground 30 setpriv --reuid $user --regid $user --clear-groups openssl mac -provider-path "$WORK/home" -provider kgr \
        -provider default -macopt "key-uri:kgr:peer=$KGR_ID_2" KGR-HMAC <"$WORK/pipe" >"$WORK/got" 2>"$WORK/mac.err" &
    mac=$!
    exec 9>"$WORK/pipe"
    head -c 300000 /dev/zero >&9
    echo 'access = ( { users = "0"; } );' >"$conf.d/40-access.conf"
    expect 0 '^reloaded$' "$ctl" reload
    exec 9>&-
    ! wait $mac || fail "a MAC is finished without the right to: $(cat "$WORK/got")"
    grep -q 'local access policy refuses.*no right to sign' "$WORK/mac.err" || fail "mac: $(cat "$WORK/mac.err")"
    # And who may reload: only whom `manage` is given.
    echo "access = ( { users = \"$user\"; peers = \"*\"; } );" >"$conf.d/40-access.conf"
    expect 0 '^reloaded$' "$ctl" reload
    status=0
    as_user reload 2>"$WORK/err" || status=$?
    [ $status = 5 ] && grep -q 'may not manage' "$WORK/err" || fail "whoever may use keys reloads: $(cat "$WORK/err")"
fi

# The KS.
ks_conf=$LAB/ks/ks.conf
cp "$ks_conf" "$WORK/ks.conf"
expect 0 '^reloaded$' "$ctl" --ks reload
sed -i 's,^socket.*,socket = "/nowhere";,' "$ks_conf"
echo 'lifetime = 900;' >>"$ks_conf"
expect 0 '^restart needed for: socket$' "$ctl" --ks reload
"$ctl" --socket "$KGR_AGENT_2" renew "$KGR_ID_1" >/dev/null
"$ctl" --socket "$KGR_AGENT_2" peers --json | tr -d ' \n' | grep -qE '"expires_s":(900|8[0-9][0-9]),' || fail "the new lifetime does not count"
echo 'lease = 1;' >>"$ks_conf"
kill -HUP "$KGR_KS_PID"
lab_wait_for 5 "the KS's refusal" grep -q 'ERROR reload_refused by="signal" reason=".*: lease is 1, must be 3 to' "$LAB/ks/log"
expect 9 'lease is 1, must be 3 to' "$ctl" --ks reload
lab_ac audit >"$WORK/audit"
grep -q 'reload' "$WORK/audit" || fail "reloads are not in the audit log of the KS: $(tail -n 5 "$WORK/audit")"
