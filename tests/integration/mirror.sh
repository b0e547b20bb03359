# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests of the mirror: stock tpm2-pkcs11 at the TPM of a node, while its agent does not run or both are behind tpm2-abrmd.
# Sourced after common.sh, when LAB stands.

# Debian 13 has the library in another folder.
MIRROR_STOCK=$(${KGR_TEST_INSIDE:-} sh -c 'ls /usr/lib/*/libtpm2_pkcs11.so.1 /usr/lib/*/pkcs11/libtpm2_pkcs11.so.1 2>/dev/null' | head -n 1 || true)
for tool in "${MIRROR_STOCK:-libtpm2_pkcs11.so.1}" /usr/bin/tpm2_ptool /usr/bin/pkcs11-tool; do
    ${KGR_TEST_INSIDE:-} test -e "$tool" || { echo "skipped: no $tool (scripts/setup installs it)"; exit 77; }
done
MIRROR_PROGRAM=$LAB_BUILD/tests/pkcs11_mirror
MIRROR_MODULE=$LAB_LIB/libkgr-pkcs11.so
MIRROR_PIN=mirror-pin-1234
MIRROR_STORE=$WORK/store
mkdir -p "$MIRROR_STORE"

# mirror_add NODE [ARG...]: with the PIN, as an operator does it.
mirror_add()
{
    local node=$1
    shift
    lab_ctl "$node" mirror add --store "$MIRROR_STORE" --token kgr --pin-fd 3 "$@" 3<<<"$MIRROR_PIN"
}

# mirror_fails STATUS PATTERN NODE ARG...: kgrctl mirror ARG... with the PIN ends so.
mirror_fails()
{
    local status=$1 pattern=$2 socket=$LAB/node-$3/agent.sock
    shift 3
    expect "$status" "$pattern" "$LAB_BIN/kgrctl" --socket "$socket" mirror "$@" 3<<<"$MIRROR_PIN"
}

# stock NODE CMD...: with the environment of stock tpm2-pkcs11 at the TPM of NODE.
stock()
{
    local tcti=KGR_TPM_$1
    shift
    env TPM2_PKCS11_STORE="$MIRROR_STORE" TPM2_PKCS11_TCTI="${MIRROR_TCTI:-${!tcti}}" \
        TPM2TOOLS_TCTI="${MIRROR_TCTI:-${!tcti}}" timeout --foreground 60 ${KGR_TEST_INSIDE:-} "$@"
}

# by_stock NODE PEER GENERATION make|check FOLDER and by_agent: every mechanism through one door or the other.
by_stock()
{
    local node=$1
    shift
    mkdir -p "$4"
    stock "$node" "$MIRROR_PROGRAM" "$MIRROR_STOCK" "$MIRROR_PIN" "$@" ||
        fail "stock tpm2-pkcs11 at node $node: $*"
}

by_agent()
{
    local agent=KGR_AGENT_$1
    shift
    mkdir -p "$4"
    KGR_AGENT=${!agent} timeout --foreground 60 "$MIRROR_PROGRAM" "$MIRROR_MODULE" - "$@" ||
        fail "libkgr-pkcs11.so at $agent: $*"
}

# mirror_has NODE OBJECTS: the token holds so many.
mirror_has()
{
    lab_ctl "$1" mirror list --json | tr -d ' \n' | grep -q "\"objects\":$2,\"error\":null"
}

mirror_wait()
{
    lab_wait_for 20 "$2 objects in the mirror of node $1" mirror_has "$1" "$2" ||
        fail "$(lab_ctl "$1" mirror list)"
}

# rows QUERY: of the store.
rows()
{
    sqlite3 -cmd ".timeout 5000" "$MIRROR_STORE/tpm2_pkcs11.sqlite3" "$1"
}
