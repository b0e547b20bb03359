#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The state folders of a node, the KS and the AC in other hands: on another TPM, with pages and files changed, cut, or put back
# from another start. Each is refused with its reason, nothing is made in its place, and the right state works afterwards.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2)
echo plain >"$WORK/plain"
lab_tpm "$WORK/other/tpm" other
other=$LAB_TCTI

stop_all()
{
    local name
    for name in agent-1 ks; do
        lab_kill "$(awk -v name=$name '$2 == name { pid = $1 } END { print pid }' "$LAB/pids")"
    done
    rm -f "$LAB/ks/ks.sock"
}
start_all()
{
    lab_run_ks
    lab_run_agent 1
}

# change FILE OFFSET: another byte there.
change()
{
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# attack WHO CONF COMMAND...: what a thief may do with the folder that CONF names, while the program is stopped.
attack()
{
    local who=$1 conf=$2 state db kept=$WORK/kept-$1
    shift 2
    state=$(sed -n 's/^state = "\(.*\)";/\1/p' "$conf")
    db=$(echo "$state"/*.db)
    [ -f "$db" ] || fail "$who: no single database in $state"
    cp -a "$state" "$kept"
    again()
    {
        rm -rf "$state"
        cp -a "$kept" "$state"
    }

    # Another TPM, with a copy of everything.
    cp -a "$state" "$WORK/stolen-$who"
    sed -e "s|^state = .*|state = \"$WORK/stolen-$who\";|" -e "s|^tpm = .*|tpm = { tcti = \"$other\"; };|" "$conf" >"$WORK/stolen.conf"
    expect 8 'this TPM is not the one' "$1" --config "$WORK/stolen.conf" "${@:2}"

    # Pages: changed, of another start, moved within the file. The first one tells the key of the file.
    change "$db" 5000
    expect 8 "$(basename "$db"): page 2 does not open" "$1" --config "$conf" "${@:2}"
    again
    change "$db" 100
    expect 8 'no key of it opens the first page' "$1" --config "$conf" "${@:2}"
    again
    dd if="$WORK/yesterday-$who/$(basename "$db")" of="$db" bs=4096 skip=1 seek=1 count=1 conv=notrunc status=none
    expect 8 'page 2 does not open.*put back' "$1" --config "$conf" "${@:2}"
    again
    dd if="$kept/$(basename "$db")" of="$db" bs=4096 skip=1 seek=2 count=1 conv=notrunc status=none
    expect 8 'page 3 does not open' "$1" --config "$conf" "${@:2}"
    again

    # Files: the database cut to nothing or not there, the vault changed, not there, or open to others.
    : >"$db"
    expect 8 "missing or empty, but was in use" "$1" --config "$conf" "${@:2}"
    [ ! -s "$db" ] || fail "$who: another database was made in the place of the empty one"
    rm "$db"
    expect 8 "missing or empty, but was in use" "$1" --config "$conf" "${@:2}"
    [ ! -e "$db" ] || fail "$who: another database was made"
    again
    change "$state/vault" 40
    expect 8 'vault: damaged' "$1" --config "$conf" "${@:2}"
    again
    chmod 644 "$state/vault"
    expect 9 'vault: others may use it' "$1" --config "$conf" "${@:2}"
    again
    chmod 640 "$db"
    expect 9 'others may use it' "$1" --config "$conf" "${@:2}"
    again
    chmod 750 "$state"
    expect 9 'others may enter' "$1" --config "$conf" "${@:2}"
    again
    # What stands in the way of a new file is removed, and never followed.
    echo mine >"$WORK/victim-$who"
    ln -s "$WORK/victim-$who" "$db.new"
}

for who in node-1 ks ac; do
    cp -a "$LAB/$who/state" "$WORK/yesterday-$who" # as a thief finds it: its program may run
done
stop_all
start_all
lab_ac node list >/dev/null
stop_all

attack node-1 "$LAB/node-1/agent.conf" "$LAB_BIN/kgr-agent" run
attack ks "$LAB/ks/ks.conf" "$LAB_BIN/kgr-ks" run
attack ac "$LAB/ac/ac.conf" "$LAB_BIN/kgr-ac" node list

# The right state goes on, as if nothing had been.
start_all
for who in node-1 ks; do
    ! grep -q 'put back or copied' "$LAB/$who/log" || fail "$who: a false alarm"
done
lab_ac node list >"$WORK/out" 2>&1
! grep -q 'put back' "$WORK/out" || fail "ac: a false alarm"
for who in node-1 ks ac; do
    [ "$(cat "$WORK/victim-$who")" = mine ] || fail "$who: a link beside the database was followed"
done
lab_wait_for 20 "the lease" bash -c "KGR_AGENT=$KGR_AGENT_1 $LAB_BIN/kgrctl status --json | grep -qE '\"lease_s\": *[1-9]'"
lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record"
lab_ctl 2 open "$(lab_id 1)" <"$WORK/record" | cmp - "$WORK/plain" || fail "the key is lost"

# Whole folders of yesterday: it is said, once, and what they hold of keys counts no more.
stop_all
for who in node-1 ks ac; do
    rm -rf "$LAB/$who/state"
    cp -a "$WORK/yesterday-$who" "$LAB/$who/state"
done
start_all
lab_ac node list >/dev/null 2>"$WORK/err"
grep -q 'the state of this AC was put back or copied' "$WORK/err" || fail "ac: no word about yesterday's state"
lab_ac node list >/dev/null 2>"$WORK/err"
[ ! -s "$WORK/err" ] || fail "ac: $(cat "$WORK/err")"
for who in node-1 ks; do
    grep -q 'put back or copied' "$LAB/$who/log" || fail "$who: no word about yesterday's state"
done
lab_ac audit | grep -q 'put back or copied' || fail "the audit log does not know that the KS was put back"
lab_ac audit verify >/dev/null || fail "the record broke the chain"
lab_ctl 1 status | grep -q 'put back' || fail "node 1 shows no alarm"
KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status | grep -q 'put back' || fail "the KS shows no alarm"
