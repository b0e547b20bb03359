#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The ends of kgrctl and kgr-ac: a reader that left, a full device, closed standard files, other locales and terminals, and an agent or a
# key server that is killed in the middle of each command. Exit codes of the contract, one line or none, and no half of a file.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
export KGR_AGENT=$KGR_AGENT_1 KGR_KS
mkdir "$WORK/bin" "$WORK/out.d"
printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$LAB_BIN/kgr-ac" "$LAB/ac/ac.conf" >"$WORK/bin/ac"
chmod +x "$WORK/bin/ac"
PATH=$WORK/bin:$LAB_BIN:$PATH
echo "a few words" >"$WORK/words"
kgrctl seal "$id2" -i "$WORK/words" -o "$WORK/record" --stored
two()
{
    kgrctl --socket "$KGR_AGENT_2" "$@"
}

# Commands that print, a line each.
cat >"$WORK/prints" <<TEXT
kgrctl --help
kgrctl --version
kgrctl status
kgrctl status --json
kgrctl --ks status
kgrctl peers
kgrctl peers --json
kgrctl topics $id2
kgrctl request $id2
kgrctl wait $id2 --json
kgrctl handle $id2
kgrctl seal $id2 -i $WORK/words
kgrctl --socket $KGR_AGENT_2 open $id1 --stored -i $WORK/record
kgrctl audit
kgrctl audit --json
kgrctl audit verify
kgrctl metrics
kgrctl --ks metrics
kgrctl mirror list
kgrctl reload
ac node list
ac node list --json
ac pair matrix
ac pair matrix --grid
ac pair matrix --dot
ac audit
ac audit verify --json
TEXT
# ends STATUS LINES: the last command ended so, with so many lines of error.
ends()
{
    local lines
    lines=$(grep -vc '^INFO ' "$WORK/err" || true)
    [ "$status" = "$1" ] || fail "exit code $status instead of $1 from: $command ($(cat "$WORK/err"))"
    [ "$lines" = "$2" ] || fail "$lines lines of error instead of $2 from: $command ($(cat "$WORK/err"))"
}
# A pipe without a reader.
mkfifo "$WORK/fifo"
exec 7<>"$WORK/fifo" 8>"$WORK/fifo" 7<&-
printed=0
while read -r command; do
    status=0
    timeout 30 $command >&8 2>"$WORK/err" </dev/null || status=$?
    ends 1 0
    status=0
    timeout 30 $command >/dev/full 2>"$WORK/err" </dev/null || status=$?
    ends 1 1
    grep -q 'standard output' "$WORK/err" || fail "a full device is not named: $(cat "$WORK/err")"
    printed=$((printed + 1))
done <"$WORK/prints"
[ $printed = 27 ] || fail "only $printed commands were tried"
# What waits notices that its reader left; a message stays for the next.
two send "$id1" "$WORK/words"
for command in "kgrctl recv" "kgrctl recv --json" "kgrctl events"; do
    status=0
    timeout 30 $command >&8 2>"$WORK/err" </dev/null || status=$?
    ends 1 0
done
exec 8>&-

# Standard files that are closed: nothing takes their place.
command="kgrctl recv" status=0
kgrctl recv >&- 2>"$WORK/err" || status=$?
ends 1 0
for command in "kgrctl status" "kgrctl peers --json"; do
    status=0
    $command >&- 2>"$WORK/err" || status=$?
    ends 1 1
done
kgrctl handle "$id2" 2>&- <&- >"$WORK/out"
[ "$(wc -l <"$WORK/out")" = 1 ] || fail "closed files change the output: $(cat "$WORK/out")"
command="kgrctl seal" status=0
kgrctl seal "$id2" <&- >"$WORK/out" 2>"$WORK/err" || status=$?
ends 1 1
grep -q 'standard input' "$WORK/err" || fail "a closed input is not named: $(cat "$WORK/err")"
status=0
kgrctl handle nobody <&- >&- 2>&- || status=$?
[ $status = 4 ] || fail "with all of them closed the exit code is $status"
[ "$(kgrctl recv)" = "a few words" ] || fail "the message is gone"

