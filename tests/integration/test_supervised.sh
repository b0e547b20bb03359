#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Under a service manager: sockets that it opened, what it is told, its watchdog, its credentials. A TPM that does
# not answer is told, and restarts nobody.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"

# supervise NAME SOCKET CMD...: starts CMD so; heard says what NAME told, pid_of who it is.
supervise()
{
    local name=$1
    mkdir -p "$WORK/$name"
    : >"$WORK/$name/heard"
    lab_spawn "$name" "$WORK/$name/log" "$LAB_ROOT/tests/support/supervise" "$WORK/$name" "${@:2}"
    MANAGER=$LAB_PID
}
heard() { grep -qE -- "$2" "$WORK/$1/heard"; }
beats() { grep -c '^WATCHDOG=1' "$WORK/$1/heard" || true; }
more_beats() { [ "$(beats "$1")" -gt $(($2 + 2)) ]; }
pid_of() { sed -n 's/^PID=//p' "$WORK/$1/heard" | tail -n 1; }

# The agent. Its client is there before it is, and waits in the queue of the socket.
lab_kill "$KGR_AGENT_1_PID"
supervise agent "$KGR_AGENT_1" $KGR_AGENT_1_CMD
lab_wait_for 5 "the socket" test -S "$KGR_AGENT_1"
inode=$(stat -c %i "$KGR_AGENT_1")
lab_ctl 1 status >/dev/null || fail "the client that came early got no answer"
lab_wait_for 10 "READY" heard agent '^READY=1$'
lab_wait_for 20 "the state" heard agent "^STATUS=$(lab_id 1): serving\$"
lab_wait_for 5 "the watchdog to hear of the agent" more_beats agent 0

# A TPM that hangs: the agent lives, says so, and is not restarted.
tpm=$(awk '$2 == "tpm-1" { print $1 }' "$LAB/pids")
kill -STOP "$tpm"
KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" seal "$(lab_id 2)" --input "$0" >/dev/null 2>&1 &
asked=$!
lab_wait_for 5 "the watchdog to hear of the agent while the TPM hangs" more_beats agent "$(beats agent)"
kill -CONT "$tpm"
wait $asked || fail "no answer once the TPM was back"
# A TPM that is gone is told, too.
kill -KILL "$tpm"
lab_ctl 1 seal "$(lab_id 2)" --input "$0" >/dev/null 2>&1 || true
lab_wait_for 10 "the state of the TPM" heard agent '^STATUS=.*TPM does not answer'
lab_wait_for 5 "the watchdog to hear of the agent without a TPM" more_beats agent "$(beats agent)"
lab_tpm "$LAB/node-1/tpm" tpm-1
lab_wait_for 10 "the TPM to be found again" bash -c "tail -n 20 '$WORK/agent/heard' | grep STATUS= | tail -n 1 | grep -q serving"

# A loop that stands still is not alive.
kill -STOP "$(pid_of agent)"
sleep 0.3
before=$(beats agent)
sleep 1
[ "$(beats agent)" = "$before" ] || fail "a stopped process says that it lives"
kill -CONT "$(pid_of agent)"

# The end leaves the socket, and the next start serves who waited.
kill -TERM "$(pid_of agent)"
lab_wait_for 15 "the end" heard agent '^EXIT=0$'
heard agent '^STOPPING=1$' || fail "the end was not told"
[ "$(stat -c %i "$KGR_AGENT_1")" = "$inode" ] || fail "the service manager's socket is gone"
! grep -q socket-mode "$WORK/agent/log" || fail "the mode of the socket is told, but it keeps nobody out"
# Whom access lets in, the mode of such a socket may keep out.
echo 'access = ( { users = "61001"; } );' >>"$LAB/node-1/agent.conf"
lab_ctl 1 status >"$WORK/status" &
waiting=$!
kill -USR1 "$MANAGER"
wait $waiting || fail "the client that waited got no answer"
lab_wait_for 5 "the mode of the socket" grep -q "WARN socket-mode path=$KGR_AGENT_1 .*SocketMode=0666" "$WORK/agent/log"

# The key server likewise, and what does not fit together is told.
lab_kill "$KGR_KS_PID"
supervise wrong "$LAB/ks/other.sock" $KGR_KS_CMD
lab_wait_for 10 "the refusal" heard wrong '^EXIT=9$'
grep -q "$KGR_KS: ListenSequentialPacket= of the unit" "$WORK/wrong/log" || fail "the wrong socket is not told"
supervise ks "$KGR_KS" $KGR_KS_CMD
lab_wait_for 5 "the socket" test -S "$KGR_KS"
lab_ac node list >/dev/null || fail "the AC got no answer"
heard ks '^READY=1$' || fail "the key server did not say that it is ready"
lab_wait_for 5 "the watchdog to hear of the key server" more_beats ks 0
kill -TERM "$(pid_of ks)"
lab_wait_for 15 "the end" heard ks '^EXIT=0$'
[ -S "$KGR_KS" ] || fail "the service manager's socket is gone"

# Credentials.
lab_kill "$KGR_AGENT_2_PID"
echo 'pin_file = "credential:pin";' >>"$LAB/node-2/agent.conf"
expect 9 'credential:pin.*LoadCredential=' $KGR_AGENT_2_CMD
mkdir "$WORK/credentials"
echo 1234 >"$WORK/credentials/pin"
chmod 440 "$WORK/credentials/pin"
export CREDENTIALS_DIRECTORY=$WORK/credentials
lab_run_agent 2
lab_ctl 2 status >/dev/null
