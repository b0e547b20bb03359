#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# Agent and tpm2-tools share one TPM behind a private tpm2-abrmd on a private bus, and keep out of each other's way: init, a
# record, and 20 keys of the other program meanwhile. And a device that is not there is named.
. "$(dirname "$0")/common.sh"

for tool in tpm2-abrmd dbus-daemon tpm2_createprimary; do
    if ! command -v "$tool" >/dev/null && [ ! -x "/usr/sbin/$tool" ]; then
        echo "test: no $tool here (scripts/setup --slow installs it)"
        exit 77
    fi
done
for device in /dev/tpmrm0 /dev/tpm0; do
    [ ! -e "$device" ] || continue
    echo "state = \"$WORK/state\"; socket = \"$WORK/agent.sock\"; tpm = { tcti = \"device:$device\"; };" >"$WORK/agent.conf"
    expect 7 "device:$device" "$LAB_BIN/kgr-agent" --config "$WORK/agent.conf" init
done

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
lab_kill "$KGR_AGENT_1_PID"

lab_abrmd "$KGR_TPM_1"
through=$LAB_TCTI
sed -i "s|tcti = \"[^\"]*\"|tcti = \"$through\"|" "$LAB/node-1/agent.conf"
grep -q tabrmd "$LAB/node-1/agent.conf" || fail "the agent would not use tpm2-abrmd"
lab_run_agent 1
lab_wait_for 20 "the lease" bash -c "KGR_AGENT=$KGR_AGENT_1 '$LAB_BIN/kgrctl' status --json | grep -E '\"lease_s\": *[1-9]'"
for i in $(seq 20); do
    tpm2_createprimary -Q -T "$through" -C o -c "$WORK/other-$((i % 3)).ctx"
    echo "round $i" | lab_ctl 1 seal "$(lab_id 2)" >"$WORK/record" || fail "seal beside tpm2-tools, round $i"
    [ "$(lab_ctl 2 open "$(lab_id 1)" <"$WORK/record")" = "round $i" ] || fail "open, round $i"
done
