# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# What every integration test starts with: a private folder in WORK, removed at a good end, all
# processes ended by pid.
set -euo pipefail
# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/kgr-test.XXXXXX")

common_finish()
{
    local status=$? lab
    for lab in "$WORK" "$WORK"/*/; do
        lab_down "${lab%/}"
    done
    if [ $status = 0 ] || [ $status = 77 ]; then
        rm -rf "$WORK"
    else
        echo "FAILED; logs are in $WORK" >&2
        tail -n 15 "$WORK"/*/log "$WORK"/*/*/log >&2 2>/dev/null || true
    fi
    exit $status
}
trap common_finish EXIT
trap 'exit 130' INT TERM

fail()
{
    echo "test: $*" >&2
    exit 1
}

# expect STATUS PATTERN CMD...: CMD ends with STATUS within 30 s, and stderr and stdout together match the
# extended regular expression. A failing command says what is wrong in one line on stderr.
expect()
{
    local wanted=$1 pattern=$2 status=0 lines
    shift 2
    timeout --foreground 30 "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
    [ $status != 124 ] || fail "still running after 30 s: $*"
    OUTPUT=$(cat "$WORK/out" "$WORK/err")
    [ $status = "$wanted" ] || fail "exit code $status instead of $wanted from: $* ($OUTPUT)"
    grep -qE -- "$pattern" "$WORK/out" "$WORK/err" || fail "no match for '$pattern' from: $* ($OUTPUT)"
    if [ "$wanted" != 0 ]; then
        lines=$(grep -vcE '^(INFO|WARN|ERROR|DEBUG) |^$' "$WORK/err" || true)
        [ "$lines" = 1 ] || fail "$lines lines of error instead of one from: $* ($OUTPUT)"
    fi
}


lab_up()
{
    "$LAB_ROOT/tests/support/lab" up "$@" >"$WORK/lab.out" 2>&1 || { cat "$WORK/lab.out" >&2; fail "the lab did not come up"; }
}
