#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgr.so in a process under valgrind: no wrong access, and nothing lost after OPENSSL_cleanup.
# label: slow
. "$(dirname "$0")/common.sh"

command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
export KGR_AGENT=$KGR_AGENT_1 OPENSSL_MODULES=$LAB_LIB
cat >"$WORK/openssl.cnf" <<END
openssl_conf = init
[init]
providers = providers
random = random
[random]
random = KGR-TPM-RAND
properties = provider=kgr
[providers]
default = default_section
kgr = kgr_section
[default_section]
activate = 1
[kgr_section]
activate = 1
peer = $KGR_ID_2
END

# checked CMD...: CMD succeeds, and valgrind has nothing to say.
checked()
{
    timeout 200 valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
        --show-leak-kinds=definite,indirect,possible --error-exitcode=9 --log-file="$WORK/valgrind.%p" \
        "$@" >"$WORK/out" 2>"$WORK/err" || fail "$*: $(cat "$WORK/err" "$WORK"/valgrind.*)"
}

app=$LAB_BUILD/tests/openssl_app
for part in aead fork unload; do
    checked "$app" $part "$LAB_LIB" "$KGR_ID_2"
done
checked "$app" threads "$LAB_LIB" "$KGR_ID_2" 80
export OPENSSL_CONF=$WORK/openssl.cnf
checked openssl rand -hex 64
checked openssl storeutl -noout kgr:
checked openssl mac -in "$app" KGR-HMAC
iv=000102030405060708090a0b0c0d0e0f
for mode in ECB CBC CTR CFB OFB; do
    checked openssl enc -e "-KGR-AES-128-$mode" -K "$("$LAB_BIN/kgrctl" handle "$KGR_ID_2")" -iv $iv \
        -in "$WORK/openssl.cnf" -out "$WORK/sealed"
done
# Failures leave nothing behind either.
! KGR_AGENT=/nowhere valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
    --error-exitcode=9 openssl mac -in "$app" KGR-HMAC 2>"$WORK/err" || fail "without an agent"
grep -q 'no agent' "$WORK/err" && ! grep -q '^==' "$WORK/err" || fail "$(cat "$WORK/err")"
