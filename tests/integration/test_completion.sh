#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Completion of kgrctl in bash, zsh and fish, and what is said to somebody who mistyped.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id2=$(lab_id 2)
export KGR_AGENT=$KGR_AGENT_1 PATH=$LAB_BIN:$PATH
scripts=$LAB_ROOT/packaging/completion
cd "$WORK"
touch a-file

# Each prints what its shell would offer, one a line and sorted, for the words of a command line; the last is being typed.
in_bash()
{
    bash --norc -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kgrctl "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' "$scripts/kgrctl.bash" "$@" | grep . | sort
}
in_zsh()
{
    zsh -f -c 'compadd() { shift; print -rl -- "$@" }; _files() { print -rl -- * }
        script=$1; shift; words=("$@"); CURRENT=$#; . $script' zsh "$scripts/_kgrctl" "$@" |
        grep -e "^${!#}" | sort
}
in_fish()
{
    local line="$*"
    HOME=$WORK fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$scripts/kgrctl.fish" "$line" | cut -f1 | sort
}
# offers WANTED WORD...: WANTED, separated by spaces, is what every shell offers.
offers()
{
    local wanted=$1 shell got
    shift
    for shell in "${shells[@]}"; do
        got=$("in_$shell" kgrctl "$@" | paste -sd' ' || true)
        [ "$got" = "$wanted" ] || fail "$shell offers '$got' instead of '$wanted' for: kgrctl $*"
    done
}
shells=()
for shell in bash zsh fish; do
    if command -v $shell >/dev/null; then
        shells+=("$shell")
    else
        echo "$shell is not installed: its completion was not tried"
    fi
done

offers 'seal send' se
offers 'peers' pee
offers "$id2" topics ''
offers "$id2" seal --aad x gate
offers "$id2" events --peer ''
offers '--stored' seal "$id2" --st
offers '--json' peers --j
offers '' topics "$id2" ''
offers 'a-file' send "$id2" a-f
offers 'a-file' seal "$id2" --input a-f
offers 'verify' audit ver
KGR_AGENT=$WORK/nobody offers '' topics ''
KGR_AGENT=$WORK/nobody offers 'status' stat

# zsh finds the function by itself, in the folder that packages put it into.
if command -v zsh >/dev/null; then
    # shellcheck disable=SC2016
    [ "$(zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[kgrctl]' zsh "$scripts")" = _kgrctl ] ||
        fail "zsh does not find its completion"
fi

# Slips: commands and peers that were probably meant.
expect 2 'unknown command stauts, did you mean status; see kgrctl --help' kgrctl stauts
expect 2 'unknown command frobnicate; see' kgrctl frobnicate
expect 2 'unknown command pair alow, did you mean pair allow' kgr-ac pair alow
expect 2 'unknown command rum, did you mean run' kgr-agent rum
expect 2 'unknown command frobnicate; see' kgr-ks frobnicate
expect 4 "did you mean $id2\?" kgrctl topics gateway
expect 4 "did you mean $id2\?" kgrctl seal gatewya-00002 </dev/null
expect 4 'kgrctl peers lists the peers' kgrctl topics nobody
