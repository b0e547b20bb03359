#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Damaged state, wall clocks that jump by years, and full disks: refused or survived with a clear word, nothing made anew in
# silence, nothing announced that is not on the disk.
if [ -z "${FAULTS_MOUNTS:-}" ] && unshare -m true 2>/dev/null; then
    exec env FAULTS_MOUNTS=1 unshare -m bash "$0"
fi
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2)
AGENT="$LAB_BIN/kgr-agent --config $LAB/node-1/agent.conf"
KS="$LAB_BIN/kgr-ks --config $LAB/ks/ks.conf"
AC="$LAB_BIN/kgr-ac --config $LAB/ac/ac.conf"
AC_STATE=$LAB/ac/state KS_STATE=$LAB/ks/state
echo plain >"$WORK/plain"

sums()
{
    (cd "$1" && find . -type f ! -name lock ! -name '*-wal' -exec md5sum {} + | sort)
}

# spoil FOLDER FILE HOW
spoil()
{
    local file=$1/$2 size
    size=$(stat -c %s "$file")
    case $3 in
    empty) : >"$file" ;;
    gone) rm "$file" ;;
    short) truncate -s 100 "$file" ;;
    half) truncate -s $((size / 2)) "$file" ;;
    pages) truncate -s $((size / 2 / 4096 * 4096)) "$file" ;;
    changed) printf XYZ | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none ;;
    noise) head -c 20000 /dev/urandom >"$file" ;;
    esac
}

# refused STATUS PATTERN FOLDER FILE HOW CMD...: CMD refuses the state that is spoiled so, and leaves it as it is.
refused()
{
    local status=$1 pattern=$2 folder=$3 file=$4 how=$5
    shift 5
    rm -rf "$WORK/saved"
    cp -a "$folder" "$WORK/saved"
    spoil "$folder" "$file" "$how"
    sums "$folder" >"$WORK/before"
    expect "$status" "$pattern" "$@"
    sums "$folder" | cmp -s - "$WORK/before" || fail "$file that is $how was changed by: $*"
    rm -rf "$folder"
    mv "$WORK/saved" "$folder"
}

works()
{
    lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record" 2>/dev/null &&
        lab_ctl 2 open "$(lab_id 1)" <"$WORK/record" 2>/dev/null | cmp -s - "$WORK/plain"
}

lease()
{
    lab_ctl "$1" status --json | grep -qE '"lease_s": *[1-9]'
}

# Damage.
lab_kill "$KGR_AGENT_1_PID"
lab_kill "$KGR_KS_PID"
for how in empty gone short half pages changed noise; do
    refused 8 "$KGR_STATE_1" "$KGR_STATE_1" agent.db $how $AGENT run
    refused 8 "$KS_STATE" "$KS_STATE" ks.db $how $KS run
    refused 8 "$AC_STATE" "$AC_STATE" ac.db $how $AC node list
done
for how in empty short half changed noise; do
    refused 8 'vault' "$KGR_STATE_1" vault $how $AGENT run
    refused 8 'vault' "$KS_STATE" vault $how $KS run
    refused 8 'vault' "$AC_STATE" vault $how $AC node list
done
# Neither does init make it anew.
for how in empty gone; do
    refused 8 'in use' "$KGR_STATE_1" agent.db $how $AGENT init
    refused 8 'in use' "$KS_STATE" ks.db $how $KS init --ac "$LAB/ac/ac.pub" -o "$WORK/other.pub"
    refused 8 'in use' "$AC_STATE" ac.db $how $AC init -o "$WORK/other.pub"
done
refused 9 'not initialised' "$KGR_STATE_1" vault gone $AGENT run
refused 9 'not initialised' "$KS_STATE" vault gone $KS run
refused 9 'not initialised' "$AC_STATE" vault gone $AC node list

# A log with a damaged header holds what was committed since the start: SQLite would pass over it.
lab_run_ks
lab_run_agent 1
lab_wait_for 20 "the lease" lease 1
lab_ctl 1 renew "$id2" >/dev/null
lab_kill "$LAB_AGENT_PID" KILL
lab_kill "$LAB_KS_PID" KILL
refused 8 'agent.db-wal: damaged' "$KGR_STATE_1" agent.db-wal noise $AGENT run
refused 8 'ks.db-wal: damaged' "$KS_STATE" ks.db-wal noise $KS run

