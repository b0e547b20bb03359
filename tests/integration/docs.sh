# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The fenced blocks of a page of docs/, for tests that run them.

# docs_split PAGE DIR: each block becomes a file in DIR, 001 and on, and beside it NNN.info has its line and first line.
docs_split()
{
    mkdir "$2"
    awk -v dir="$2" '
        /^```/ && !inside { inside = 1; n++; file = sprintf("%s/%03d", dir, n); print NR " " substr($0, 4) >(file ".info"); printf "" >file; next }
        /^```$/ { inside = 0; close(file); next }
        inside { print >file }' "$1"
}

# has WORDS WORD: whether the block's first line has it.
has()
{
    case " $1 " in *" $2 "*) return 0 ;; esac
    return 1
}
