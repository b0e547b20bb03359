#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# State that others could read or write is refused, with what and where; so is a socket path that is taken. A log that nobody reads
# ends no service, and no service runs outside its sandbox unless it is told to.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 1
LAB=$WORK/lab
. "$LAB/env"
filters() { sed -n 's/^Seccomp:[[:space:]]*//p' "/proc/$1/status"; }
# A build with sanitizers has no filter: their runtime needs more.
confined=2
nm -D "$LAB_BIN/kgr-agent" | grep -qE '__(asan|tsan)_init' && confined=0
for pid in "$KGR_AGENT_1_PID" "$KGR_KS_PID"; do
    [ "$(filters "$pid")" = $confined ] || fail "process $pid: Seccomp $(filters "$pid") instead of $confined"
done
lab_kill "$KGR_AGENT_1_PID"
lab_kill "$KGR_KS_PID"
for part in "agent:$KGR_AGENT_1_CMD:$KGR_STATE_1:agent.db" "ks:$KGR_KS_CMD:$LAB/ks/state:ks.db"; do
    IFS=: read -r name command state db <<<"$part"
    chmod 750 "$state"
    expect 9 "$state: others may enter \(mode 0750\), chmod it to 0700" $command
    chmod 700 "$state"
    chmod 660 "$state/$db"
    expect 9 "$state/$db: others may use it \(mode 0660\), chmod it to 0600" $command
    chmod 600 "$state/$db"
    if [ "$(id -u)" = 0 ]; then
        chown 12345 "$state"
        expect 9 "$state: belongs to uid 12345" $command
        chown 0 "$state"
        chown 12345 "$state/$db"
        expect 9 "$state/$db: belongs to uid 12345" $command
        chown 0 "$state/$db"
    else
        echo "skipped: only root gives files away"
    fi
    mv "$state" "$state.away"
    expect 9 "$state: does not exist, run the command init first" $command
    : >"$state"
    expect 9 "$state: Not a directory" $command
    rm "$state"
    mv "$state.away" "$state"
done

# A state that this user may not even look at. The program and its configuration are where anybody can read them.
if [ "$(id -u)" = 0 ] && [ $confined != 0 ]; then
    open=$(mktemp -d /tmp/kgr-open.XXXXXX)
    chmod 755 "$open"
    cp "$LAB_BIN/kgr-agent" "$open/"
    sed "s|^state = .*|state = \"$KGR_STATE_1\";|" "$LAB/node-1/agent.conf" >"$open/agent.conf"
    chmod 644 "$open/agent.conf"
    status=0
    setpriv --reuid 12345 --regid 12345 --clear-groups "$open/kgr-agent" --config "$open/agent.conf" run >"$WORK/out" 2>"$WORK/err" || status=$?
    rm -r "$open"
    [ $status = 9 ] || fail "exit code $status instead of 9: $(cat "$WORK/err")"
    grep -q "$KGR_STATE_1: Permission denied" "$WORK/err" || fail "what cannot be read is not told: $(cat "$WORK/err")"
fi

# The socket: a file in its place, a folder that is not there, somebody who answers.
: >"$KGR_AGENT_1"
expect 9 "$KGR_AGENT_1 exists and is no socket; remove it" $KGR_AGENT_1_CMD
rm "$KGR_AGENT_1"
sed 's|^socket = .*|socket = "'"$WORK"'/none/agent.sock";|' "$LAB/node-1/agent.conf" >"$WORK/other.conf"
expect 1 "cannot listen on $WORK/none/agent.sock: No such file" "$LAB_BIN/kgr-agent" --config "$WORK/other.conf" run
lab_run_ks
sed 's|^socket = .*|socket = "'"$KGR_KS"'";|' "$LAB/node-1/agent.conf" >"$WORK/other.conf"
expect 1 "$KGR_KS is served by another process; stop it first" "$LAB_BIN/kgr-agent" --config "$WORK/other.conf" run

# Results that cannot be told, and a log whose reader is gone.
for program in kgr-agent kgr-ks; do
    conf=$LAB/node-1/agent.conf
    [ $program = kgr-agent ] || { conf=$LAB/ks/ks.conf; lab_kill "$LAB_KS_PID"; }
    status=0
    "$LAB_BIN/$program" --config "$conf" identity >/dev/full 2>"$WORK/err" || status=$?
    [ $status = 1 ] || fail "$program identity to a full disk ended with $status"
    grep -q 'cannot write to the standard output' "$WORK/err" || fail "$program does not say that nobody read its answer"
done
lab_run_ks
mkfifo "$WORK/fifo"
sleep 1 <"$WORK/fifo" &
$KGR_AGENT_1_CMD 2>"$WORK/fifo" >&2 </dev/null &
agent=$!
echo "$agent agent-1 $(lab_born $agent)" >>"$LAB/pids"
wait %?sleep
lab_wait_for 10 "an agent whose log nobody reads" lab_ctl 1 status
lab_kill $agent

# Outside of the sandbox it runs when the configuration says so.
echo 'sandbox = false;' >>"$LAB/node-1/agent.conf"
lab_run_agent 1
[ "$(filters "$LAB_AGENT_PID")" = 0 ] || fail "sandbox = false changes nothing"
