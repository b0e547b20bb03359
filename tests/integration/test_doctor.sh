#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgrctl doctor against a lab that is broken in one way at a time: it names exactly that, nothing else, with the exit code of the
# contract, and is content again afterwards.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA="lease = 600;" LAB_AGENT_EXTRA="request_timeout = 2;" lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
ctl=$LAB_BIN/kgrctl
export KGR_AGENT=$KGR_AGENT_1 KGR_KS XDG_CONFIG_HOME=$WORK/xdg
export OPENSSL_CONF=$LAB_ROOT/packaging/openssl/kgr.cnf OPENSSL_MODULES=$LAB_LIB
mkdir -p "$WORK/xdg/pkcs11/modules"
module=$WORK/xdg/pkcs11/modules/kgr.module
echo "module: $LAB_LIB/libkgr-pkcs11.so" >"$module"

not_well()
{
    python3 -c 'import json, sys
print(*(f["check"] + "=" + f["state"] for f in json.load(sys.stdin) if f["state"] in ("warn", "fail")))' <"$WORK/doctor"
}
# found: what is not well, as CHECK=STATE in one line; the exit code in STATUS.
found()
{
    STATUS=0
    "$ctl" doctor --json "$@" >"$WORK/doctor" 2>"$WORK/doctor.err" || STATUS=$?
    FOUND=$(not_well)
}
# sees WANTED CODE [OPTIONS...]: for a wait, and names: at once.
sees()
{
    local wanted=$1 code=$2
    shift 2
    found "$@"
    [ "$FOUND" = "$wanted" ] && [ $STATUS = "$code" ]
}
names()
{
    sees "$@" || fail "instead of '$1' ($2): '$FOUND' ($STATUS): $(cat "$WORK/doctor" "$WORK/doctor.err")"
    num=$((num + 1))
}
becomes()
{
    lab_wait_for 20 "doctor to say '$1' ($2), it says '$(found; echo "$FOUND ($STATUS)")'" sees "$@"
    num=$((num + 1))
}
num=0
node_tpm=$(dirname "${KGR_TPM_1#*path=}")

becomes "" 0
"$ctl" doctor >"$WORK/table" || fail "the table ends with another code"
grep -qE '^broker +ok ' "$WORK/table" || fail "no table: $(cat "$WORK/table")"

# Doors.
OPENSSL_MODULES=$WORK names "provider=fail" 9
OPENSSL_CONF=/dev/null names "provider=warn" 0
sed '/^\[kgr_sect\]/,/^activate/{/^activate/d}' "$OPENSSL_CONF" >"$WORK/inactive.cnf"
OPENSSL_CONF=$WORK/inactive.cnf names "provider=fail" 9
echo "module: $WORK/gone/libkgr-pkcs11.so" >"$module"
names "module=fail" 9
echo "module: $LAB_LIB/libkgr-pkcs11.so" >"$module"

# Versions: an openssl that tells of another kgr.so.
mkdir "$WORK/bin"
printf '#!/bin/sh\n%s "$@" | sed "/^  kgr/,\\$ s/version: .*/version: 9.9.9/"\n' "$(command -v openssl)" >"$WORK/bin/openssl"
chmod +x "$WORK/bin/openssl"
PATH=$WORK/bin:$PATH names "versions=warn" 0

# Configuration, state, permissions.
cp "$LAB/node-1/agent.conf" "$WORK/agent.conf"
echo 'lifetme = 3;' >>"$LAB/node-1/agent.conf"
names "configuration=fail" 9
cp "$WORK/agent.conf" "$LAB/node-1/agent.conf"
echo 'budget = 3;' >>"$LAB/node-1/agent.conf"
names "configuration=fail" 9
cp "$WORK/agent.conf" "$LAB/node-1/agent.conf"
chmod 666 "$LAB/node-1/agent.conf"
names "configuration=fail" 9
chmod 600 "$LAB/node-1/agent.conf"
names "configuration=fail" 9 --config "$WORK/no-such.conf"
chmod 755 "$KGR_STATE_1"
names "state=fail" 9
chmod 700 "$KGR_STATE_1"
mv "$KGR_STATE_1" "$KGR_STATE_1.away"
names "state=fail" 9
mv "$KGR_STATE_1.away" "$KGR_STATE_1"