# The clock: what the KS and node 1 take for the time of day moves; what has passed since the boot does not.
export KGR_TEST_SHIFT_FILE=$WORK/shift
shifted()
{
    LD_PRELOAD=$LAB_BUILD/tests/libkgrshiftclock.so "$@"
}
WRONG="env LD_PRELOAD=$LAB_BUILD/tests/libkgrshiftclock.so"
years=$((10 * 366 * 86400))
echo 0 >"$WORK/shift"
now()
{
    shifted date +%s
}
before=$(now)
echo $years >"$WORK/shift"
[ "$(now)" -ge $((before + years)) ] || fail "the clock does not move"
echo 0 >"$WORK/shift"
shifted lab_run_ks
shifted lab_run_agent 1
lab_wait_for 20 "the lease" lease 1
lab_ctl 1 wait "$id2" >/dev/null
generation()
{
    lab_ctl 1 peers --json | tr -d ' \n' | sed -n "s/.*\"peer\":\"$id2\",\"generation\":\([0-9]*\).*/\1/p"
}
young()
{
    local age expires
    age=$(lab_ctl 1 peers --json | tr -d ' \n' | sed -n 's/.*"age_s":\([0-9]*\).*/\1/p')
    expires=$(lab_ctl 1 peers --json | tr -d ' \n' | sed -n 's/.*"expires_s":\([0-9]*\).*/\1/p')
    [ "$age" -lt 3600 ] && [ "$expires" -gt $((29 * 86400)) ] && [ "$expires" -le $((30 * 86400)) ]
}
held=$(generation)
for jump in $years -$years; do
    echo "$jump" >"$WORK/shift"
    works || fail "no record after a jump of $jump s"
    young || fail "the age of a key follows the wall clock"
    lease 1 || fail "the lease follows the wall clock"
    lab_kill "$LAB_KS_PID"
    lab_kill "$LAB_AGENT_PID"
    shifted lab_run_ks
    shifted lab_run_agent 1
    lab_wait_for 20 "the lease" lease 1
    works || fail "no record after a start at $jump s"
    young || fail "the age of a key followed the wall clock over a start"
    [ "$(generation)" = "$held" ] || fail "a jump of $jump s made another key"
done
# Orders say when they expire: an AC whose clock is wrong is refused, whichever way, and nothing comes of it.
echo 0 >"$WORK/shift"
export KGR_TEST_SHIFT_FILE=$WORK/shift.ac
wrong_clock()
{
    echo "$1" >"$WORK/shift.ac"
    expect "$2" "$3" $WRONG $AC node add gateway-00007 -o "$WORK/credential7"
    [ ! -e "$WORK/credential7" ] || fail "a credential of a refused order"
    [ "$(lab_ac node list | grep -c gateway-00007)" = 0 ] || fail "a refused order did something"
}
wrong_clock $years 2 'compare the clocks'
wrong_clock -$years 1 'expired'
expect 0 'may register' $AC node add gateway-00007 -o "$WORK/credential7"
# So does a credential: a node far ahead refuses it and keeps the file; one far behind does not mind.
lab_tpm "$LAB/node-7/tpm" tpm-7
lab_node_conf 7 "$LAB_TCTI"
agent7="$LAB_BIN/kgr-agent --config $LAB/node-7/agent.conf"
$agent7 init >/dev/null
echo $years >"$WORK/shift.ac"
expect 1 'expired' $WRONG $agent7 enroll "$WORK/credential7"
[ -e "$WORK/credential7" ] || fail "a refused credential was wiped"
echo -$years >"$WORK/shift.ac"
expect 0 'registered' $WRONG $agent7 enroll "$WORK/credential7"
unset KGR_TEST_SHIFT_FILE

# Full disks.
if [ -z "${FAULTS_MOUNTS:-}" ]; then
    echo "full disks are not tested: unshare -m is not allowed here"
    exit 0
fi
lab_kill "$LAB_AGENT_PID"
lab_kill "$LAB_KS_PID"

