#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The audit log of a node over a day in small: registration, exchange, renewal, NKSK, denial, kill -9, restart. It is whole
# and signed by the TPM; whatever is changed or cut in an exported log is found, with the first bad record named.
. "$(dirname "$0")/common.sh"

# Somebody who may look, and nothing else (docs/access.md); only root can be him.
LAB_AGENT_EXTRA_1='access = ( { users = "61001"; rights = "list"; } );' lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2)
ctl=(env "KGR_AGENT=$KGR_AGENT_1" "$LAB_BIN/kgrctl")

says()
{
    "${ctl[@]}" audit | grep -qE -- "$1" || fail "the audit log does not say '$1': $("${ctl[@]}" audit)"
}

# What happened is there, and each thing once.
"${ctl[@]}" renew "$id2" >/dev/null
"${ctl[@]}" renew --nksk >/dev/null
lab_ac pair deny "$(lab_id 1)" "$id2" >/dev/null
lab_wait_for 10 "the denial" sh -c "KGR_AGENT=$KGR_AGENT_1 $LAB_BIN/kgrctl audit | grep -q denied"
lab_ac pair allow "$(lab_id 1)" "$id2" >/dev/null
says 'node .*registered at the KS'
says 'service .*started'
says 'exchange .*generation 1: in force'
says 'exchange .*generation 2: received'
says 'exchange .*generation 2: in force'
says 'renewal .*NKSK'
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$WORK" "$LAB" "$LAB/node-1"
    cp "$LAB_BIN/kgrctl" "$WORK/kgrctl" && chmod 755 "$WORK/kgrctl"
    echo x | setpriv --reuid 61001 --regid 61001 --clear-groups env "KGR_AGENT=$KGR_AGENT_1" "$WORK/kgrctl" seal "$id2" >/dev/null 2>&1 &&
        fail "a stranger sealed"
    says "refused .*$id2.*uid 61001"
fi
[ "$("${ctl[@]}" audit | grep -c 'generation 2: in force')" = 1 ] || fail "one exchange, several records"

# Who wrote the newest record down finds it again after a crash.
expect 0 'signed by the TPM up to' "${ctl[@]}" audit verify
seen=$(sed -n 's/.*the last is //p' <<<"$OUTPUT")
lab_kill "$KGR_AGENT_1_PID" KILL
lab_run_agent 1
lab_wait_for 10 "the new start" sh -c "KGR_AGENT=$KGR_AGENT_1 $LAB_BIN/kgrctl audit | grep -c started | grep -q 2"
expect 0 'which was seen before, is among them' "${ctl[@]}" audit verify --seen "$seen"
expect 8 'was rewritten' "${ctl[@]}" audit verify --seen "${seen%%:*}:$(printf '%064d' 0)"
expect 8 'was shortened' "${ctl[@]}" audit verify --seen "9${seen%%:*}:${seen#*:}"
expect 2 'takes NUMBER:HASH' "${ctl[@]}" audit verify --seen 5
expect 2 'usage' "${ctl[@]}" audit erase

# An exported log is judged far from here.
"${ctl[@]}" audit export "$WORK/log"
expect 0 'are whole' env -u KGR_AGENT "$LAB_BIN/kgrctl" audit verify "$WORK/log"
size=$(stat -c %s "$WORK/log")
last=$("${ctl[@]}" audit --json --count 1 | sed -n 's/.*"record": \([0-9]*\).*/\1/p')
for at in 3 20 90 $((size / 3)) $((size / 2)) $((size - 1)); do
    cp "$WORK/log" "$WORK/bad"
    byte=$(od -An -tu1 -j $at -N 1 "$WORK/log")
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$WORK/bad" bs=1 seek=$at conv=notrunc status=none
    expect 8 'audit log' "$LAB_BIN/kgrctl" audit verify "$WORK/bad"
done
expect 8 "record $last or the one before it was changed" "$LAB_BIN/kgrctl" audit verify "$WORK/bad"
for len in 0 7 60 $((size / 2)) $((size - 1)); do
    head -c $len "$WORK/log" >"$WORK/short"
    expect 8 'audit log' "$LAB_BIN/kgrctl" audit verify "$WORK/short"
done

# The KS has the other side of it, signed by its TPM.
lab_ac audit | grep -qE 'exchange .*committed' || fail "the KS's log knows no exchange"
lab_ac audit | grep -qE 'service .*started' || fail "the KS's log knows no start"
expect 0 "signed by the key server's TPM up to record" "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" audit verify

echo "audit of a node: all held"
