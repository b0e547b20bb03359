# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The crash matrix: kill -9 of each part at each step that it brings to the disk, just before and just after, in
# each of the things that can be under way; every cell converges without an operator once the part runs again.
# Sourced by test_crash_matrix.sh and test_crash_matrix_all.sh. MATRIX_EVERY=n takes every n-th cell.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
MATRIX_EVERY=${MATRIX_EVERY:-1}
SHIM=$LAB_BUILD/tests/libkgrcrash.so
KEEP=$LAB_ROOT/tests/support/keep
declare -A CELLS STEPS
cell=0

# Services are kept as a service manager keeps them, each with its own trigger in $WORK/crash-NAME.
kept()
{
    local name=$1
    shift
    lab_spawn "kept-$name" "$LAB/$name.log" "$KEEP" env "LD_PRELOAD=$SHIM" "KGR_CRASH=$WORK/crash-$name" "$@"
}

lab_answers()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" node list >/dev/null 2>&1
}

# with_crash NAME CMD...: a command of ours under the shim.
with_crash()
{
    local name=$1
    shift
    env "LD_PRELOAD=$SHIM" "KGR_CRASH=$WORK/crash-$name" "$@"
}

arm()
{
    printf '%-7s%-10s\n' "$2" "$3" >"$WORK/crash-$1"
}

# steps NAME CMD...: how many steps NAME brings to the disk while CMD runs to its end.
steps()
{
    local name=$1
    shift
    arm "$name" after 1000
    "$@" || fail "without a crash: $* does not converge"
    settle
    STEPS_FOUND=$((1000 - $(cut -c8- "$WORK/crash-$name")))
    rm -f "$WORK/crash-$name"
}

# matrix ROW NAME CMD...: one row: CMD with NAME killed at each of its steps.
matrix()
{
    local row=$1 name=$2 n when survived=0 total=0
    shift 2
    steps "$name" "$@"
    for ((n = 1; n <= STEPS_FOUND; n++)); do
        for when in before after; do
            cell=$((cell + 1))
            [ $((cell % MATRIX_EVERY)) = 0 ] || continue
            total=$((total + 1))
            arm "$name" "$when" "$n"
            "$@" || fail "$row: $name killed $when step $n of $STEPS_FOUND: does not converge"
            settle
            # The number of steps differs by a few between runs; a trigger that was not reached counts for nothing.
            if [ -e "$WORK/crash-$name" ]; then
                rm -f "$WORK/crash-$name"
            else
                survived=$((survived + 1))
            fi
        done
    done
    CELLS["$row|$name"]="$survived of $total"
    STEPS["$row|$name"]=$STEPS_FOUND
    ROWS+=("$row|$name")
}

print_matrix()
{
    local row
    printf '%-22s %-8s %6s   %s\n' "under way" killed steps "cells in which it died, all converged"
    for row in "${ROWS[@]}"; do
        printf '%-22s %-8s %6s   %s\n' "${row%|*}" "${row#*|}" "${STEPS[$row]}" "${CELLS[$row]}"
    done
}
