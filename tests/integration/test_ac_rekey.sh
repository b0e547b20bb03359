#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The AC gets other keys, by itself or because it was lost: the old ones are obeyed no more, at no moment is nobody obeyed,
# and a kill at any moment is made good by the same command.
. "$(dirname "$0")/common.sh"

orders=$LAB_ROOT/tests/support/orders
lab_open "$WORK/lab"
lab_broker
lab_centre
ac_tcti=$LAB_AC_TCTI
lab_run_ks
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")
cat >"$LAB/ac/remote.conf" <<CONF
state = "$LAB/ac/state";
broker = {};
tpm = { tcti = "$ac_tcti"; };
CONF
remote=("$LAB_BIN/kgr-ac" --config "$LAB/ac/remote.conf")

# An order signed now, to be given when the key is a former one; it never reached the KS.
mkdir "$WORK/seen"
lab_spawn relay "$LAB/log" "$orders" relay "$LAB/relay.sock" "$LAB/ks/ks.sock" "$WORK/seen"
lab_wait_for 5 "the recorder" test -S "$LAB/relay.sock"
sed "s|ks/ks.sock|relay.sock|" "$LAB/ac/ac.conf" >"$LAB/ac/relay.conf"
"$LAB_BIN/kgr-ac" --config "$LAB/ac/relay.conf" pair allow gateway-00001 gateway-00002 >/dev/null

keys()
{
    TPM2TOOLS_TCTI=$ac_tcti tpm2_getcap handles-persistent | grep -c 0x81004B || true
}
before=$(keys)
expect 0 'other keys' "${ac[@]}" rekey
[ "$(keys)" = "$before" ] || fail "the old keys are still in the TPM"
[ "$("$orders" send "$LAB/ks/ks.sock" "$WORK/seen/1")" = "5 -" ] || fail "an order under the former key was taken"
lab_ac audit | grep -q '(former key)' || fail "the log does not name the former key"
expect 0 'may register' "${ac[@]}" node add gateway-00001 -o "$WORK/cred1"
lab_ac init -o "$WORK/now.pub" >/dev/null
! cmp -s "$LAB/ac/ac.pub" "$WORK/now.pub" || fail "the identity is the old one"

# Over the broker, under keys for frames that came with it; and once more.
expect 0 'gateway-00001' "${remote[@]}" node list
expect 0 'other keys' "${remote[@]}" rekey
expect 0 'gateway-00001' "${remote[@]}" node list

# The KS restarted between the order and its use; the AC killed at every moment.
for ((ms = 20; ms < 330; ms += 22)); do
    "${remote[@]}" rekey >/dev/null 2>&1 &
    waiting=$!
    sleep "$(printf '0.%03d' $ms)"
    kill -KILL $waiting 2>/dev/null || true
    wait $waiting 2>/dev/null || true
    if [ $((ms % 3)) = 0 ]; then
        lab_kill "$LAB_KS_PID" KILL
        rm -f "$LAB/ks/ks.sock"
        lab_run_ks
    fi
    # Whatever was reached: the AC is obeyed, and the same command ends it.
    [ $((ms % 2)) = 0 ] || expect 0 'gateway-00001' "${ac[@]}" node list
    expect 0 'other keys' "${remote[@]}" rekey
done
expect 0 'gateway-00001' "${ac[@]}" node list
expect 0 'are whole' "${ac[@]}" audit verify

# The AC is lost, with its TPM.
lab_tpm "$LAB/other/tpm" other-tpm
sed "s|ac/state|other/state|; s|tcti = \"[^\"]*\"|tcti = \"$LAB_TCTI\"|" "$LAB/ac/remote.conf" >"$LAB/other/ac.conf"
other=("$LAB_BIN/kgr-ac" --config "$LAB/other/ac.conf")
expect 0 'initialised' "${other[@]}" init -o "$WORK/other.pub"
ks=("$LAB_BIN/kgr-ks" --config "$LAB/ks/ks.conf")
expect 1 '.' "${ks[@]}" ac replace "$WORK/other.pub" -o "$WORK/ks2.pub" # it is running
lab_kill "$LAB_KS_PID"
head -c 100 "$WORK/other.pub" >"$WORK/short.pub"
expect 8 '.' "${ks[@]}" ac replace "$WORK/short.pub" -o "$WORK/ks2.pub"
expect 1 'there already' "${ks[@]}" ac replace "$WORK/other.pub" -o "$LAB/ks/ks.pub"
expect 0 'replaced' "${ks[@]}" ac replace "$WORK/other.pub" -o "$WORK/ks2.pub"
lab_run_ks
expect 0 'pinned' "${other[@]}" pin "$WORK/ks2.pub"
expect 0 'gateway-00001' "${other[@]}" node list
expect 0 'another AC' "${other[@]}" audit
expect 5 'has no more' "${ac[@]}" node list
expect 0 'may have keys' "${other[@]}" pair allow gateway-00001 gateway-00002
echo "other keys for the AC: all held"
