#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The provider on OpenSSL 3.5, in a Debian 13: the kgr.so and the test programs that were built here pass
# the same tests there.
# label: slow
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/openssl35.sh"

here=$(cd "$(dirname "$0")" && pwd)
trixie_up
before=$(sha256sum "$LAB_LIB/kgr.so")

for test in "$LAB_BUILD"/tests/test_prov_*; do
    "$INSIDE" "$test" >"$WORK/unit.out" 2>&1 || { cat "$WORK/unit.out" >&2; fail "$(basename "$test")"; }
    echo "-- $(basename "$test"): $(grep -c 'OK ]' "$WORK/unit.out") of $(grep -c 'RUN  ' "$WORK/unit.out") passed"
done
for script in test_openssl test_openssl_known test_openssl_answers test_openssl_process test_openssl_renewal \
    test_openssl_refusals test_docs_openssl; do
    echo "-- $script"
    PATH=$WORK/bin:$PATH KGR_TEST_INSIDE=$INSIDE KGR_TEST_INCLUDE=$WORK/include \
        KGR_TEST_LIBCRYPTO=$TRIXIE_LIBCRYPTO bash "$here/$script.sh" || fail "$script on OpenSSL 3.5"
done
[ "$(sha256sum "$LAB_LIB/kgr.so")" = "$before" ] || fail "kgr.so changed meanwhile"
