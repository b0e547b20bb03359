#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kgr-ac import: a list of nodes and pairs is checked whole, shown, carried out once, and goes on where it was cut off;
# the pictures of what came of it.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
ac=("$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf")
ac()
{
    "${ac[@]}" "$@" 2>/dev/null
}
mkdir "$WORK/credentials"
cat >"$WORK/fleet.csv" <<CSV
# a third and a fourth node beside those two
node, third
node, fourth, , 1d
node, $id1
pair, $id1, third, AES-128-CBC-HMAC-SHA256, resident
pair, third, fourth
deny, $id1, $id2
CSV

# What would change, and nothing does.
ac pair matrix >"$WORK/before"
expect 0 '2 nodes to add, 2 pairs to allow, 0 to alter, 1 to deny; 1 as they are' "${ac[@]}" import -n "$WORK/fleet.csv"
ac import --dry-run --json "$WORK/fleet.csv" | tr -d ' \n' |
    grep -q '{"line":7,"change":"deny","nodes":\["gateway-00001","gateway-00002"\]' || fail "the plan as JSON lacks the pair to deny"
ac pair matrix | cmp - "$WORK/before" || fail "a dry run changed something"

# Whatever is wrong is said before anything is done.
expect 2 'name the folder .*--credentials DIR' "${ac[@]}" import "$WORK/fleet.csv"
expect 2 'json goes with --dry-run' "${ac[@]}" import --json "$WORK/fleet.csv"
{ cat "$WORK/fleet.csv"; echo "pair, $id1, nobody"; } >"$WORK/bad.csv"
expect 4 'bad.csv:8: no node nobody' "${ac[@]}" import --credentials "$WORK/credentials" "$WORK/bad.csv"
sed 's/^deny/denny/' "$WORK/fleet.csv" >"$WORK/bad.csv"
expect 2 "bad.csv:7: 'denny' begins no record" "${ac[@]}" import --credentials "$WORK/credentials" "$WORK/bad.csv"
expect 1 'none.csv' "${ac[@]}" import "$WORK/none.csv"
ac pair matrix | cmp - "$WORK/before" || fail "a list with a mistake changed something"

# Cut off in the middle, it goes on from there; at the end there is nothing to do.
echo mine >"$WORK/credentials/fourth.credential"
expect 1 'fleet.csv:3: .*fourth.credential.*; 1 of 5 changes are made' "${ac[@]}" import --credentials "$WORK/credentials" "$WORK/fleet.csv"
rm "$WORK/credentials/fourth.credential"
expect 0 '4 changes made, 2 as they were' "${ac[@]}" import --credentials "$WORK/credentials" "$WORK/fleet.csv"
expect 0 '^0 changes made, 6 as they were' "${ac[@]}" import "$WORK/fleet.csv"
for node in third fourth; do
    [ "$(stat -c %a "$WORK/credentials/$node.credential")" = 600 ] || fail "the credential of $node may be read by others"
    ac node show "$node" | grep -q "^$node .*issued" || fail "$node was not added"
done
ac pair matrix | grep -qE "^$id1 +third +allowed +AES-128-CBC-HMAC-SHA256 +resident +0" || fail "the pair has other minimums"
ac pair matrix | grep -qE "^$id1 +$id2 +denied" || fail "the pair was not denied"
sed 's/resident/any/' "$WORK/fleet.csv" >"$WORK/altered.csv"
expect 0 'custody resident to any' "${ac[@]}" import -n "$WORK/altered.csv"
expect 0 '^1 changes made' "${ac[@]}" import "$WORK/altered.csv"

# The pictures.
ac pair matrix --grid | grep -qE "^ +2 $id1 +\. +- +o$|^ +2 $id1 " || fail "the grid lacks a node"
ac pair matrix --dot >"$WORK/pairs.dot"
grep -q "\"$id1\" -- \"third\" \[style=dashed\];" "$WORK/pairs.dot" || fail "the graph lacks a pair"
if command -v dot >/dev/null; then
    dot -Tsvg "$WORK/pairs.dot" | grep -q '<svg' || fail "Graphviz does not take the graph"
else
    echo "Graphviz is not installed: the graph was not drawn"
fi
# A table fits its terminal.
script -qec "stty cols 60; NO_COLOR=1 '${ac[0]}' --config '$LAB/ac/ac.conf' pair matrix" /dev/null 2>/dev/null </dev/null | tr -d '\r' | grep -v '^INFO' >"$WORK/narrow"
awk 'length > 60 { exit 1 }' "$WORK/narrow" || fail "a line is longer than the terminal is wide: $(cat "$WORK/narrow")"
grep -q "$id1" "$WORK/narrow" || fail "the narrow table lost a node"
