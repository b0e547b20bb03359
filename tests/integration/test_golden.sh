#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every command as people see it, where it matters in terminals of 80 and of 160 columns, and as programs do, compared with golden/.
# What is meant to change there: KGR_GOLDEN_UPDATE=1 writes it anew, to be read before it is committed.
. "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)
lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
export LAB KGR_KS KGR_AGENT=$KGR_AGENT_1 BIN=$LAB_BIN NO_COLOR=1 TERM=xterm LC_ALL=C.UTF-8
VERSION=$("$BIN/kgrctl" --version)
export VERSION=${VERSION#* }
lab_ac pair deny "$(lab_id 1)" "$(lab_id 3)" >/dev/null 2>&1
lab_ac node add spare -o "$LAB/credential" >/dev/null 2>&1
denied()
{
    lab_ctl 1 peers | grep -q revoked
}
lab_wait_for 10 "the end of a pair" denied
lab_ctl 1 request gateway-9 2>/dev/null || true
echo "a few words" >"$LAB/words"
printf 'node, spare-2\npair, spare-2, gateway-00001, any, resident\ndeny, gateway-00001, gateway-00002\n' >"$LAB/fleet.csv"

# Replaces what varies from run to run; where something stands behind it in a column, by as many characters. Of the AC's log, which
# grows while it is shown, the first 21 records are kept.
normalise()
{
    perl -pe '
        s/\r//g;
        s/\Q$ENV{LAB}\E/LAB/g;
        s/\b\Q$ENV{VERSION}\E\b/VERSION/g;
        s/127\.0\.0\.1:\d+/127.0.0.1:PORT/g;
        s/process \d+/process PID/g;
        s/firmware [0-9.]+/firmware N/g;
        s/\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\dZ/YYYY-MM-DD$1hh:mm:ssZ/g;
        s/\b4b4752680001[0-9a-f]{20,}/HANDLE/g;
        s/\b[0-9a-f]{64,}\b/HASH/g;
        s{\bkgr/[\w-]{43}}{kgr/TOPIC}g;
        s/"[\w-]{86}"/"SIGNATURE"/g;
        s/\b\d+s ago/Ns ago/g;
        s/( +\d+)s(?= )/sprintf "%*s", length "$1s", "Ns"/e;
        s/\b\d+d \d\dh/NNd NNh/g;
        s/\b\d+h \d\dm/NNh NNm/g;
        s/(frames refused +)\d.*/$1N/;
        s/("(?:\w+_s|added|heard|epoch|frames_refused|size|version|key|type|rate|replay|tag|body|queue|number)": )\d+/$1N/ unless /"version": 1,/;
        s/("(?:sequence|last|signed|heads)":)( ?)\d+/$1$2N/g;
        s/\b(records 1 to) \d+/$1 N/;
        s/ \d+:HASH/ N:HASH/;
        s/\b(up to record|they hold record) \d+/$1 N/;
        s/\bby \d+ heads?/by N heads/;
        s/(epoch +)\d+$/$1N/;
        $_ = "" if /^ *(\d+)  YYYY.* (order|reload|head) .*(done|unknown|signs)/ && $1 > 21;
    '
}

# same NAME: what comes in is what golden/NAME.txt has.
same()
{
    local golden=$here/golden/$1.txt
    normalise >"$WORK/$1"
    if [ -n "${KGR_GOLDEN_UPDATE:-}" ]; then
        cp "$WORK/$1" "$golden"
    elif ! diff -u --label "golden/$1.txt" --label "now" "$golden" "$WORK/$1" >"$WORK/diff"; then
        cat "$WORK/diff" >&2
        fail "the output is another; if that is meant: KGR_GOLDEN_UPDATE=1 $0"
    fi
}
for width in 80 160; do
    script -qec "stty cols $width rows 50; bash -c '. \"$here/golden.sh\"; wide'" /dev/null </dev/null | same "wide-$width"
done
bash -c '. "$0"; answers' "$here/golden.sh" | same answers
bash -c '. "$0"; json' "$here/golden.sh" | same json
agent=$(awk '$2 == "agent-3" { print $1 }' "$LAB/pids")
lab_kill "$agent"
lab_kill "$KGR_KS_PID"
bash -c '. "$0"; stopped' "$here/golden.sh" | same stopped
