#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Who cannot or will not take a custody or a suite is told so, at the start or by the KS; a KS that keeps its own ends sealed,
# or whose TPM has no EncryptDecrypt, serves nodes of every custody.
. "$(dirname "$0")/common.sh"

# TPM2_EncryptDecrypt and EncryptDecrypt2 are missing, as on many a chip.
weak="$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so:hide-cc=0x193,0x164|tcti="
narrow=AES-128-CBC-HMAC-SHA256 wide=AES-256-CBC-HMAC-SHA384

lab_open "$WORK/lab"
lab_broker
lab_tpm "$LAB/ks/tpm" ks-tpm
lab_ks_conf "$weak$LAB_TCTI"
lab_tpm "$LAB/ac/tpm" ac-tpm
lab_ac_conf "$LAB_TCTI"
lab_ac init -o "$LAB/ac/ac.pub" >/dev/null
sed -i '$a custody = "resident";' "$LAB/ks/ks.conf"
expect 9 'lacks EncryptDecrypt2; set "auto" or "sealed"' "$LAB_KS_PROGRAM" --config "$LAB/ks/ks.conf" init --ac "$LAB/ac/ac.pub" -o "$LAB/ks/ks.pub"
sed -i '$d' "$LAB/ks/ks.conf"
lab_ks init --ac "$LAB/ac/ac.pub" -o "$LAB/ks/ks.pub" >/dev/null 2>&1
lab_ac pin "$LAB/ks/ks.pub" >/dev/null
lab_run_ks

# set_conf I LINE: a line of a node's configuration, in the place of the one before.
set_conf()
{
    sed -i "/^${2%% *} /d" "$LAB/node-$1/agent.conf"
    echo "$2" >>"$LAB/node-$1/agent.conf"
}

agent()
{
    echo "$LAB_BIN/kgr-agent --config $LAB/node-$1/agent.conf"
}

says_custody()
{
    lab_ctl "$1" status | grep -qE "^custody +$2\$" || fail "node $1 does not say that its custody is $2"
}

# 1 resident and 2 sealed by their TPMs; 3 and 4 sealed by choice, 4 accepts both suites.
for i in 1 2 3 4; do
    lab_tpm "$LAB/node-$i/tpm" "tpm-$i"
    [ $i = 2 ] && LAB_TCTI=$weak$LAB_TCTI
    lab_node_conf $i "$LAB_TCTI"
    set_conf $i "suites = \"$narrow\";"
    set_conf $i 'custody = "auto";'
done
set_conf 3 'custody = "sealed";'
set_conf 4 'custody = "sealed";'
set_conf 4 "suites = [\"$narrow\", \"$wide\"];"
set_conf 2 'custody = "resident";'
expect 9 'lacks EncryptDecrypt2; set "auto" or "sealed"' $(agent 2) init
set_conf 2 'custody = "auto";'
for i in 1 2 3 4; do
    lab_agent $i init >/dev/null
    lab_ac node add "$(lab_id $i)" -o "$LAB/node-$i/credential" >/dev/null
    lab_agent $i enroll "$LAB/node-$i/credential" >/dev/null 2>&1
    lab_run_agent $i
done
says_custody 1 resident
says_custody 2 sealed
lab_ctl 2 status | grep -q 'no resident keys.*lacks EncryptDecrypt2' || fail "node 2 does not say what its TPM lacks"
KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status | grep -q 'lacks EncryptDecrypt2' || fail "the KS does not say what its TPM lacks"
grep -q 'INFO custody .*lacks EncryptDecrypt2' "$LAB/node-2/log" || fail "the log of node 2 does not say what its TPM lacks"
for pair in "1 2" "1 3" "2 3" "3 4"; do
    # shellcheck disable=SC2086
    set -- $pair
    lab_ac pair allow "$(lab_id "$1")" "$(lab_id "$2")" >/dev/null
done

# shows I J WORDS: node I shows WORDS for node J.
shows()
{
    lab_ctl "$1" peers | grep -qE "^$(lab_id "$2") +$3" || fail "node $1 shows: $(lab_ctl "$1" peers)"
}

echo secret >"$WORK/plain"
record()
{
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" | cmp - "$WORK/plain" || fail "a record from $1 to $2 does not open"
}
for pair in "1 2 mixed" "2 1 mixed" "2 3 sealed"; do
    # shellcheck disable=SC2086
    set -- $pair
    lab_ctl "$1" request "$(lab_id "$2")" >/dev/null
    shows "$1" "$2" "[0-9]+ +(ready|renewing) +$3 +$narrow"
    lab_ctl "$2" wait "$(lab_id "$1")" >/dev/null
    record "$1" "$2"
    record "$2" "$1"
done

# The best suite that both accept; what the AC or a node does not accept.
lab_ctl 3 request "$(lab_id 4)" >/dev/null
lab_ctl 4 wait "$(lab_id 3)" >/dev/null
shows 4 3 "[0-9]+ +[a-z]+ +sealed +$narrow"
lab_ac pair allow "$(lab_id 1)" "$(lab_id 3)" --min-custody resident >/dev/null
expect 1 'no suite and custody that both' "$LAB_BIN/kgrctl" --socket "$LAB/node-1/agent.sock" request "$(lab_id 3)"
lab_ac pair allow "$(lab_id 1)" "$(lab_id 3)" --min-suite $wide >/dev/null
expect 1 'no suite and custody that both' "$LAB_BIN/kgrctl" --socket "$LAB/node-1/agent.sock" request "$(lab_id 3)"

# start I: runs the agent until it may use its keys.
start()
{
    lab_run_agent "$1"
    lab_wait_for 15 "node $1 to synchronise" sh -c \
        "KGR_AGENT=$LAB/node-$1/agent.sock $LAB_BIN/kgrctl status --json | grep -q '\"lease_s\": *[0-9]'"
}

# Other custody than that of the registration is refused at the start; what a node's own TPM cannot too.
lab_kill "$(awk '$2 == "agent-3" { print $1 }' "$LAB/pids")"
set_conf 3 'custody = "resident";'
expect 9 'registered with "sealed"' $(agent 3) run
set_conf 3 'custody = "sealed";'
set_conf 3 "suites = \"$wide\";"
expect 9 'storage key of this node was made for another suite' $(agent 3) run
set_conf 3 "suites = \"$narrow\";"
start 3
record 2 3

# The least custody that a node accepts, whatever the AC says.
restart()
{
    lab_kill "$(awk -v name="agent-$1" '$2 == name { pid = $1 } END { print pid }' "$LAB/pids")"
    start "$1"
}
set_conf 4 'min_custody = "mixed";'
restart 4
lab_ac pair allow "$(lab_id 2)" "$(lab_id 4)" >/dev/null
! lab_ctl 2 request "$(lab_id 4)" --timeout 5 >"$WORK/out" 2>&1 || fail "node 4 took a key of a custody that it does not accept"
shows 4 2 '- +(idle|failed) +- '

# The KS comes back with the same sealed ends, and the nodes with the same keys.
lab_kill "$LAB_KS_PID" KILL
rm -f "$LAB/ks/ks.sock"
lab_run_ks
restart 1
lab_ac pair allow "$(lab_id 1)" "$(lab_id 4)" >/dev/null
lab_ctl 1 request "$(lab_id 4)" >/dev/null
lab_ctl 4 wait "$(lab_id 1)" >/dev/null
shows 4 1 "[0-9]+ +[a-z]+ +mixed +$narrow"
record 4 1
record 1 2
