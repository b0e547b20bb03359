#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgrctl watch in real terminals of two sizes: what it shows, its keys, another size, an agent that stops, and the terminal afterwards.
. "$(dirname "$0")/common.sh"

if ! command -v tmux >/dev/null; then
    echo "tmux is not installed: kgrctl watch was not tried"
    exit 77
fi
lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2) id3=$(lab_id 3)
ctl=$LAB_BIN/kgrctl
tm()
{
    env -u TMUX LC_ALL=C.UTF-8 tmux -S "$WORK/tmux" "$@"
}
trap 'tm kill-server 2>/dev/null || true; common_finish' EXIT
# begin COLUMNS LINES CMD: CMD in a terminal of that size; its exit code is shown when it ends.
begin()
{
    tm -f /dev/null new-session -d -x "$1" -y "$2" "$3; echo \"ended \$?\"; stty -a; exec cat"
}
screen()
{
    tm capture-pane -p >"$WORK/screen"
}
shows()
{
    screen && grep -qE -- "$1" "$WORK/screen"
}
see()
{
    lab_wait_for 10 "'$1' on the screen" shows "$1" || { cat "$WORK/screen" >&2; exit 1; }
}
unseen()
{
    ! shows "$1"
}

begin 80 24 "$ctl --socket $KGR_AGENT_1 watch"
see "^kgrctl watch +$(lab_id 1) .* agent [0-9.]+ +[0-9:]{8}"
see "^ +[0-9]+ commands/s, [0-9]+ % busy, [0-9]+ waiting"
see "^$id2 +ready +1 "
see "^$id3 +ready +1 "
[ "$(wc -l <"$WORK/screen")" -le 24 ] || fail "more lines than the terminal has"
see '^q quit +s sort:peer .* 2 of 2 peers'
tm send-keys s
see 'sort:state'
tm send-keys / 0 0 0 0 3
lab_wait_for 10 'the filter' unseen "^$id2"
see "^$id3"
tm send-keys Enter
see "filter:00003 +1 of 2 peers"
tm send-keys Escape
see "^$id2 "
# A generation that is renewed meanwhile; another size.
"$ctl" --socket "$KGR_AGENT_1" renew "$id2" >/dev/null
see "^$id2 +[a-z]+ +2 "
tm resize-window -x 200 -y 60
see "^$id2 .*$LAB_CUSTODY +$LAB_SUITE"
# An agent that is started again is found again; one that does not come back ends it, with the exit code of the contract.
lab_kill "$KGR_AGENT_1_PID"
see '^! .*agent'
lab_spawn node-1 "$LAB/node-1/log" $KGR_AGENT_1_CMD
restarted=$LAB_PID
lab_wait_for 10 'the agent to be back' unseen '^! .*agent'
tm send-keys q
see '^ended 0'
see 'icanon' && see ' echo '
tm kill-server

begin 200 60 "$ctl --socket $KGR_AGENT_1 watch"
see "^$id2 .*$LAB_SUITE"
lab_kill "$restarted"
lab_wait_for 20 'its end' shows '^ended 3' || { cat "$WORK/screen" >&2; exit 1; }
grep -qE '^kgrctl: watch: .*agent' "$WORK/screen" || fail "it does not say why it ended"
grep -q ' echo ' "$WORK/screen" || fail "the terminal is not as it was"
tm kill-server

# No terminal, one that can do nothing, no agent.
expect 2 'watch: it needs a terminal' "$ctl" watch </dev/null
begin 80 24 "TERM=nonsense $ctl watch"
see 'set TERM to what it is' && see '^ended 2'
tm kill-server
begin 80 24 "$ctl --socket $WORK/nobody watch"
see 'kgrctl: watch: .*nobody' && see '^ended 3'