# small FOLDER KIB: a file system of its own for FOLDER; full FOLDER, room FOLDER.
small()
{
    rm -rf "$WORK/saved"
    cp -a "$1" "$WORK/saved"
    mount -t tmpfs -o "size=${2}k,mode=700" tmpfs "$1"
    cp -a "$WORK/saved/." "$1"
}
full()
{
    head -c 4M /dev/zero >"$1/filler" 2>/dev/null || true
    [ "$(stat -f -c %a "$1")" = 0 ] || fail "$1 is not full"
}
room()
{
    rm "$1/filler"
}

# The types of all frames that the broker saw, one a line, from listen on.
listen()
{
    : >"$WORK/frames"
    mosquitto_sub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t '#' -F '%x' >>"$WORK/frames" 2>/dev/null &
    LISTENER=$!
    lab_wait_for 5 "the listener" heard_probe
}
heard_probe()
{
    mosquitto_pub -h 127.0.0.1 -p "$KGR_BROKER_PORT" -t probe -m probe
    [ -s "$WORK/frames" ]
}
sent()
{
    grep -qiE "^4b47524601$1" "$WORK/frames"
}

# A node says so, sends no request that is not on its disk, keeps what it has, and goes on.
lab_run_ks
small "$KGR_STATE_1" 256
lab_run_agent 1
lab_wait_for 20 "the lease" lease 1
works || fail "no record on a small disk"
full "$KGR_STATE_1"
listen
expect 1 'disk full' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" renew "$id2"
lab_ctl 1 status | grep -q 'state cannot be written' || fail "no alarm of a full disk"
grep -q 'ERROR state_not_written.*full' "$LAB/node-1/log" || fail "a full disk is not in the log"
! sent 07 || fail "a request was sent that is not on the disk"
[ "$(generation)" = "$held" ] || fail "a key was made or lost on a full disk"
room "$KGR_STATE_1"
lab_ctl 1 renew "$id2" >/dev/null || fail "no renewal with room again"
sent 07 || fail "the listener sees no request"
kill "$LISTENER"
! lab_ctl 1 status | grep -q 'state cannot be written' || fail "the alarm of a full disk stays"
works || fail "no record after a full disk"
# Nor does a start on a full disk spend anything.
lab_kill "$LAB_AGENT_PID"
full "$KGR_STATE_1"
expect 1 'full|No space' $AGENT run
room "$KGR_STATE_1"
lab_run_agent 1
lab_wait_for 20 "the lease" lease 1
! lab_ctl 1 status | grep -q 'put back' || fail "a start on a full disk looks like a copy"
works || fail "no record after a start on a full disk"

# The KS stops, offers no key that is not on its disk, and begins again by itself.
lab_kill "$LAB_KS_PID"
small "$KS_STATE" 512
lab_run_ks
lab_wait_for 20 "the lease" lease 1
held=$(generation)
full "$KS_STATE"
listen
lab_ctl 1 renew "$id2" --timeout 30 >"$WORK/renewed" 2>&1 &
renewing=$!
stopped()
{
    grep -q 'ERROR state_not_written.*again_in_s' "$LAB/ks/log"
}
lab_wait_for 20 "the KS to say that its disk is full" stopped
kill -0 "$LAB_KS_PID" || fail "the KS is gone"
! sent 08 && ! sent 09 || fail "a key was offered that is not on the disk"
expect 3 'ks.sock' $AC node list
room "$KS_STATE"
lab_wait_for 30 "the KS to begin again" lab_ac node list
wait $renewing || { cat "$WORK/renewed"; fail "the renewal did not go on"; }
sent 08 && sent 09 || fail "the listener sees no key"
kill "$LISTENER"
[ "$(generation)" -gt "$held" ] || fail "no new generation"
"$LAB_BIN/kgrctl" --ks --socket "$LAB/ks/ks.sock" status | grep -q 'could not be written' || fail "no alarm at the KS"
works || fail "no record after a full disk of the KS"

# The AC sends no order that is not on its disk.
small "$AC_STATE" 64
full "$AC_STATE"
expect 1 'full' $AC node add gateway-00008 -o "$WORK/credential8"
room "$AC_STATE"
[ "$(lab_ac node list | grep -c gateway-00008)" = 0 ] || fail "an order was sent that is not on the disk"
expect 0 'may register' $AC node add gateway-00008 -o "$WORK/credential8"
umount "$AC_STATE"
lab_down "$LAB"
umount "$KS_STATE" "$KGR_STATE_1"
