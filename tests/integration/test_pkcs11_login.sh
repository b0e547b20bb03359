#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# An agent with a PIN for its PKCS#11 token: keys are seen after a login, wrong PINs are counted and delayed over all
# processes of a user, and nothing else waits for it.
. "$(dirname "$0")/common.sh"

command -v pkcs11-tool >/dev/null || { echo "skipped: pkcs11-tool is not installed"; exit 77; }
module=$LAB_LIB/libkgr-pkcs11.so
echo 'open sesame' >"$WORK/pin"
chmod 600 "$WORK/pin"
LAB_AGENT_EXTRA="pin_file = \"$WORK/pin\";" lab_up "$WORK/lab" --nodes 2
# shellcheck disable=SC1091
. "$WORK/lab/env"
export KGR_AGENT=$KGR_AGENT_1

# keys ARGS...: how many keys pkcs11-tool shows.
keys()
{
    pkcs11-tool --module "$module" -O "$@" 2>"$WORK/err" | grep -c '^Secret Key Object' || true
}

pkcs11-tool --module "$module" -L | grep -q 'token flags.*login required.*PIN initialized' || fail "the token wants no PIN"
[ "$(keys)" = 0 ] || fail "keys are seen without a PIN"
[ "$(keys --login --pin 'open sesame')" = 2 ] || fail "no keys with the PIN: $(cat "$WORK/err")"
for _ in 1 2 3; do
    [ "$(keys --login --pin wrong)" = 0 ] || fail "any PIN will do"
    grep -q CKR_PIN_INCORRECT "$WORK/err" || fail "a wrong PIN: $(cat "$WORK/err")"
done
# The delay is long enough to be met: the fourth and fifth are 1 s and 2 s later at the earliest.
met=no
for ((i = 0; i < 20; i++)); do
    keys --login --pin wrong >/dev/null
    if grep -q CKR_PIN_LOCKED "$WORK/err"; then
        met=yes
        break
    fi
done
[ $met = yes ] || fail "wrong PINs are not delayed"
# Other doors are not locked, nor is the TPM.
echo text | "$LAB_BIN/kgrctl" seal "$KGR_ID_2" >"$WORK/record" || fail "kgrctl is locked too"
[ "$(pkcs11-tool --module "$module" --generate-random 8 2>/dev/null | wc -c)" = 8 ] || fail "no random numbers"
[ "$(env -u LD_PRELOAD timeout 20 tpm2_getcap -T "$KGR_TPM_1" properties-variable | awk '/TPM2_PT_LOCKOUT_COUNTER/ { print $2 }')" = 0x0 ] ||
    fail "the TPM counted it"
grep -q 'pin_refused uid=' "$KGR_LAB/node-1/log" || fail "the log says nothing"
unlocked()
{
    [ "$(keys --login --pin 'open sesame')" = 2 ]
}
lab_wait_for 60 "the delay to end" unlocked

# A file that others may read is a wrong configuration.
chmod 644 "$WORK/pin"
lab_kill "$KGR_AGENT_1_PID"
# shellcheck disable=SC2086
expect 9 "$WORK/pin: others may use it" $KGR_AGENT_1_CMD
