#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Each program of examples/ does what its head says, between two nodes of a lab.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)
module=$LAB_LIB/libkgr-pkcs11.so
export OPENSSL_MODULES=$LAB_LIB
head -c 150000 /dev/urandom >"$WORK/file"

# at NODE CMD...: CMD as a user of that node.
mkdir "$WORK/bin"
printf '#!/bin/bash\nsocket=KGR_AGENT_$1\nKGR_AGENT=${!socket} exec "${@:2}"\n' >"$WORK/bin/at"
chmod +x "$WORK/bin/at"
export KGR_AGENT_1 KGR_AGENT_2 PATH=$WORK/bin:$PATH

# chat: both ways, and the line that was typed before the other was there.
mkfifo "$WORK/typed1" "$WORK/typed2"
at 1 "$LAB_BIN/kgr-chat" "$id2" <"$WORK/typed1" >"$WORK/said1" 2>"$WORK/chat1" &
one=$!
exec 8>"$WORK/typed1"
echo 'early' >&8
at 2 "$LAB_BIN/kgr-chat" "$id1" <"$WORK/typed2" >"$WORK/said2" 2>"$WORK/chat2" &
two=$!
exec 9>"$WORK/typed2"
printf 'noon, at the gate\n' >&9
lab_wait_for 10 'the line at node 1' grep -qx "$id2: noon, at the gate" "$WORK/said1"
printf 'half\nof it' >&8
lab_wait_for 10 'the line at node 2' grep -qx "$id1: half" "$WORK/said2"
grep -qx "$id1: early" "$WORK/said2" || fail "what was sent before is lost"
! grep -q 'of it' "$WORK/said2" || fail "half a line was sent"
exec 8>&- 9>&-
wait $one || fail "chat at node 1 ended with $?"
wait $two || fail "chat at node 2 ended with $?"
expect 5 'not authorised' at 1 "$LAB_BIN/kgr-chat" nobody

# sensor: every line arrives once and in order, though the broker goes away in between.
mkfifo "$WORK/lines"
: >"$WORK/heard"
collector()
{
    at 2 "$LAB_BIN/kgr-sensor" collect "$id1" >>"$WORK/heard" 2>"$WORK/collector" 8>&- &
    collector=$!
}
heard()
{
    [ "$(wc -l <"$WORK/heard")" -ge "$1" ]
}
collector
at 1 "$LAB_BIN/kgr-sensor" send "$id2" <"$WORK/lines" 2>"$WORK/sensor" &
sensor=$!
exec 8>"$WORK/lines"
seq 1 20 >&8
lab_wait_for 10 '20 lines' heard 20
lab_kill "$KGR_BROKER_PID"
seq 21 130 >&8
lab_wait_for 10 'the sensor to wait' grep -q 'no connection to the broker' "$WORK/sensor"
# Without the pipe, whose end the sensor waits for.
lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD 8>&-
exec 8>&-
wait $sensor || fail "the sensor ended with $?"
lab_wait_for 10 '130 lines' heard 130
kill $collector
[ "$(cut -d' ' -f2 "$WORK/heard")" = "$(seq 1 130)" ] || fail "lines are missing, doubled or out of order"

# drop: twice the same file; a piece moved, cut off or changed is found, and leaves no file.
at 1 "$LAB_BIN/kgr-drop" put "$id2" "$WORK/file" "$WORK/drop"
for _ in 1 2; do
    at 2 "$LAB_BIN/kgr-drop" get "$id1" "$WORK/drop" "$WORK/back"
    cmp "$WORK/file" "$WORK/back" || fail "the file came back otherwise"
    rm "$WORK/back"
done
whole=$(stat -c %s "$WORK/drop")
head -c $((whole - 1)) "$WORK/drop" >"$WORK/cut"
first=$((0x$(od -An -tx1 -N4 "$WORK/drop" | tr -d ' ') + 4))
head -c $first "$WORK/drop" >"$WORK/short"
tail -c +$((first + 1)) "$WORK/drop" >"$WORK/headless"
for wrong in cut short headless; do
    expect 8 "$id1" at 2 "$LAB_BIN/kgr-drop" get "$id1" "$WORK/$wrong" "$WORK/back"
    [ -z "$(find "$WORK" -maxdepth 1 -name 'back*')" ] || fail "a file was left of the drop $wrong"
