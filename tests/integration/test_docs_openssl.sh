#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# docs/openssl.md is true: its commands run one after the other on a lab, its programs compile and run, its
# failures fail for the reason that it tells, and its table has every reason there is.
#
# What a fenced block is, its first line says: "sh" runs on node 1, "node=2" on its peer, "fails" must
# fail with the text of the next block, "openssl=3.5" runs only there (test_openssl_debian13.sh),
# "needs=PROGRAM" where that runs, "as=root" in a mount namespace over copies of the system's
# folders; "file=NAME" is written to that file.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/docs.sh"

doc=$LAB_ROOT/docs/openssl.md
command -v openssl >/dev/null || { echo "skipped: openssl is not installed"; exit 77; }
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"

mkdir "$WORK/tree"
docs_split "$doc" "$WORK/blocks"
ln -s "$LAB_BUILD" "$WORK/tree/build"
ln -s "$LAB_ROOT/packaging" "$WORK/tree/packaging"

# install_as_root BLOCK: the system's folders are copies, in a namespace of its own.
install_as_root()
{
    local modules copies=$WORK/system
    modules=$(pkg-config --variable=modulesdir libcrypto)
    if [ "$(id -u)" != 0 ] || [ -n "${KGR_TEST_INSIDE:-}" ] || ! unshare -m true 2>/dev/null; then
        echo "   left out: needs root, mount namespaces and OpenSSL on this very system"
        return
    fi
    mkdir "$copies"
    cp -a /etc/ssl "$copies/ssl"
    cp -a "$modules" "$copies/modules"
    unshare -m bash -euc '
        mount --bind "$1/ssl" /etc/ssl
        mount --bind "$1/modules" "$2"
        bash -eu "$3"
        unset OPENSSL_CONF OPENSSL_MODULES
        openssl list -providers' - "$copies" "$modules" "$1" >"$WORK/out" 2>&1 || fail "$(cat "$WORK/out")"
    grep -q kgr "$WORK/out" || fail "not installed: $(cat "$WORK/out")"
}

# Blocks share a shell, as they do when somebody types them. In another system than this one (openssl35.sh),
# programs are made for that one by our compiler.
exec 7>&1
run_all()
{
    local block info line words kind text status name
    cd "$WORK/tree"
    unset OPENSSL_CONF OPENSSL_MODULES
    if [ -n "${KGR_TEST_INSIDE:-}" ]; then
        cc()
        {
            local out=$3 # -Wall -o NAME NAME.c -lcrypto
            command cc "$1" -I"$KGR_TEST_INCLUDE" -o "$out.bin" "$4" "$KGR_TEST_LIBCRYPTO" \
                -Wl,--allow-shlib-undefined
            printf '#!/bin/sh\nexec "%s" "%s"\n' "$KGR_TEST_INSIDE" "$PWD/$out.bin" >"$out"
            chmod 755 "$out"
        }
    fi
    for block in "$WORK"/blocks/[0-9][0-9][0-9]; do
        read -r line words <"$block.info"
        kind=${words%% *}
        for info in $words; do
            case "$info" in file=*) cp "$block" "${info#file=}" ;; esac
        done
        [ "$kind" = sh ] || continue
        echo "-- line $line: $words" >&7
        KGR_AGENT=$KGR_AGENT_1
        has "$words" node=2 && KGR_AGENT=$KGR_AGENT_2
        export KGR_AGENT
        if has "$words" as=root; then
            install_as_root "$block"
            continue
        fi
        if has "$words" openssl=3.5 && [ -z "${KGR_TEST_INSIDE:-}" ]; then
            echo "   left out: needs OpenSSL 3.5" >&7
            continue
        fi
        name=$(sed -n 's/.*needs=\([a-z0-9]*\).*/\1/p' <<<"$words")
        if [ -n "$name" ] && { [ -n "${KGR_TEST_INSIDE:-}" ] || ! "$name" -v >/dev/null 2>&1; }; then
            echo "   left out: $name is not there, or does not run under these conditions" >&7
            continue
        fi
        if has "$words" fails; then
            status=0
            (eval "$(cat "$block")") >"$WORK/out" 2>"$WORK/err" || status=$?
            [ $status != 0 ] || fail "line $line: went through"
            text=$(cat "$WORK/blocks/$(printf %03d $((10#$(basename "$block") + 1)))")
            grep -qF -- "$text" "$WORK/err" || fail "line $line: no '$text' in: $(cat "$WORK/err")"
        else
            # Not "eval || fail": that would forgive all but the last command.
            set -E
            trap 'echo "test: line $line failed: $(cat "$WORK/out.$line" "$WORK/err")" >&7' ERR
            eval "$(cat "$block")" >"$WORK/out.$line" 2>"$WORK/err"
            trap - ERR
            set +E
        fi
    done
}
run_all
cd /

