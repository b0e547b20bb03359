#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A key that may not be used is refused to applications of OpenSSL by a reason of its own on the error stack, and what
# they gave for output stays as it was: unknown, not established, spent, of a mode that the TPM lacks, denied, revoked, expired, without a
# lease, and an agent that another user serves.
. "$(dirname "$0")/common.sh"

keys=$LAB_BUILD/tests/openssl_keys
LAB_AGENT_EXTRA='limits = { first_use_wait_ms = 500; }; budget = 1024; overlap = 1;' lab_up "$WORK/lab" --nodes 3
LAB=$WORK/lab
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2) id3=$(lab_id 3) id9=$(lab_id 9)
export KGR_AGENT=$KGR_AGENT_1

# tries PEER [LEN]: what became of one operation of each kind, in $WORK/tried.
tries()
{
    timeout 60 ${KGR_TEST_INSIDE:-} "$keys" try "$LAB_LIB" "$LAB_AES" "kgr:peer=$1" "${2:-1000}" >"$WORK/tried" 2>"$WORK/err" ||
        fail "$1: $(cat "$WORK/tried" "$WORK/err")"
}

# ends PEER PATTERN: every kind of operation is refused so.
ends()
{
    tries "$1"
    [ "$(grep -cE -- ": $2" "$WORK/tried")" = 4 ]
}

# ended PEER PATTERN: and that at once.
ended()
{
    ends "$1" "$2" || fail "not all are refused by '$2': $(cat "$WORK/tried")"
}

works()
{
    tries "$1"
    [ "$(grep -c ': ok$' "$WORK/tried")" = 4 ]
}

works "$id2" || fail "$(cat "$WORK/tried")"

ended nobody '4 unknown peer or key: kgr:peer=nobody: unknown peer'
lab_ac pair allow "$id1" "$id9" >/dev/null
lab_wait_for 10 "the pair without a key" ends "$id9" "10 key not established yet: kgr:peer=$id9: no key with $id9 yet"

# What is encrypted counts; what comes from the peer must still be read.
tries "$id2" 20000
[ "$(grep -cE '^(encrypt|aead): 28 key has used up its budget: .*generation 1 has used up its budget of 1024 blocks' "$WORK/tried")" = 2 ] &&
    grep -q '^decrypt: ok' "$WORK/tried" || fail "the budget: $(cat "$WORK/tried")"

# A mode that the TPM lacks: no matter in sealed custody.
lab_kill "$KGR_AGENT_1_PID"
sed -i "s,tcti = \",&$LAB_BUILD/tests/libtss2-tcti-kgrfilter.so:hide-alg=0x41|tcti=," "$LAB/node-1/agent.conf"
lab_run_agent 1
lab_wait_for 20 "agent 1 after its restart" works "$id2"
status=0
openssl enc -e "-KGR-AES-$LAB_AES-OFB" -provider-path "$LAB_LIB" -provider kgr -provider default -in "$0" -iv "$(openssl rand -hex 16)" \
    -K "$("$LAB_BIN/kgrctl" handle "$id2" --cipher "KGR-AES-$LAB_AES-OFB")" >"$WORK/out" 2>"$WORK/err" || status=$?
if [ "$LAB_CUSTODY" = sealed ]; then
    [ $status = 0 ] || fail "OFB in sealed custody: $(cat "$WORK/err")"
else
    [ $status != 0 ] && [ ! -s "$WORK/out" ] && grep -q 'not supported here:.*this TPM has no such cipher mode' "$WORK/err" ||
        fail "OFB without the TPM's: $(cat "$WORK/err")"
fi

lab_ac pair deny "$id1" "$id3" >/dev/null
lab_wait_for 10 "the denial" ends "$id3" "16 revoked: kgr:peer=$id3.*the AC denied the pair"
lab_ac pair allow "$id1" "$id3" >/dev/null
lab_wait_for 10 "the permission" works "$id3"
lab_ac node revoke "$id3" >/dev/null
lab_wait_for 10 "the revocation" ends "$id3" "16 revoked: kgr:peer=$id3.*the pair was revoked"

# restart_ks LINE: with this line in its configuration.
restart_ks()
{
    lab_kill "$LAB_KS_PID"
    rm -f "$LAB/ks/ks.sock"
    sed -i '/^lifetime\|^lease/d' "$LAB/ks/ks.conf"
    echo "$1" >>"$LAB/ks/ks.conf"
    lab_run_ks
}

# A key that expires while the KS is away; the use of it asks for the next.
LAB_KS_PID=$KGR_KS_PID
restart_ks 'lifetime = 5;'
lab_ctl 1 renew "$id2" >/dev/null
lab_kill "$LAB_KS_PID" KILL
lab_wait_for 15 "the expiry" ends "$id2" '15 past its lifetime: kgr:peer=.*(expired|no answer from the KS)'
restart_ks 'lifetime = 3600;'
lab_wait_for 20 "a new key after the expiry" works "$id2"

# The lease ends.
restart_ks 'lease = 3;'
short_lease()
{
    lab_ctl 1 status --json | grep -qE '"lease_s": *[0-3],'
}
lab_wait_for 30 "the short lease" short_lease
lab_kill "$LAB_KS_PID" KILL
lab_wait_for 15 "the end of the lease" ends "$id2" '18 no word from the KS within the lease: kgr:peer='

# A socket that another user serves: nothing is told to it.
if [ "$(id -u)" = 0 ]; then
    cat >"$WORK/stranger.py" <<'END'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
os.setuid(65534)
s.listen(16)
print("listening", flush=True)
while True:
    c, _ = s.accept()
    data = c.recv(65536)
    if data:
        print("told", len(data), flush=True)
    c.close()
END
    lab_spawn stranger "$WORK/stranger.log" /usr/bin/python3 "$WORK/stranger.py" "$WORK/stranger.sock"
    lab_wait_for 10 "the stranger" grep -q listening "$WORK/stranger.log"
    KGR_AGENT=$WORK/stranger.sock ended "$id2" "3 no agent at the socket: .*$WORK/stranger.sock is served by uid 65534, which is neither"
    ! grep -q told "$WORK/stranger.log" || fail "the stranger was told something"
else
    echo "left out: another user's socket needs root"
fi
