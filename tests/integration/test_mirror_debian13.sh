#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The mirror with tpm2-pkcs11 of Debian 13, in one: stock library and tools there read what the agent here keeps, and a store that
# they made serves as well.
# label: slow
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/openssl35.sh"

here=$(cd "$(dirname "$0")" && pwd)
# python3-ply: debootstrap finds no package by a name that it only provides.
TRIXIE_MORE=,libtpm2-pkcs11-1,libtpm2-pkcs11-tools,libtss2-tcti-swtpm0t64,tpm2-tools,python3-ply
trixie_up
"$INSIDE" dpkg-query -W -f 'tpm2-pkcs11 ${Version}\n' libtpm2-pkcs11-1 | tee "$WORK/version"
for script in test_mirror test_mirror_refusals; do
    echo "-- $script"
    PATH=$WORK/bin:$PATH KGR_TEST_INSIDE=$INSIDE bash "$here/$script.sh" || fail "$script with tpm2-pkcs11 of Debian 13"
done