# output LINE-PATTERN: what the one block with this text printed.
output()
{
    local block line words
    block=$(grep -lE -- "$1" "$WORK"/blocks/[0-9][0-9][0-9] | head -n 1)
    read -r line words <"$block.info"
    cat "$WORK/out.$line"
}

echo "-- what they printed"
one=$(output '^openssl mac -macopt key-uri:kgr:peer=gateway-00002 -in report.txt')
[ "$(sort -u <<<"$one" | wc -l)" = 1 ] || fail "the two MACs of node 1 differ: $one"
[ "$(output 'hexkey:')" = "$(head -n 1 <<<"$one")" ] || fail "the MAC of node 2 differs"
output '^openssl storeutl' | grep -q 'kgr:peer=gateway-00002' || fail "storeutl lists no key"
output '^./naming' | grep -qx 'meet at noon' || fail "naming: $(output '^./naming')"
output '^./aead' | grep -qx 'open' || fail "aead: $(output '^./aead')"
[ "$(output 'random.cnf openssl rand')" != "$(output 'seed.cnf openssl rand')" ] || fail "rand repeats itself"
for name in $(output '^openssl list -providers' | sed -n 's/^  *Name: *\(KGR[^ ]*\).*/\1/p; s/^  *\(KGR-[^ ]*\) @ kgr/\1/p'); do
    grep -qF "${name##KGR-AES-???-}" "$doc" || fail "$name is not told of"
done

echo "-- every reason is in the table"
sed -n 's/^    {\(KGR_PROV_R_[A-Z_]*\), "\(.*\)"},$/\1 \2/p' "$LAB_ROOT/provider/error.c" >"$WORK/reasons"
while read -r name text; do
    number=$(sed -n "s/^    $name = \([0-9]*\).*/\1/p" "$LAB_ROOT/provider/error.h")
    grep -qF "| $number | $text |" "$doc" || fail "missing: | $number | $text |"
done <"$WORK/reasons"
sed -n 's/^    \[\(KGR_ERR_[A-Z_]*\)\] = "\(.*\)",$/\1 \2/p' "$LAB_ROOT/agent/base/error.c" >>"$WORK/errors"
while read -r name text; do
    number=$(sed -n "s/^    $name = \([0-9]*\).*/\1/p" "$LAB_ROOT/include/kgr/error.h")
    grep -qF "| $number | $text |" "$doc" || fail "missing: | $number | $text |"
done <"$WORK/errors"
[ "$(wc -l <"$WORK/reasons")" -ge 18 ] && [ "$(wc -l <"$WORK/errors")" -ge 27 ] || fail "no reasons were found"

echo "-- every setting of the section is in the table"
for name in $(sed -n 's/.*OSSL_PARAM_utf8_ptr("\([a-z-]*\)".*/\1/p' "$LAB_ROOT/provider/provider.c"); do
    grep -qE "^\| \`$name\`" "$doc" || fail "missing: setting $name"
    grep -qE "^# $name = " "$LAB_ROOT/packaging/openssl/kgr.cnf" || fail "not in kgr.cnf: $name"
done
echo "-- kgr.cnf works by inclusion in the system's file too"
(cat /etc/ssl/openssl.cnf; echo ".include $LAB_ROOT/packaging/openssl/kgr.cnf") >"$WORK/included.cnf"
OPENSSL_MODULES=$LAB_LIB OPENSSL_CONF=$WORK/included.cnf openssl list -providers >"$WORK/out"
grep -q '^  kgr$' "$WORK/out" && grep -q '^  default$' "$WORK/out" || fail "$(cat "$WORK/out")"