# Locales that are not UTF-8 or not there at all, terminals that can nothing: the same, without a control character.
printf 'gr\303\274n' | two send "$id1"
LC_ALL=C kgrctl recv --json | grep -q $'"data":"gr\303\274n"' || fail "another locale changes JSON"
kgrctl peers | sed 's/ [0-9]*s / s /' >"$WORK/peers"
for locale in C POSIX xx_YY.ISO-8859-1; do
    LC_ALL=$locale kgrctl peers 2>&1 | sed 's/ [0-9]*s / s /' | diff -b - "$WORK/peers" || fail "peers is another in the locale $locale"
done
for term in "" dumb; do
    TERM=$term script -qec "env -u NO_COLOR kgrctl peers" /dev/null </dev/null >"$WORK/out"
    ! grep -q $'\033' "$WORK/out" || fail "control characters for the terminal '$term'"
done
# On a terminal, what takes longer than a second says so, and takes it back.
script -qec "kgrctl wait $id2 --generation 99 --timeout 2; echo ended \$?" /dev/null </dev/null >"$WORK/out"
grep -q $'\rwaiting for '"$id2, 1 s" "$WORK/out" && grep -q '^ended 6' "$WORK/out" || fail "no progress: $(cat "$WORK/out")"

# A line, and another when the agent is gone.
feed()
{
    echo "a line"
    until [ -e "$WORK/killed" ]; do
        sleep 0.1
    done
    echo "a line"
}
# start CMD...: CMD in the background. begin CMD...: it is connected when this returns.
pids=() names=()
connected()
{
    find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | grep -q .
}
start()
{
    names+=("$*")
    "$@" < <(feed) >"$WORK/out.d/${#names[@]}" 2>&1 &
    pids+=($!)
}
begin()
{
    start "$@"
    lab_wait_for 10 "$* to be connected" connected "${pids[-1]}"
}
# all_end STATUS: all that began ends so, with one line.
all_end()
{
    local i status
    for i in "${!pids[@]}"; do
        status=0
        wait "${pids[$i]}" || status=$?
        [ $status = "$1" ] || fail "exit code $status instead of $1 from: ${names[$i]} ($(cat "$WORK/out.d/$((i + 1))"))"
        [ "$(grep -vc '^INFO ' "$WORK/out.d/$((i + 1))")" = 1 ] || fail "not one line of error from: ${names[$i]} ($(cat "$WORK/out.d/$((i + 1))"))"
    done
    pids=() names=()
}

# An agent that answers nothing: a command that is ended by a signal leaves no file behind.
kill -STOP "$KGR_AGENT_1_PID"
echo kept >"$WORK/kept"
begin kgrctl seal "$id2" -i "$WORK/words" -o "$WORK/kept"
opened()
{
    compgen -G "$WORK/kept.*"
}
lab_wait_for 10 "the output to be opened" opened
kill -TERM "${pids[0]}"
wait "${pids[0]}" 2>/dev/null || true
! opened || fail "a signal leaves $(opened) behind"
kill -CONT "$KGR_AGENT_1_PID"
pids=() names=()

# Killed while each waits for something that does not come, the KS being away.
kill -STOP "$KGR_KS_PID"
lab_ctl 1 status >/dev/null
begin kgrctl wait "$id2" --generation 99
begin kgrctl recv
begin kgrctl recv "$id2" --count 0 --lines
begin kgrctl events
begin kgrctl events --json --peer "$id2"
begin kgrctl request nobody-yet
begin kgrctl renew "$id2"
begin kgrctl send "$id2" --lines
start kgrctl seal "$id2" -o "$WORK/kept"
# And while none of the others is answered at all.
kill -STOP "$KGR_AGENT_1_PID"
for command in status peers metrics audit reload "topics $id2" "handle $id2" "mirror list" "renew --nksk" "audit export $WORK/kept" \
    "seal $id2 -i $WORK/words -o $WORK/kept" "open $id2 -i $WORK/record -o $WORK/kept" "send $id2 $WORK/words"; do
    # shellcheck disable=SC2086
    begin kgrctl $command
done
kill -KILL "$KGR_AGENT_1_PID"
touch "$WORK/killed"
all_end 3
[ "$(cat "$WORK/kept")" = kept ] && ! opened || fail "an agent that was killed leaves half a file: $(ls "$WORK")"

# A key server that is killed.
begin ac audit verify
kill -KILL "$KGR_KS_PID"
all_end 3
