#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Which TPM may be which node: makers that the KS trusts, --ek, names that others try to take with a stolen credential or
# a stolen state, and a TPM that was cleared.
. "$(dirname "$0")/common.sh"

LAB_KS_EXTRA="ek_ca = \"$WORK/makers\"; require_proven_ek = true;"
lab_open "$WORK/lab"
mkdir -p "$WORK/makers"
lab_broker
lab_centre
expect 9 'ek_ca.*makers' "$LAB_BIN/kgr-ks" --config "$LAB/ks/ks.conf" run

# A maker, and a CA that only bears its name.
for ca in maker stranger; do
    openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/$ca.key" 2>/dev/null
    openssl req -x509 -new -key "$WORK/$ca.key" -subj "/CN=Maker of TPMs" -days 3650 -out "$WORK/$ca.pem"
done
cp "$WORK/maker.pem" "$WORK/makers/"
lab_run_ks

agent()
{
    echo "$LAB_BIN/kgr-agent --config $LAB/node-$1/agent.conf"
}

# certify I CA: gives the TPM of node I a certificate of its EK by that CA, padded as makers do.
certify()
{
    local i=$1 ca=$2 tcti=swtpm:path=$LAB/node-$1/tpm/sock dir=$LAB/node-$1
    tpm2_createek -T "$tcti" -Q -G ecc -c "$dir/ek.ctx" -u "$dir/ek.pem" -f pem
    tpm2_flushcontext -T "$tcti" -t
    printf 'extendedKeyUsage=2.23.133.8.1\nbasicConstraints=critical,CA:FALSE\n' >"$dir/ext"
    openssl req -new -key "$WORK/$ca.key" -subj "/CN=TPM $i" -out "$dir/ek.csr"
    openssl x509 -req -in "$dir/ek.csr" -force_pubkey "$dir/ek.pem" -CA "$WORK/$ca.pem" -CAkey "$WORK/$ca.key" \
        -set_serial "$i" -days 1 -extfile "$dir/ext" -outform DER -out "$dir/ek.der" 2>/dev/null
    store "$i" "$dir/ek.der"
}

# store I FILE: writes FILE where the EK's certificate stands.
store()
{
    local tcti=swtpm:path=$LAB/node-$1/tpm/sock
    tpm2_nvundefine -T "$tcti" -Q -C o 0x01c0000a 2>/dev/null || true
    { cat "$2" && head -c 60 /dev/zero | tr '\0' '\377'; } >"$WORK/padded"
    tpm2_nvdefine -T "$tcti" -Q -C o -s "$(stat -c %s "$WORK/padded")" -a 'ownerwrite|ownerread|authread|authwrite|no_da' 0x01c0000a
    tpm2_nvwrite -T "$tcti" -Q -C o -i "$WORK/padded" 0x01c0000a
}

# new_node I: a TPM and a state for node I.
new_node()
{
    lab_tpm "$LAB/node-$1/tpm" "tpm-$1"
    lab_node_conf "$1" "$LAB_TCTI"
    lab_agent "$1" init >/dev/null
}

alarmed()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status | grep -q "$1"
}

shown()
{
    lab_ac node show "$1" --json | tr -d ' \n' | grep -q "$2"
}

for i in 1 2 3; do
    new_node $i
done

# Nobody vouches for it; a stranger does; somebody else's certificate.
lab_ac node add gateway-00001 -o "$WORK/credential" >/dev/null
cp "$WORK/credential" "$WORK/stolen"
expect 5 'vouches' $(agent 1) enroll "$WORK/credential" --timeout 20
alarmed 'gateway-00001 was refused: nobody vouches' || fail "no alarm about an unproven TPM"
certify 1 stranger
rm -rf "$LAB/node-1/state"
lab_agent 1 init >/dev/null
cp "$WORK/stolen" "$WORK/credential"
expect 5 'vouches' $(agent 1) enroll "$WORK/credential" --timeout 20
certify 1 maker
store 2 "$LAB/node-1/ek.der"
cp "$WORK/stolen" "$WORK/credential"
expect 5 'vouches' $(agent 2) enroll "$WORK/credential" --timeout 20
# Its own certificate: proven, in a chain, padding and all.
rm -rf "$LAB/node-1/state"
lab_agent 1 init >/dev/null
cp "$WORK/stolen" "$WORK/credential"
expect 0 'is registered' $(agent 1) enroll "$WORK/credential" --timeout 20
shown gateway-00001 '"tpm":"proven"' || fail "node 1 is not shown as proven"
# After that the credential is of no use to another TPM of the same maker.
certify 3 maker
cp "$WORK/stolen" "$WORK/credential"
expect 6 'no answer' $(agent 3) enroll "$WORK/credential" --timeout 2
shown gateway-00001 '"state":"registered"' || fail "node 1 lost its name"

# --ek: who stole the credential gets nothing, though it comes first; the right TPM needs no certificate.
rm -rf "$LAB/node-2/state" "$LAB/node-3/state"
lab_agent 2 init >/dev/null
lab_agent 3 init >/dev/null
hash=$(lab_agent 2 identity --json | sed -n 's/.*"ek_hash": "\([0-9a-f]*\)".*/\1/p')
lab_ac node add gateway-00002 --ek "$hash" -o "$WORK/credential" >/dev/null
cp "$WORK/credential" "$WORK/stolen"
expect 6 'no answer' $(agent 3) enroll "$WORK/stolen" --timeout 2
alarmed 'another TPM used the credential of gateway-00002' || fail "no alarm about a stolen credential"
expect 0 'is registered' $(agent 2) enroll "$WORK/credential" --timeout 20
shown gateway-00002 '"tpm":"proven"' || fail "node 2 is not shown as proven"

# A stolen state folder on another TPM; a TPM that was cleared under its state. Nothing is made anew by itself.
lab_tpm "$LAB/node-4/tpm" tpm-4
lab_node_conf 4 "$LAB_TCTI"
cp -a "$LAB/node-2/state" "$LAB/node-4/state"
expect 8 'TPM' $(agent 4) run
expect 8 'TPM' $(agent 4) enroll
tpm2_clear -T "swtpm:path=$LAB/node-2/tpm/sock" -c p
handles()
{
    { tpm2_getcap -T "swtpm:path=$LAB/node-2/tpm/sock" handles-persistent &&
        tpm2_getcap -T "swtpm:path=$LAB/node-2/tpm/sock" handles-nv-index; } | grep -iE '0x(81004b|1804b)' || true
}
expect 8 'cleared.*wipe' $(agent 2) run
expect 8 'cleared.*wipe' $(agent 2) enroll
expect 8 'cleared' $(agent 2) init
[ -z "$(handles)" ] || fail "something was made in the cleared TPM: $(handles)"
# The way back: wipe, and enrol again. The EK outlives TPM2_Clear, so a revocation is enough.
expect 0 'wiped' $(agent 2) wipe --yes
expect 0 'initialised' $(agent 2) init
lab_ac node revoke gateway-00002 >/dev/null
lab_ac node add gateway-00002 -o "$WORK/credential" >/dev/null
expect 0 'is registered' $(agent 2) enroll "$WORK/credential" --timeout 20
shown gateway-00002 '"tpm":"proven"' || fail "the same chip is not proven any more"
