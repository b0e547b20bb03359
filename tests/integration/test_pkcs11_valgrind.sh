#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# libkgr-pkcs11.so in processes under valgrind: no wrong access, and nothing lost after C_Finalize.
. "$(dirname "$0")/common.sh"

command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }
module=$LAB_LIB/libkgr-pkcs11.so
lab_up "$WORK/lab" --nodes 2
# shellcheck disable=SC1091
. "$WORK/lab/env"
export KGR_AGENT=$KGR_AGENT_1

# checked CMD...: CMD succeeds, and valgrind has nothing to say.
checked()
{
    timeout 300 valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
        --show-leak-kinds=definite,indirect,possible --error-exitcode=9 --log-file="$WORK/valgrind.%p" \
        "$@" >"$WORK/out" 2>"$WORK/err" || fail "$*: $(cat "$WORK/err" "$WORK"/valgrind.*)"
}

app=$LAB_BUILD/tests/pkcs11_app
for part in mechanisms threads fork; do
    checked "$app" $part "$module" "$KGR_ID_2"
done
echo text >"$WORK/text"
checked "$app" seal "$module" "$KGR_ID_2" <"$WORK/text"
checked "$LAB_BUILD/tests/pkcs11_keys" many "$module" "$KGR_ID_2" 2 200
checked "$LAB_BUILD/tests/pkcs11_keys" list "$module" "$KGR_ID_2"
# Failures leave nothing behind either.
status=0
KGR_AGENT=/nowhere valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
    --error-exitcode=9 --log-file="$WORK/none" "$app" mechanisms "$module" "$KGR_ID_2" 2>"$WORK/err" || status=$?
[ $status = 1 ] && [ ! -s "$WORK/none" ] || fail "without an agent: $(cat "$WORK/none")"
