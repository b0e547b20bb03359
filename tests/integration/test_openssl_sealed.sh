#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# In sealed custody kgr.so computes without the TPM: after the first use of a key not one byte goes over the bus, however
# much is encrypted and MACed; in resident custody all of it does.
. "$(dirname "$0")/common.sh"

# node 1 resident, node 2 sealed
LAB_CUSTODY=mixed LAB_RECORD_TPM=1 lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
app=$LAB_BUILD/tests/openssl_app

# bus I: how much went over the bus of node I.
bus()
{
    stat -c %s "$LAB/node-$1/tpm/traffic"
}

run()
{
    KGR_AGENT=$1 timeout 120 "$app" aead "$LAB_LIB" "$2" && KGR_AGENT=$1 timeout 120 "$app" threads "$LAB_LIB" "$2" 400 ||
        fail "the application on $1"
}

# What follows a start or an exchange is over when the bus has been still for a second.
still()
{
    local before
    before=$(bus "$1")
    sleep 1
    [ "$(bus "$1")" = "$before" ]
}

run "$KGR_AGENT_2" "$KGR_ID_1"
lab_wait_for 20 "the bus of node 2 to be still" still 2
before=$(bus 2)
run "$KGR_AGENT_2" "$KGR_ID_1"
[ "$(bus 2)" = "$before" ] || fail "$(($(bus 2) - before)) bytes over the bus of a node with sealed custody"
# The measure sees what it should see.
before=$(bus 1)
run "$KGR_AGENT_1" "$KGR_ID_2"
[ $(($(bus 1) - before)) -gt 500000 ] || fail "only $(($(bus 1) - before)) bytes over the bus in resident custody"
