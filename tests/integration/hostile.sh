# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A lab of two nodes behind a hostile proxy (tests/support/proxy.c), for tests that source common.sh first.

# hostile_up SEED
hostile_up()
{
    export LAB_PROXY_SEED=$1
    LAB_KS_EXTRA='lease = 9;' LAB_AGENT_EXTRA="overlap = 1; ${LAB_AGENT_EXTRA:-}" lab_up "$WORK/lab" --nodes 2
    LAB=$WORK/lab
    . "$LAB/env"
    id1=$(lab_id 1) id2=$(lab_id 2)
    export KGR_KS
}

# proxy WORDS: one command to the proxy.
proxy()
{
    echo "$*" >"$LAB/proxy/control"
}

proxy_count()
{
    rm -f "$LAB/proxy/counts"
    proxy count
    lab_wait_for 10 "the proxy's counts" test -s "$LAB/proxy/counts"
    sed -n "s/^$1 //p" "$LAB/proxy/counts"
}

proxy_is_idle()
{
    [ "$(proxy_count waiting)" = 0 ]
}

ks_status()
{
    "$LAB_BIN/kgrctl" --ks status --json
}

# pair_of I PEER: generation, state and topics as node I has them.
pair_of()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | tr '{' '\n' | grep "\"peer\":\"$2\"" |
        tr ',' '\n' | grep -E '"(generation|state|custody|receive_topic|send_topic|may_send|may_receive)"'
}

generation_of()
{
    pair_of "$1" "$2" | sed -n 's/"generation":\([0-9]*\)/\1/p'
}

is_ready()
{
    local mine
    mine=$(generation_of "$1" "$(lab_id "$2")")
    [ -n "$mine" ] && [ "$mine" != 0 ] && [ "$mine" = "$(generation_of "$2" "$(lab_id "$1")")" ] &&
        pair_of "$1" "$(lab_id "$2")" | grep -q '"state":"ready"' &&
        pair_of "$2" "$(lab_id "$1")" | grep -q '"state":"ready"'
}

round_trip()
{
    echo "$1 to $2" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" --input "$WORK/plain" --output "$WORK/record" 2>"$WORK/why" &&
        lab_ctl "$2" open "$(lab_id "$1")" --input "$WORK/record" --output "$WORK/opened" 2>"$WORK/why" &&
        cmp -s "$WORK/plain" "$WORK/opened"
}

ks_holds_nothing()
{
    ks_status | tr -d ' \n' | grep -q '"open_exchanges":0,"exchanges_holding_duplicates":0'
}

# converge SEED: the faults have stopped; both ends must come to the same key, and the KS to hold nothing.
converge()
{
    lab_wait_for 90 "both ends to be ready (seed $1)" is_ready 1 2 || fail "seed $1: $(lab_ctl 1 peers; lab_ctl 2 peers)"
    lab_wait_for 90 "a round trip (seed $1)" round_trip 1 2 || fail "seed $1: $(cat "$WORK/why")"
    lab_wait_for 90 "a round trip back (seed $1)" round_trip 2 1 || fail "seed $1: $(cat "$WORK/why")"
    lab_wait_for 90 "the KS to hold nothing (seed $1)" ks_holds_nothing || fail "seed $1: $(ks_status)"
}

FAULTS='drop=15 dup=25 delay=25 corrupt=10 cross=20 replay=30 retain=15 cut=4 garbage=10'

restart_agent()
{
    local pid=KGR_AGENT_$1_PID
    lab_kill "${!pid}" KILL
    lab_run_agent "$1"
    eval "KGR_AGENT_$1_PID=$LAB_AGENT_PID"
}

restart_ks()
{
    lab_kill "$KGR_KS_PID" KILL
    rm -f "$KGR_KS"
    lab_run_ks
    KGR_KS_PID=$LAB_KS_PID
}

# register I: node I is added, enrolled and started, and gets a key with node 1. Called twice it goes on.
register()
{
    local dir=$LAB/node-$1 id
    id=$(lab_id "$1")
    lab_tpm "$dir/tpm" "tpm-$1"
    lab_node_conf "$1" "$LAB_TCTI"
    lab_ac node add "$id" --peers "$id1" -o "$dir/credential" >>"$LAB/log"
    lab_agent "$1" init >>"$dir/log" 2>&1
    lab_agent "$1" enroll "$dir/credential" --timeout 3 >>"$dir/log" 2>&1 || return 0
}

finish_registration()
{
    local dir=$LAB/node-$1
    lab_agent "$1" enroll --timeout 60 >>"$dir/log" 2>&1 || fail "node $1 does not register: $(tail -n 3 "$dir/log")"
    lab_run_agent "$1"
    lab_ctl "$1" request "$id1" >>"$LAB/log" || fail "node $1 gets no key"
    is_ready "$1" 1 || lab_wait_for 60 "node 1 to be ready with node $1" is_ready "$1" 1
    round_trip "$1" 1 || fail "node $1 and node 1: $(cat "$WORK/why")"
}

# The new node goes again, its agent and TPM too.
unregister()
{
    local id
    id=$(lab_id "$1")
    lab_ac node revoke "$id" >>"$LAB/log"
    lab_ac node remove "$id" >>"$LAB/log" 2>&1 || true
    lab_kill "$LAB_AGENT_PID"
}

# hostile_run SEED: what its seed chooses happens under faults, and comes right after them.
hostile_run()
{
    local i=$(($1 % 2 + 1)) kind=$(($1 % 7)) extra=
    proxy seed "$1"
    proxy faults "$FAULTS"
    case $kind in
    0) lab_ctl $i renew --nksk --timeout 3 >/dev/null 2>&1 || true ;;
    1) lab_ctl $i renew --nksk --storage-key --timeout 3 >/dev/null 2>&1 || true ;;
    2) lab_ac pair deny "$id1" "$id2" >/dev/null; sleep 0.5; lab_ac pair allow "$id1" "$id2" >/dev/null ;;
    3) restart_agent $i ;;
    4) lab_ctl $i renew --nksk --storage-key --timeout 1 >/dev/null 2>&1 || true; restart_ks ;;
    5) extra=$((100 + $1)); register $extra ;;
    6) lab_ctl $i renew --nksk --storage-key --timeout 1 >/dev/null 2>&1 || true
       kill -STOP "$KGR_BROKER_PID"; lab_kill "$KGR_BROKER_PID" KILL
       lab_spawn broker "$LAB/broker/log" $KGR_BROKER_CMD; KGR_BROKER_PID=$LAB_PID ;;
    esac
    proxy faults
    # A pair whose key went with the storage key is asked for anew when it is used.
    lab_ctl 1 request "$id2" --timeout 60 >/dev/null 2>&1 || true
    [ -z "$extra" ] || { finish_registration $extra; unregister $extra; }
    converge "$1"
}
