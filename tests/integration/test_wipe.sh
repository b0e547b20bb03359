#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# wipe leaves nothing, in the TPM or on disk, may be interrupted at any moment, and init works afterwards; an epoch never
# comes again. A revoked node begins anew so, under its name and with its TPM.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
agent2="$LAB_BIN/kgr-agent --config $LAB/node-2/agent.conf"
ks="$LAB_BIN/kgr-ks --config $LAB/ks/ks.conf"
ac="$LAB_BIN/kgr-ac --config $LAB/ac/ac.conf"

# handles TCTI: the persistent keys and indices of KGR in a TPM.
handles()
{
    { tpm2_getcap -T "$1" handles-persistent && tpm2_getcap -T "$1" handles-nv-index; } | grep -iE '0x(81004b|1804b)' || true
}

generation()
{
    lab_ctl 1 peers --json | tr -d ' \n' | sed -n "s/.*\"peer\":\"$id2\",\"generation\":\([0-9]*\).*/\1/p"
}

epoch()
{
    lab_ctl 2 status --json | tr -d ' \n' | sed -n 's/.*"epoch":\([0-9]*\).*/\1/p'
}

# Asked for, and not while it runs.
expect 1 'state' $agent2 wipe --yes
expect 2 'yes' $ac wipe </dev/null
before=$(generation)
epoch=$(epoch)

# A revoked node: wiped at many moments, begun anew.
lab_ac node revoke "$id2" >/dev/null
lab_wait_for 10 "node 2 to hear of its revocation" bash -c "$(declare -f lab_ctl); LAB=$LAB LAB_BIN=$LAB_BIN lab_ctl 2 status | grep -q 'this node was revoked'"
lab_kill "$KGR_AGENT_2_PID"
expect 5 'revoked' $agent2 enroll
[ -n "$(handles "$KGR_TPM_2")" ] || fail "no handle to begin with"
expect 2 'yes' $agent2 wipe </dev/null
for ms in 002 006 012 020 035; do
    lab_spawn wipe "$LAB/node-2/log" $agent2 wipe --yes
    sleep "0.$ms"
    kill -KILL "$LAB_PID" 2>/dev/null || true
    lab_wait_for 5 "the killed wipe" test ! -d "/proc/$LAB_PID"
done
expect 0 'wiped' $agent2 wipe --yes
expect 0 'wiped' $agent2 wipe --yes
[ -z "$(handles "$KGR_TPM_2")" ] || fail "left in the TPM: $(handles "$KGR_TPM_2")"
[ -z "$(find "$KGR_STATE_2" -type f ! -name lock)" ] || fail "left on disk: $(ls "$KGR_STATE_2")"
expect 9 'init' $agent2 run
expect 0 'initialised' $agent2 init
lab_ac node add "$id2" --peers "$id1" -o "$WORK/credential" >/dev/null
expect 0 'is registered' $agent2 enroll "$WORK/credential"
lab_run_agent 2
[ "$(epoch)" -gt "$epoch" ] || fail "the epoch went back from $epoch to $(epoch)"
lab_ctl 2 request "$id1" >/dev/null
lab_ctl 2 wait "$id1" --timeout 20 >/dev/null
lab_ctl 1 wait "$id2" --timeout 20 >/dev/null
[ "$(generation)" -gt "$before" ] || fail "generation $(generation) is not above $before"
echo plain >"$WORK/plain"
lab_ctl 2 seal "$id1" <"$WORK/plain" >"$WORK/record"
lab_ctl 1 open "$id2" <"$WORK/record" | cmp - "$WORK/plain" || fail "the new key does not work"

# A state that cannot be read: the files go, and what stays in the TPM is said.
lab_kill "$LAB_AGENT_PID"
printf 'no database' >"$KGR_STATE_2/agent.db"
rm -f "$KGR_STATE_2"/agent.db-*
expect 0 'left_in_tpm' $agent2 wipe --yes
expect 0 'initialised' $agent2 init

# The KS and the AC.
expect 1 'state' $ks wipe --yes
lab_kill "$KGR_KS_PID"
expect 2 'yes' $ks wipe </dev/null
expect 0 'wiped' $ks wipe --yes
expect 0 'wiped' $ac wipe --yes
for part in ks ac; do
    [ -z "$(handles "swtpm:path=$LAB/$part/tpm/sock")" ] || fail "the $part left something in its TPM"
    [ -z "$(find "$LAB/$part/state" -type f ! -name lock)" ] || fail "the $part left something on disk"
done
rm -f "$LAB/ac/ac.pub" "$LAB/ks/ks.pub"
lab_ac init -o "$LAB/ac/ac.pub" >/dev/null
lab_ks init --ac "$LAB/ac/ac.pub" -o "$LAB/ks/ks.pub" >/dev/null 2>&1
lab_ac pin "$LAB/ks/ks.pub" >/dev/null
rm -f "$KGR_KS"
lab_run_ks
[ "$(lab_ac node list --json | tr -d ' \n')" = '[]' ] || fail "the new KS knows old nodes"
