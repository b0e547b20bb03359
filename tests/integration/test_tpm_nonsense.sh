#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A TPM that answers a running node with nonsense, or not at all, while keys are used: an error that names it, the agent goes on,
# and the same keys work when the TPM is sound again.
. "$(dirname "$0")/common.sh"

filter=$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so
echo plain >"$WORK/plain"

generation()
{
    lab_ctl 2 peers --json | tr -d ' \n' | sed -n 's/.*"generation":\([0-9]*\).*/\1/p'
}

# a_record: goes to node 2 and opens, as soon as the TPM of node 1 is sound.
a_record()
{
    rm -f "$WORK/record"
    lab_wait_for 20 "a record of node 1" lab_ctl 1 seal "$id2" --input "$WORK/plain" --output "$WORK/record"
    lab_ctl 2 open "$(lab_id 1)" <"$WORK/record" | cmp - "$WORK/plain" || fail "the record does not open"
}

newer()
{
    [ "$(generation)" -gt "$before" ]
}

# run_with FILTER: agent 1 again, below that filter.
run_with()
{
    lab_kill "$(awk '$2 == "agent-1" { pid = $1 } END { print pid }' "$LAB/pids")"
    sed -i "s#^tpm = .*#tpm = { tcti = \"$1$KGR_TPM_1\"; };#" "$LAB/node-1/agent.conf"
    lab_run_agent 1
    lab_wait_for 20 "the lease" bash -c "KGR_AGENT=$KGR_AGENT_1 $LAB_BIN/kgrctl status --json | grep -qE '\"lease_s\": *[1-9]'"
}

for custody in sealed resident; do
    lab_up "$WORK/$custody" --nodes 2 --custody $custody
    LAB=$WORK/$custody
    . "$LAB/env"
    id2=$(lab_id 2)
    before=$(generation)
    hows="garbage silent"
    [ $custody = resident ] || hows+=" truncated short long"
    for how in $hows; do
        run_with "$filter:spoil=$how|spoil-when=$WORK/now|spoil-cc=0x15e,0x157,0x193,0x155|tcti="
        touch "$WORK/now"
        status=0
        timeout 30 "$LAB_BIN/kgrctl" --socket "$KGR_AGENT_1" seal "$id2" --input "$WORK/plain" >"$WORK/record" 2>"$WORK/err" || status=$?
        rm "$WORK/now"
        case $how-$status in
        long-0) ;; # what stands behind the end of an answer is not looked at
        *-7) grep -q 'TPM' "$WORK/err" || fail "$custody: $how answers: the TPM is not named: $(cat "$WORK/err")" ;;
        *) fail "$custody: $how answers: exit code $status ($(cat "$WORK/err"))" ;;
        esac
        a_record
    done
    [ "$(generation)" = "$before" ] || fail "$custody: nonsense made another key: $(generation) after $before"

    # While a key is imported: the old one stays, and the new one comes when the TPM is sound.
    run_with "$filter:spoil=garbage|spoil-when=$WORK/now|spoil-cc=0x156|tcti="
    touch "$WORK/now"
    ! lab_ctl 1 renew "$id2" --timeout 3 >/dev/null 2>&1 || fail "$custody: a key was made of nonsense"
    [ "$(generation)" = "$before" ] || fail "$custody: a key was made of nonsense: $(lab_ctl 2 peers)"
    a_record
    rm "$WORK/now"
    lab_ctl 1 renew "$id2" --timeout 30 >/dev/null || fail "$custody: no new key: $(lab_ctl 1 peers)"
    lab_wait_for 20 "the new key at node 2" newer
    a_record
    lab_down "$LAB"
done
