#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# docs/pkcs11.md is true: its commands run one after the other on a lab, its programs compile and run, and its tables have
# every mechanism, attribute and code there is.
#
# What a fenced block is, its first line says: "sh" runs on node 1, "node=2" on its peer, "fails" must fail with the text of
# the next block, "needs=PROGRAM" where that is installed, "as=root" in a mount namespace over copies of the system's
# folders; "file=NAME" is written to that file.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/docs.sh"

doc=$LAB_ROOT/docs/pkcs11.md
command -v pkcs11-tool >/dev/null || { echo "skipped: pkcs11-tool is not installed"; exit 77; }
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
docs_split "$doc" "$WORK/blocks"
mkdir "$WORK/tree"
ln -s "$LAB_BUILD" "$WORK/tree/build"
ln -s "$LAB_ROOT/include" "$WORK/tree/include"

# Debian's, which has Debian's modules.
python3()
{
    /usr/bin/python3 "$@"
}

is_there()
{
    case $1 in
    PyKCS11) /usr/bin/python3 -c 'import PyKCS11' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# registered BLOCK: p11-kit finds the module by its .module file, among the system's.
registered()
{
    local modules configs
    modules=$(pkg-config --variable=p11_module_path p11-kit-1) || modules=/usr/lib/$(uname -m)-linux-gnu/pkcs11
    configs=$(pkg-config --variable=p11_module_configs p11-kit-1) || configs=/usr/share/p11-kit/modules
    if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
        echo "   left out: needs root and mount namespaces" >&7
        return
    fi
    cp -a "$modules" "$WORK/modules"
    cp -a "$configs" "$WORK/configs"
    # Other modules of this host have things to say of their own.
    rm -f "$WORK/configs"/*tpm2*.module
    cp "$LAB_LIB/libkgr-pkcs11.so" "$WORK/modules"
    cp "$LAB_ROOT/pkcs11/kgr.module" "$WORK/configs"
    unshare -m bash -euc 'mount --bind "$1/modules" "$2"; mount --bind "$1/configs" "$3"; bash -eu "$4"' \
        - "$WORK" "$modules" "$configs" "$1" >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/out" "$WORK/err")"
    grep -q 'token: KGR gateway-00001' "$WORK/out" || fail "p11-kit does not see it: $(cat "$WORK/out")"
    [ ! -s "$WORK/err" ] || fail "stderr: $(cat "$WORK/err")"
    # Without an agent it is loaded, and silent.
    KGR_AGENT=/nowhere unshare -m bash -euc 'mount --bind "$1/modules" "$2"; mount --bind "$1/configs" "$3"; bash -eu "$4"' \
        - "$WORK" "$modules" "$configs" "$1" >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/out" "$WORK/err")"
    grep -q '^kgr: libkgr-pkcs11.so' "$WORK/out" || fail "not there without an agent: $(cat "$WORK/out")"
    [ ! -s "$WORK/err" ] || fail "stderr without an agent: $(cat "$WORK/err")"
}

# Blocks share a shell, as they do when somebody types them.
exec 7>&1
run_all()
{
    local block info line words status name text
    cd "$WORK/tree"
    for block in "$WORK"/blocks/[0-9][0-9][0-9]; do
        read -r line words <"$block.info"
        for info in $words; do
            case "$info" in file=*) cp "$block" "${info#file=}" ;; esac
        done
        [ "${words%% *}" = sh ] || continue
        echo "-- line $line: $words" >&7
        KGR_AGENT=$KGR_AGENT_1
        has "$words" node=2 && KGR_AGENT=$KGR_AGENT_2
        export KGR_AGENT
        name=$(sed -n 's/.*needs=\([A-Za-z0-9-]*\).*/\1/p' <<<"$words")
        if [ -n "$name" ] && ! is_there "$name"; then
            echo "   left out: $name is not installed" >&7
        elif has "$words" as=root; then
            registered "$block"
        elif has "$words" fails; then
            status=0
            (eval "$(cat "$block")") >"$WORK/out" 2>"$WORK/err" || status=$?
            [ $status != 0 ] || fail "line $line: went through"
            text=$(cat "$WORK/blocks/$(printf %03d $((10#$(basename "$block") + 1)))")
            grep -qF -- "$text" "$WORK/out" "$WORK/err" || fail "line $line: no '$text' in: $(cat "$WORK/out" "$WORK/err")"
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

# output LINE-PATTERN: what the first block with this text printed, if it was run.
output()
{
    local block line words
    block=$(grep -lE -- "$1" "$WORK"/blocks/[0-9][0-9][0-9] | head -n 1)
    read -r line words <"$block.info"
    cat "$WORK/out.$line" 2>/dev/null || true
}

echo "-- what they printed"
output '^KGR_AGENT=/nowhere pkcs11-tool --module "\$module" -L' | grep -q '(empty)' || fail "a token without an agent"
output '^pkcs11-tool --module "\$module" -O' | grep -q 'gateway-00002 (sign)' || fail "no keys"
output 'verify' | grep -q 'Signature is valid' || fail "not verified"
output '^./records' | grep -q 'a record of [0-9]* bytes' || fail "records: $(output '^./records')"
listed=$(output '^p11tool')
if [ -n "$listed" ]; then
    grep -q 'URL: pkcs11:model=kgr-agent;manufacturer=KGR;serial=[0-9a-f]\{16\};token=KGR%20gateway-00001;id=.*;object=gateway-00002;type=secret-key$' \
        <<<"$listed" || fail "no clean URI: $listed"
fi
if is_there PyKCS11; then
    [ "$(output 'python3 meet.py')" = 'meet at noon' ] || fail "Python: $(output 'python3 meet.py')"
fi
cmp "$WORK/tree/kgr.module" "$LAB_ROOT/pkcs11/kgr.module" || fail "kgr.module is another"

echo "-- the tables are whole"
# shellcheck disable=SC2013
for name in $(grep -o 'CKM_[A-Z0-9_]*' "$LAB_ROOT/pkcs11/mechanism.c" "$LAB_ROOT/include/kgr/pkcs11.h" -h | sort -u | grep -v VENDOR) \
    $(grep -o '^#define CK[AR]_KGR_[A-Z_]*' "$LAB_ROOT/include/kgr/pkcs11.h" | cut -c9-); do
    grep -qw "$name" "$doc" || fail "not told of: $name"
done
