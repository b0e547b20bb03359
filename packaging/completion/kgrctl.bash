# SPDX-License-Identifier: BSD-2-Clause
# bash completion of kgrctl: it says itself what may follow, peers included.
_kgrctl()
{
    local candidates
    if candidates=$("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); then
        mapfile -t COMPREPLY <<<"$candidates"
        [ -n "$candidates" ] || COMPREPLY=()
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$2")
    fi
}
complete -F _kgrctl kgrctl
