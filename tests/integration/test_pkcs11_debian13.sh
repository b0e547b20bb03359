#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The PKCS#11 module under OpenSC 0.26, in a Debian 13: the libkgr-pkcs11.so that was built here passes the same tests there.
# label: slow
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/openssl35.sh"

here=$(cd "$(dirname "$0")" && pwd)
trixie_up
[ -x "$TRIXIE/usr/bin/pkcs11-tool" ] || { echo "skipped: no opensc in $TRIXIE"; exit 77; }
"$INSIDE" dpkg-query -W -f 'OpenSC ${Version}\n' opensc | tee "$WORK/version"
grep -qE '^OpenSC 0\.(2[6-9]|[3-9])' "$WORK/version" || fail "that is not OpenSC 0.26"
for test in "$LAB_BUILD"/tests/test_p11_*; do
    "$INSIDE" "$test" >"$WORK/unit.out" 2>&1 || { cat "$WORK/unit.out" >&2; fail "$(basename "$test")"; }
    echo "-- $(basename "$test"): $(grep -c 'OK ]' "$WORK/unit.out") passed"
done
for script in test_pkcs11 test_pkcs11_login test_docs_pkcs11 test_pkcs11_threads; do
    echo "-- $script"
    PATH=$WORK/bin:$PATH KGR_TEST_INSIDE=$INSIDE bash "$here/$script.sh" || fail "$script with OpenSC 0.26"
done
