#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# docs/developer.md and docs/operator.md are true: their commands run one after the other on a lab. What is marked "packages" there
# is run by tests/support/systemd-check. A block "fails" must fail with the text of the next block.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/docs.sh"

lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
export KGR_AGENT_1 KGR_AGENT_2 KGR_AGENT=$KGR_AGENT_1 PATH=$LAB_BIN:$PATH
mkdir "$WORK/tree"
ln -s "$LAB_BUILD" "$WORK/tree/build"
ln -s "$LAB_ROOT/include" "$WORK/tree/include"
cd "$WORK/tree"

# As they are called with their default configuration.
kgr-ac()
{
    command kgr-ac --config "$LAB/ac/ac.conf" "$@"
}

exec 7>&1
for page in developer operator; do
    docs_split "$LAB_ROOT/docs/$page.md" "$WORK/$page"
    run=0
    for block in "$WORK/$page"/[0-9][0-9][0-9]; do
        read -r line words <"$block.info"
        for word in $words; do
            case "$word" in file=*) cp "$block" "${word#file=}" ;; esac
        done
        [ "${words%% *}" = sh ] && ! has "$words" not-run && ! has "$words" packages || continue
        if [ "$LAB_CUSTODY" != resident ] && grep -q resident "$block"; then continue; fi
        echo "-- $page.md line $line" >&7
        run=$((run + 1))
        if has "$words" fails; then
            status=0
            (eval "$(cat "$block")") >"$WORK/out" 2>"$WORK/err" || status=$?
            [ $status != 0 ] || fail "line $line: went through"
            text=$(cat "$WORK/$page/$(printf %03d $((10#$(basename "$block") + 1)))")
            grep -qF -- "$text" "$WORK/err" || fail "line $line: no '$text' in: $(cat "$WORK/err")"
        else
            set -E
            trap 'echo "test: $page.md line $line failed: $(cat "$WORK/out" "$WORK/err")" >&7' ERR
            eval "$(cat "$block")" >"$WORK/out" 2>"$WORK/err"
            trap - ERR
            set +E
            cat "$WORK/out" >>"$WORK/$page.out"
        fi
    done
    [ $run -ge 5 ] || fail "$page.md has only $run blocks to run"
done
cd /

# What they printed is what the pages promise.
for wanted in 'meet at noon' '^ready$' '^3$' 'a record of [0-9]+ bytes' '^[0-9A-F]{64}$' 'gateway-00002 \(sign\)' '13 bytes, 16 of ciphertext'; do
    grep -qE -- "$wanted" "$WORK/developer.out" || fail "developer.md: nothing printed '$wanted'"
done
for wanted in '^gateway-00002 +[0-9]+ +ready' '2 nodes to add, 2 pairs to allow' '4 changes made' 'records 1 to ' '^gateway-00003 +revoked'; do
    grep -qE -- "$wanted" "$WORK/operator.out" || fail "operator.md: nothing printed '$wanted'"
done
