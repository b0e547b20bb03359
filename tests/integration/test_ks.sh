#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgr-ks on a real TPM and broker: whom it obeys and whom not, what it says about bad input, what stands on
# its disk, and that kill -9 loses nothing.
. "$(dirname "$0")/common.sh"

lab_open "$WORK/lab"
lab_broker
lab_tpm "$LAB/ks/tpm" ks-tpm
lab_ks_conf "$LAB_TCTI"
lab_tpm "$LAB/ac/tpm" ac-tpm
lab_ac_conf "$LAB_TCTI"
lab_tpm "$LAB/other/tpm" other-tpm
mkdir -p "$LAB/other"
cat >"$LAB/other/ac.conf" <<CONF
state = "$LAB/other/state";
ks_socket = "$LAB/ks/ks.sock";
tpm = { tcti = "$LAB_TCTI"; };
CONF
other_ac()
{
    "$LAB_BIN/kgr-ac" --config "$LAB/other/ac.conf" "$@"
}
ks_conf=$LAB/ks/ks.conf
ks=("$LAB_BIN/kgr-ks" --config "$ks_conf")
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")

# Before init nothing can be run; usage errors are 2.
expect 9 'run the command init first' "${ks[@]}" run
expect 2 '' "${ks[@]}" frobnicate
expect 2 '' "${ks[@]}" init

# A wrong key and a wrong value: file and line.
sed 's/^broker/brokre/' "$ks_conf" >"$WORK/bad.conf"
expect 9 'bad.conf:[0-9]' "$LAB_BIN/kgr-ks" --config "$WORK/bad.conf" identity
{ cat "$ks_conf"; echo 'lifetime = 1;'; } >"$WORK/bad.conf"
expect 9 'bad.conf:[0-9]+.*lifetime' "$LAB_BIN/kgr-ks" --config "$WORK/bad.conf" identity

# A damaged identity of the AC pins nobody.
lab_ac init -o "$WORK/ac.pub" >/dev/null
head -c 100 "$WORK/ac.pub" >"$WORK/short.pub"
cp "$WORK/ac.pub" "$WORK/flipped.pub"
printf '\377' | dd of="$WORK/flipped.pub" bs=1 seek=60 conv=notrunc status=none
for f in short flipped; do
    expect 8 '' "${ks[@]}" init --ac "$WORK/$f.pub" -o "$WORK/ks.pub"
    [ ! -e "$WORK/ks.pub" ] || fail "an identity was written all the same"
done
"${ks[@]}" init --ac "$WORK/ac.pub" -o "$WORK/ks.pub" >/dev/null 2>&1
expect 1 'already' "${ks[@]}" init --ac "$WORK/ac.pub" -o "$WORK/ks2.pub"
"${ks[@]}" identity --json | grep -q '"ks": "[0-9a-f]\{64\}"' || fail "identity prints no identity"
lab_ac pin "$WORK/ks.pub" >/dev/null

# Nobody serves: exit code 3. Then one process for a state folder.
expect 3 '' "${ac[@]}" node list
lab_run_ks
expect 1 '' "${ks[@]}" identity

# What ks.pub grants opens in no other AC's TPM.
other_ac init -o "$WORK/other.pub" >/dev/null
expect 8 'for another AC' "$LAB_BIN/kgr-ac" --config "$LAB/other/ac.conf" pin "$WORK/ks.pub"
expect 1 'no key server is pinned' "$LAB_BIN/kgr-ac" --config "$LAB/other/ac.conf" node add mallory-000001 -o "$WORK/mallory"
[ ! -s "$WORK/mallory" ] || fail "a strange AC got a credential"

# Orders that are carried out once, and those that cannot be.
lab_ac node add gateway-00001 --peers gateway-00002 -o "$WORK/cred1" >/dev/null
[ "$(stat -c %a "$WORK/cred1")" = 600 ] || fail "the credential is not 0600"
expect 1 '' "${ac[@]}" node add gateway-00001 -o "$WORK/cred1b"
expect 4 '' "${ac[@]}" node show gateway-00009
lab_ac pair allow gateway-00001 gateway-00003 >/dev/null
lab_ac pair deny gateway-00001 gateway-00003 >/dev/null
matrix=$(lab_ac pair matrix --json | tr -d ' \n')
case "$matrix" in
*'"gateway-00001","b":"gateway-00002"'* | *'gateway-00001'*'gateway-00002'*) ;;
*) fail "the allowed pair is not in the matrix: $matrix" ;;
esac

