#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# kill -9 in the middle of unseal, import and destruction of sealed keys, on a slow TPM: every key is there afterwards, or
# comes, or is gone as it should, and nothing stays loaded in the TPM.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 4 --custody sealed
LAB=$WORK/lab
. "$LAB/env"
echo plain >"$WORK/plain"

pid_of()
{
    awk -v name="agent-$1" '$2 == name { pid = $1 } END { print pid }' "$LAB/pids"
}

start()
{
    lab_run_agent "$1"
    lab_wait_for 15 "node $1 to synchronise" sh -c \
        "KGR_AGENT=$LAB/node-$1/agent.sock $LAB_BIN/kgrctl status --json | grep -q '\"lease_s\": *[0-9]'"
}

a_record()
{
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record"
    lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" | cmp - "$WORK/plain" ||
        fail "a record from $1 to $2 does not open: $(lab_ctl "$2" peers)"
}

# The TPMs of nodes 2 and 3 take 10 ms for every command from now on: the moments below lie within the operations.
for i in 2 3; do
    lab_kill "$(pid_of $i)"
    sed -i "s|^tpm = .*|tpm = { tcti = \"$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so:delay-ms=10\|tcti=swtpm:path=$LAB/node-$i/tpm/sock\"; };|" \
        "$LAB/node-$i/agent.conf"
    start $i
done

# Unseal: the first use after a start.
for moment in 0 0.02 0.05 0.08; do
    lab_ctl 1 seal "$(lab_id 2)" --stored <"$WORK/plain" >"$WORK/stored"
    lab_ctl 2 open "$(lab_id 1)" --stored <"$WORK/stored" >/dev/null 2>&1 &
    opener=$!
    sleep $moment
    lab_kill "$(pid_of 2)" KILL
    wait $opener || true
    start 2
    lab_ctl 2 open "$(lab_id 1)" --stored <"$WORK/stored" | cmp - "$WORK/plain" || fail "lost in an unseal at $moment s"
done
a_record 2 1

# Import: a first key, at the one that asks and at the other one.
lab_ac pair allow "$(lab_id 2)" "$(lab_id 3)" >/dev/null
lab_ac pair allow "$(lab_id 2)" "$(lab_id 4)" >/dev/null
lab_ac pair allow "$(lab_id 3)" "$(lab_id 4)" >/dev/null
for round in "2 3 0.08 2" "4 2 0.12 2" "3 4 0.2 3"; do
    # shellcheck disable=SC2086
    set -- $round
    lab_ctl "$1" request "$(lab_id "$2")" --timeout 20 >/dev/null 2>&1 &
    asker=$!
    sleep "$3"
    lab_kill "$(pid_of "$4")" KILL
    wait $asker || true
    start "$4"
    lab_ctl "$1" request "$(lab_id "$2")" --timeout 30 >/dev/null || fail "no key after a crash at $3 s: $(lab_ctl "$1" peers)"
    lab_ctl "$2" wait "$(lab_id "$1")" --timeout 30 >/dev/null || fail "no key at the other end: $(lab_ctl "$2" peers)"
    a_record "$1" "$2"
    a_record "$2" "$1"
done

# Destruction.
lab_ac node revoke "$(lab_id 4)" >/dev/null
sleep 0.05
lab_kill "$(pid_of 2)" KILL
start 2
for i in 2 3; do
    lab_wait_for 15 "node $i to destroy its keys with node 4" sh -c \
        "KGR_AGENT=$LAB/node-$i/agent.sock $LAB_BIN/kgrctl peers | grep -qE '^$(lab_id 4) .*revoked'"
    expect 5 'revoked' "$LAB_BIN/kgrctl" --socket "$LAB/node-$i/agent.sock" seal "$(lab_id 4)" --input "$WORK/plain"
done
a_record 2 3
a_record 1 2

for i in 2 3; do
    lab_kill "$(pid_of $i)"
    for what in handles-transient handles-loaded-session; do
        left=$(tpm2_getcap -T "swtpm:path=$LAB/node-$i/tpm/sock" $what)
        [ -z "$left" ] || fail "node $i left in its TPM: $left"
    done
done
