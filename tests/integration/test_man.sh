#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The man pages are well formed, and have every command and option that the programs have.
. "$(dirname "$0")/common.sh"

pages=$LAB_ROOT/packaging/man
# The words of a page, without its macros' dashes: Fl Fl json is --json.
words() { sed -e 's/Fl Fl /--/g' -e 's/Fl \([A-Za-z]\)\b/-\1/g' "$1"; }
for program in kgr-agent.8 kgr-ks.8 kgr-ac.8 kgrctl.1; do
    words "$pages/$program" >"$WORK/page"
    "$LAB_BIN/${program%.*}" --help >"$WORK/help"
    for option in $(sed -nE 's/^ +((-[a-zA-Z]), )?(--[a-z-]+).*/\2 \3/p' "$WORK/help"); do
        grep -qE -- "$option\b" "$WORK/page" || fail "$program does not have $option"
    done
    sed -n 's/^  \([a-z][a-z0-9]*\( [a-z]\+\)\?\)\( .*\)\?$/\1/p' "$WORK/help" | sort -u >"$WORK/commands"
    [ -s "$WORK/commands" ] || fail "found no commands of $program"
    while read -r command; do
        grep -qE "^\.It Cm $command( |$)" "$WORK/page" || fail "$program does not have the command $command"
    done <"$WORK/commands"
done
command -v mandoc >/dev/null || { echo "skipped the rest: mandoc is not installed"; exit 77; }
for page in "$pages"/*.[1-8]; do
    mandoc -T lint -W warning "$page" >"$WORK/lint" 2>&1 || { cat "$WORK/lint" >&2; fail "$page is not well formed"; }
done