# TPM: objects and sessions that another program left, wrong passwords, no answer, away.
if command -v tpm2_createprimary >/dev/null; then
    tpm2_createprimary -T "$KGR_TPM_1" -C o -c "$WORK/other.ctx" -Q
    names "tpm-handles=warn" 0
    tpm2_flushcontext -T "$KGR_TPM_1" -t -Q
    tpm2_createprimary -T "$KGR_TPM_1" -C o -p right -c "$WORK/other.ctx" -Q
    tpm2_create -T "$KGR_TPM_1" -C "$WORK/other.ctx" -P wrong -u "$WORK/pub" -r "$WORK/priv" -Q 2>/dev/null || true
    tpm2_flushcontext -T "$KGR_TPM_1" -t -Q
    names "tpm-lockout=warn" 0
    tpm2_dictionarylockout -T "$KGR_TPM_1" --clear-lockout
else
    echo "test: no tpm2-tools here: no other program on the TPM"
fi
becomes "" 0

# A user who is in no group of the agent's.
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$WORK" "$LAB" "$LAB/node-1"
    cp "$LAB/node-1/agent.conf" "$WORK/agent.conf"
    chmod 644 "$WORK/agent.conf"
    STATUS=0
    # Nor may he look into the folder of this tree, perhaps, where the modules are.
    KGR_KS=/none XDG_CONFIG_HOME=/none OPENSSL_CONF=/dev/null setpriv --reuid 61001 --regid 61001 --clear-groups "$ctl" doctor --json --config "$WORK/agent.conf" >"$WORK/doctor" || STATUS=$?
    [ "$(not_well | sed 's/ provider=warn//')" = "permissions=fail" ] && [ $STATUS = 5 ] || fail "a stranger: '$(not_well)' ($STATUS)"
    num=$((num + 1))
else
    echo "test: not root: no other user tried"
fi

# The broker wants a password that nobody has; it is killed.
lab_kill "$KGR_BROKER_PID" KILL
cp "$LAB/broker/mosquitto.conf" "$WORK/mosquitto.conf"
sed 's/allow_anonymous true/allow_anonymous false/' "$WORK/mosquitto.conf" >"$LAB/broker/mosquitto.conf"
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
KGR_KS=/none becomes "broker-login=fail" 1
lab_kill "$LAB_PID"
cp "$WORK/mosquitto.conf" "$LAB/broker/mosquitto.conf"
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
KGR_BROKER_PID=$LAB_PID
becomes "" 0
lab_kill "$KGR_BROKER_PID" KILL
KGR_KS=/none becomes "broker=fail" 1
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD
KGR_BROKER_PID=$LAB_PID
becomes "" 0

# The TPM is killed, and comes back.
lab_kill "$(awk '$2 == "tpm-1" { pid = $1 } END { print pid }' "$LAB/pids")" KILL
"$ctl" seal "$KGR_ID_2" --input "$0" >/dev/null 2>&1 || true
becomes "tpm=fail" 7
lab_tpm "$node_tpm" tpm-1
# A TPM that lost its power after a wrong password counts one more.
! command -v tpm2_dictionarylockout >/dev/null || tpm2_dictionarylockout -T "$KGR_TPM_1" --clear-lockout
becomes "" 0

# The agent: hung, something else in its place, killed, never there, without its sandbox.
kill -STOP "$KGR_AGENT_1_PID"
names "agent=fail" 6 --config "$LAB/node-1/agent.conf"
kill -CONT "$KGR_AGENT_1_PID"
: >"$WORK/file"
names "agent=fail" 3 --config "$LAB/node-1/agent.conf" --socket "$WORK/file"
lab_kill "$KGR_AGENT_1_PID" KILL
names "agent=fail" 3 --config "$LAB/node-1/agent.conf"
names "agent=fail" 3 --config "$LAB/node-1/agent.conf" --socket "$WORK/none"
echo 'lifetme = 3;' >>"$LAB/node-1/agent.conf"
names "configuration=fail" 9 --config "$LAB/node-1/agent.conf"
cp "$WORK/agent.conf" "$LAB/node-1/agent.conf"
echo 'sandbox = false;' >>"$LAB/node-1/agent.conf"
lab_run_agent 1
becomes "agent=warn" 0
lab_kill "$LAB_AGENT_PID"
cp "$WORK/agent.conf" "$LAB/node-1/agent.conf"

# A key server that says nothing, on another machine and on this one.
kill -STOP "$KGR_KS_PID"
lab_run_agent 1
KGR_KS=/none becomes "ks=fail" 1
kill -CONT "$KGR_KS_PID"
becomes "" 0
lab_kill "$KGR_KS_PID" KILL
names "ks-here=fail" 3

echo "doctor: $num looks held"
