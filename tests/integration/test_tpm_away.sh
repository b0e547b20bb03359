#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A TPM that dies, is reset and returns, below a node and below the KS, idle and at work, and another program that uses it
# without a resource manager: an alarm while it is away, no operator, no key lost. And a TPM that answers nonsense: an error
# that names it, and init again is enough.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2) id3=$(lab_id 3)

alarmed()
{
    "${@:2}" --json | grep -c "the TPM has failed" >"$WORK/count" || true
    [ "$(cat "$WORK/count")" = "$1" ]
}
ks_status()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" status --ks "$@"
}
round_trip()
{
    echo "$1" >"$WORK/plain"
    lab_ctl 1 seal "$id2" <"$WORK/plain" >"$WORK/record" || fail "seal $1"
    lab_ctl 2 open "$(lab_id 1)" <"$WORK/record" >"$WORK/opened" || fail "open $1"
    cmp "$WORK/plain" "$WORK/opened" || fail "round trip $1"
}
# kill_tpm NAME, start_tpm NAME DIR
kill_tpm()
{
    lab_kill "$(awk -v n="$1" '$2 == n { pid = $1 } END { print pid }' "$LAB/pids")" KILL
}
start_tpm()
{
    lab_tpm "$2" "$1"
}
node_tpm=$(dirname "${KGR_TPM_1#*path=}")
ks_tpm=$(dirname "${KGR_KS_TPM#*path=}")
node_name=tpm-1 ks_name=ks-tpm

# Killed below the node: use fails with a word, the alarm is raised; back: cleared without a request.
kill_tpm "$node_name"
expect 7 '.' env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl" seal "$id2" --input "$0"
lab_wait_for 10 "the alarm of node 1" alarmed 1 lab_ctl 1 status
start_tpm "$node_name" "$node_tpm"
lab_wait_for 10 "the end of the alarm of node 1" alarmed 0 lab_ctl 1 status
round_trip killed

# Reset while it runs (TPM2_Startup is needed again, sessions and slots are empty).
swtpm_ioctl --unix "$node_tpm/sock.ctrl" -i
round_trip reset

# The same below the KS, in the middle of a request.
kill_tpm "$ks_name"
lab_ac pair allow "$id2" "$id3" >/dev/null 2>&1 || true # the KS cannot sign its result
lab_ctl 2 request "$id3" --no-wait >/dev/null 2>&1 || true
start_tpm "$ks_name" "$ks_tpm"
lab_wait_for 40 "the end of the alarm of the KS" alarmed 0 ks_status
lab_ac pair allow "$id2" "$id3" >/dev/null
lab_ctl 2 request "$id3" --timeout 60 >/dev/null || fail "no key after the KS's TPM is back"

# Another program on the same TPM, which leaves its keys and sessions behind for a while.
other()
{
    local i
    for i in 1 2 3 4 5 6; do
        tpm2_createprimary -T "swtpm:path=$node_tpm/sock" -C o -c "$WORK/other.ctx" -Q || true
        tpm2_flushcontext -T "swtpm:path=$node_tpm/sock" -t || true
    done
}
if command -v tpm2_createprimary >/dev/null; then
    other >"$WORK/other.log" 2>&1 &
    others=$!
    for i in 1 2 3 4 5 6 7 8; do
        round_trip "beside another $i"
    done
    wait "$others" || true
else
    echo "test: no tpm2-tools here: no other program on the TPM"
fi
round_trip end

# Nonsense in place of an answer: init says which command, and can be done again.
dir=$WORK/fresh
lab_tpm "$dir/tpm" tpm-fresh
filter=$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so
conf()
{
    cat >"$dir/agent.conf" <<CONF
state = "$dir/state";
socket = "$dir/agent.sock";
tpm = { tcti = "$1"; };
CONF
}
for how in garbage truncated short silent; do
    for cc in 0x131 0x153 0x17a 0x12a 0x134; do # CreatePrimary Create GetCapability NV_DefineSpace NV_Increment
        rm -f "$dir/record"
        conf "$filter:spoil=$how|spoil-cc=$cc|record=$dir/record|tcti=$LAB_TCTI"
        code=0
        timeout 20 "$LAB_BIN/kgr-agent" --config "$dir/agent.conf" init >"$WORK/out" 2>&1 || code=$?
        case $code in
        7 | 8) grep -qE 'TPM|0x' "$WORK/out" || fail "$how answer to $cc: $(cat "$WORK/out")" ;;
        0) # what is in the TPM already is not made again
            if grep -qE "^> .{12}00000${cc#0x}" "$dir/record"; then
                fail "$how answer to $cc was taken for good"
            fi
            ;;
        *) fail "$how answer to $cc: exit code $code ($(cat "$WORK/out"))" ;;
        esac
        rm -rf "$dir/state"
    done
done
conf "$LAB_TCTI"
"$LAB_BIN/kgr-agent" --config "$dir/agent.conf" init >/dev/null || fail "init after the nonsense"
