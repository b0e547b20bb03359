#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A TPM whose owner and endorsement hierarchies have passwords and whose first persistent handles are taken, with dictionary
# attack lockout: init and use with the passwords from files of 0600, a range of handles of the operator's choice; and what is
# wrong is said.
. "$(dirname "$0")/common.sh"

if ! command -v tpm2_changeauth >/dev/null; then
    echo "test: tpm2-tools are not installed"
    exit 77
fi
LAB=$WORK
lab_tpm "$WORK/tpm" tpm
export TPM2TOOLS_TCTI=$LAB_TCTI
agent="$LAB_BIN/kgr-agent --config $WORK/agent.conf"
conf()
{
    echo "state = \"$WORK/state\"; socket = \"$WORK/agent.sock\"; tpm = { tcti = \"$LAB_TCTI\"; $1 };" >"$WORK/agent.conf"
}
persistent()
{
    tpm2_getcap handles-persistent | grep -ci "$1" || true
}

tpm2_changeauth -Q -c o owner-secret
tpm2_changeauth -Q -c e endorsement-secret
printf 'owner-secret\n' >"$WORK/owner"
printf 'endorsement-secret' >"$WORK/endorsement"
printf 'wrong' >"$WORK/wrong"
: >"$WORK/empty"
chmod 600 "$WORK/owner" "$WORK/endorsement" "$WORK/wrong" "$WORK/empty"

conf ""
expect 7 'TPM2_' $agent init
conf "owner_auth_file = \"$WORK/wrong\";"
expect 7 'TPM2_' $agent init
conf "owner_auth_file = \"$WORK/none\";"
expect 9 'No such file' $agent init
conf "owner_auth_file = \"$WORK/empty\";"
expect 9 '1 to 32 bytes' $agent init
chmod 644 "$WORK/owner"
conf "owner_auth_file = \"$WORK/owner\";"
expect 9 'chmod it to 0600' $agent init
chmod 600 "$WORK/owner"
both="owner_auth_file = \"$WORK/owner\"; endorsement_auth_file = \"$WORK/endorsement\";"
conf "$both handles = \"0x81005000\";"
expect 9 'FIRST-LAST' $agent init
conf "$both handles = \"0x81005000-0x82000000\";"
expect 9 'FIRST-LAST' $agent init

# The first two handles of the range belong to somebody else.
tpm2_createprimary -Q -C o -P owner-secret -c "$WORK/other.ctx"
tpm2_evictcontrol -Q -C o -P owner-secret -c "$WORK/other.ctx" 0x81005000
tpm2_evictcontrol -Q -C o -P owner-secret -c "$WORK/other.ctx" 0x81005001
tpm2_flushcontext -Q -t
conf "$both handles = \"0x81005000-0x81005001\";"
expect 9 'no handle is free' $agent init
rm -rf "$WORK/state"
conf "$both handles = \"0x81005000-0x8100500f\";"
expect 0 'initialised' $agent init
[ "$(persistent 0x81005002)" = 1 ] || fail "the storage key is not at 0x81005002: $(tpm2_getcap handles-persistent)"

# identity needs the endorsement hierarchy.
expect 0 'EK hash' $agent identity
conf "owner_auth_file = \"$WORK/owner\"; endorsement_auth_file = \"$WORK/wrong\";"
expect 7 'TPM2_' $agent identity

# In lockout everything of ours goes on: our keys are outside of the protection against dictionary attacks.
tpm2_dictionarylockout -Q -s -n 1 -t 1000 -l 1000
tpm2_createprimary -Q -C o -P owner-secret -p guess -c "$WORK/da.ctx" -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'
tpm2_create -Q -C "$WORK/da.ctx" -P wrong -u "$WORK/u" -r "$WORK/r" >/dev/null 2>&1 || true
tpm2_flushcontext -Q -t
tpm2_getcap properties-variable | grep -A20 'TPM2_PT_PERM' | grep -E 'inLockout: *1' >/dev/null || fail "the TPM is not in lockout"
conf "$both"
expect 0 'EK hash' $agent identity
expect 0 'wiped' $agent wipe --yes
[ "$(persistent 0x81005002)" = 0 ] || fail "wipe left the storage key"
[ "$(persistent 0x81005001)" = 1 ] || fail "wipe took a key of somebody else"