# A credential that nobody used in time is over.
lab_ac node add gateway-00004 --valid 1s -o "$WORK/cred4" >/dev/null
expired()
{
    lab_ac node list | grep -q 'gateway-00004 .*expired'
}
lab_wait_for 30 "the credential to expire" expired

# What it knows stands after kill -9; the sequence of orders goes on.
lab_kill "$LAB_KS_PID" KILL
rm -f "$LAB/ks/ks.sock" # left by the dead one: waiting for it would wait for nothing
before=$(grep -c . "$LAB/ks/log")
lab_run_ks
lab_ac node list | grep -q gateway-00001 || fail "the KS forgot a node over kill -9"
tail -n +"$((before + 1))" "$LAB/ks/log" | grep -q 'INFO start' || fail "the KS did not start again"
! grep -q 'put back or copied' "$LAB/ks/log" || fail "kill -9 was taken for a restored database"

# A database that was put back is noticed.
lab_kill "$LAB_KS_PID"
cp -a "$LAB/ks/state" "$WORK/backup"
lab_run_ks
lab_kill "$LAB_KS_PID"
lab_run_ks
lab_kill "$LAB_KS_PID"
rm -rf "$LAB/ks/state"
cp -a "$WORK/backup" "$LAB/ks/state"
lab_run_ks
grep -q 'put back or copied' "$LAB/ks/log" || fail "a restored database was not noticed"

# Frames that nobody signed: counted, and nothing else happens.
topic=$(KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status --json |
    sed -n 's/.*"topic0": *"\([^"]*\)".*/\1/p')
refused()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status --json |
        sed -n 's/.*"frames_refused": *\([0-9]*\).*/\1/p'
}
broker_up()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status --json | grep -q '"broker_connected": true'
}
lab_wait_for 20 "the broker" broker_up
head -c 40 /dev/urandom >"$WORK/junk1"
{ printf 'KGRF\001\001\001\001'; head -c 40 /dev/urandom; printf '\000\000\000\020'; head -c 48 /dev/urandom; } >"$WORK/junk2"
: >"$WORK/junk3"
for f in junk1 junk2 junk3; do
    mosquitto_pub -V 5 -h 127.0.0.1 -p "$LAB_PORT" -t "$topic" -f "$WORK/$f"
done
three()
{
    [ "$(refused)" = 3 ]
}
lab_wait_for 10 "three frames to be refused" three
kill -0 "$LAB_KS_PID" || fail "the KS died of a bad frame"

# A TPM that goes away is said, by the orders that need it and in the status; the KS goes on when it is back.
alarms()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status | sed -n 's/^alarms *//p'
}
[ "$(alarms)" = none ] || grep -q 'put back' <<<"$(alarms)" || fail "alarms without a reason: $(alarms)"
lab_kill "$(awk '$2 == "ks-tpm" { print $1 }' "$LAB/pids")" KILL
expect 7 'TPM' "${ac[@]}" node list
grep -q 'TPM has failed' <<<"$(alarms)" || fail "the status does not say that the TPM failed: $(alarms)"
lab_tpm "$LAB/ks/tpm" ks-tpm
expect 0 'gateway-00001' "${ac[@]}" node list
! grep -q 'TPM has failed' <<<"$(alarms)" || fail "the status still says that the TPM failed"

# Another TPM is not the one of this KS.
lab_kill "$LAB_KS_PID"
lab_tpm "$LAB/swapped/tpm" swapped-tpm
sed "s|tcti = \"[^\"]*\"|tcti = \"$LAB_TCTI\"|" "$ks_conf" >"$WORK/swapped.conf"
expect 8 'TPM' "$LAB_BIN/kgr-ks" --config "$WORK/swapped.conf" run
sed 's|tcti = "[^"]*"|tcti = "swtpm:path=/nonexistent/sock"|' "$ks_conf" >"$WORK/absent.conf"
expect 7 '' "$LAB_BIN/kgr-ks" --config "$WORK/absent.conf" run
echo "kgr-ks: all held"