done
: >"$WORK/empty"
at 1 "$LAB_BIN/kgr-drop" put "$id2" "$WORK/empty" "$WORK/drop"
at 2 "$LAB_BIN/kgr-drop" get "$id1" "$WORK/drop" "$WORK/back"
cmp "$WORK/empty" "$WORK/back" || fail "an empty file came back otherwise"

# evp and, from OpenSSL 3.5 on, skey.
at 1 "$LAB_BIN/kgr-evp" seal "$id2" <"$WORK/file" >"$WORK/sealed"
lab_ctl 1 renew "$id2" >/dev/null
at 2 "$LAB_BIN/kgr-evp" open "$id1" <"$WORK/sealed" | cmp - "$WORK/file" || fail "EVP: another file"
printf 'x' | dd of="$WORK/sealed" bs=1 seek=77 conv=notrunc status=none
if at 2 "$LAB_BIN/kgr-evp" open "$id1" <"$WORK/sealed" >"$WORK/out" 2>"$WORK/err"; then fail "EVP: a forged file was opened"; fi
[ ! -s "$WORK/out" ] || fail "EVP: of a forged file something came out"
if [ -x "$LAB_BIN/kgr-skey" ]; then
    echo 'meet at noon' | at 1 "$LAB_BIN/kgr-skey" "$id2" >"$WORK/out"
    mac=$(sed -n 's/^mac //p' "$WORK/out")
    sed -n 's/^iv //p; s/^ciphertext //p' "$WORK/out" | tr -d '\n' | sed 's/../\\x&/g' >"$WORK/hex"
    printf '%b' "$(cat "$WORK/hex")" | at 2 openssl mac -provider kgr -provider default \
        -macopt "key-uri:kgr:peer=$id1" -in - KGR-HMAC >"$WORK/there"
    [ "${mac^^}" = "$(cat "$WORK/there")" ] || fail "EVP_SKEY: the peer computes another MAC"
    grep -qx 'bytes refused' "$WORK/out" || fail "EVP_SKEY: bytes came out"
else
    echo "skey needs OpenSSL 3.5: not built here, not tested"
fi

# token and the script.
[ "$(at 1 "$LAB_BIN/kgr-token" "$module")" = "$id2" ] || fail "the token lists other peers"
head -c 5000 "$WORK/file" | at 1 "$LAB_BIN/kgr-token" "$module" "$id2" >"$WORK/out"
grep -qE '^5000 bytes, 5008 of ciphertext, a MAC of (32|48)$' "$WORK/out" || fail "token: $(cat "$WORK/out")"
expect 4 'no key nobody' at 1 "$LAB_BIN/kgr-token" "$module" nobody </dev/null
# Debian's package is for Debian's interpreter.
python=$(PATH=/usr/bin:$PATH command -v python3 || true)
if "$python" -c 'import PyKCS11' 2>/dev/null; then
    echo 'meet at noon' | at 1 "$python" "$LAB_ROOT/examples/meet.py" "$module" say "$id2" >"$WORK/message"
    lab_ctl 1 renew "$id2" >/dev/null
    at 2 "$python" "$LAB_ROOT/examples/meet.py" "$module" hear "$id1" <"$WORK/message" >"$WORK/out"
    grep -qx 'meet at noon' "$WORK/out" || fail "the script read another line"
    printf 'x' | dd of="$WORK/message" bs=1 seek=17 conv=notrunc status=none
    if at 2 "$python" "$LAB_ROOT/examples/meet.py" "$module" hear "$id1" <"$WORK/message" 2>"$WORK/err"; then
        fail "the script took a forged message"
    fi
else
    echo "meet.py needs python3-pykcs11: not tested"
fi
