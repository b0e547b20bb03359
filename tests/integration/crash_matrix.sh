# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# The crash matrix: kill -9 of each part at each step that it brings to the disk, just before and just after it, in
# each of the things that can be under way. Every cell must converge without an operator once the part runs again.
# Sourced by test_crash_matrix.sh, which takes some cells, and by test_crash_matrix_all.sh. MATRIX_EVERY=n takes every
# n-th cell, MATRIX_ONLY=text the rows that contain it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
MATRIX_EVERY=${MATRIX_EVERY:-1}
shim=$LAB_BUILD/tests/libkgrcrash.so
keep=$LAB_ROOT/tests/support/keep
declare -A cells steps
rows=()
cell=0
last=2 # number of the newest node

# kept NAME CMD...: CMD in the hands of a service manager, its trigger in $WORK/crash-NAME.
kept()
{
    local name=$1
    shift
    lab_spawn "kept-$name" "$LAB/$name.log" "$keep" env "LD_PRELOAD=$shim" "KGR_CRASH=$WORK/crash-$name" "$@"
}

# with_crash NAME CMD...: a command under its trigger, again and again until it was not killed.
with_crash()
{
    local name=$1 status try
    shift
    for ((try = 0; try < 5; try++)); do
        status=0
        env "LD_PRELOAD=$shim" "KGR_CRASH=$WORK/crash-$name" "$@" >>"$LAB/$name.log" 2>&1 || status=$?
        [ $status = 137 ] || return $status
    done
    return 137
}

ks_at_rest()
{
    KGR_KS=$LAB/ks/ks.sock "$LAB_BIN/kgrctl" --ks status --json >"$WORK/ks.json" 2>/dev/null &&
        tr -d ' \n' <"$WORK/ks.json" | grep -q '"open_exchanges":0,"exchanges_holding_duplicates":0'
}

generation()
{
    lab_ctl "$1" peers --json 2>/dev/null | tr -d ' \n' |
        sed -n "s/.*\"peer\":\"$(lab_id "$2")\",\"generation\":\([0-9]*\),\"state\":\"ready\".*/\1/p"
}

same_generation()
{
    local a b
    a=$(generation "$1" "$2") b=$(generation "$2" "$1")
    [ -n "$a" ] && [ "$a" = "$b" ] && [ "$a" -ge "$3" ]
}

round_trip()
{
    echo "$1 to $2" >"$WORK/plain"
    lab_ctl "$1" seal "$(lab_id "$2")" <"$WORK/plain" >"$WORK/record" 2>/dev/null &&
        lab_ctl "$2" open "$(lab_id "$1")" <"$WORK/record" 2>/dev/null | cmp -s - "$WORK/plain"
}

# pair_converges A B G: both ends come to the same generation, at least G, which works both ways; the KS holds nothing.
pair_converges()
{
    lab_wait_for 60 "nodes $1 and $2 with generation $3" same_generation "$1" "$2" "$3" &&
        lab_wait_for 20 "a record from $1 to $2" round_trip "$1" "$2" &&
        lab_wait_for 20 "a record from $2 to $1" round_trip "$2" "$1" &&
        lab_wait_for 60 "the KS at rest" ks_at_rest
}

# Things under way

fresh_node()
{
    last=$((last + 1))
    lab_tpm "$LAB/node-$last/tpm" "tpm-$last"
    lab_node_conf "$last" "$LAB_TCTI"
    lab_agent "$last" init >/dev/null
    lab_wait_for 20 "the KS" lab_ac node add "$(lab_id $last)" --peers "$(lab_id 1)" -o "$LAB/node-$last/credential"
}

enrol()
{
    local file=$LAB/node-$last/credential try
    # The command is given again, as often as it was killed; a killed KS is only waited for.
    for ((try = 0; try < 5; try++)); do
        [ -e "$file" ] || file=
        ! with_crash node "$LAB_BIN/kgr-agent" --config "$LAB/node-$last/agent.conf" enroll $file --timeout 30 || return 0
    done
    return 1
}

registration_under_way()
{
    enrol && lab_agent "$last" identity --json | grep -q '"registered": true'
}

registered_node()
{
    fresh_node
    enrol
    kept "node" "$LAB_BIN/kgr-agent" --config "$LAB/node-$last/agent.conf" run
    kept_node=$LAB_PID
    lab_wait_for 15 "node $last" lab_ctl "$last" status
}

first_exchange_under_way()
{
    lab_wait_for 10 "node 1" lab_ctl 1 request "$(lab_id $last)" --no-wait
    pair_converges 1 $last 1
}

peer_state()
{
    lab_ctl "$1" peers --json 2>/dev/null | tr -d ' \n' | tr '{' '\n' |
        grep "\"peer\":\"$(lab_id "$2")\"" | grep -q "\"state\":\"$3\""
}

# asked NODE CMD...: a wish is told again until an agent that was killed has taken it.
asked()
{
    lab_wait_for 20 "node $1" lab_ctl "$@"
}

pair_renewal_under_way()
{
    local next
    next=$(($(generation 1 2) + 1))
    asked 1 renew "$(lab_id 2)" --no-wait
    pair_converges 1 2 $next
}

# As either end says it: one that is killed between the change and its log says nothing.
more_nksk_renewals()
{
    local ks node
    ks=$(grep -c "node=$(lab_id 1) state=renewed" "$LAB/ks.log" || true)
    node=$(grep -c nksk_renewed "$LAB/node-1.log" || true)
    [ "$ks" -gt "$1" ] || [ "$node" -gt "$2" ]
}

nksk_renewal_under_way()
{
    local ks node
    ks=$(grep -c "node=$(lab_id 1) state=renewed" "$LAB/ks.log" || true)
    node=$(grep -c nksk_renewed "$LAB/node-1.log" || true)
    asked 1 renew --nksk --no-wait
    lab_wait_for 60 "the renewal of NKSK" more_nksk_renewals "$ks" "$node" && pair_converges 1 2 1
}

storage_renewal_under_way()
{
    local next
    next=$(($(generation 1 2) + 1))
    asked 1 renew --nksk --storage-key --no-wait
    pair_converges 1 2 $next
}

# ordered WORDS...: kgr-ac under its own trigger; an order that was given is no longer new.
ordered()
{
    local try
    for ((try = 0; try < 40; try++)); do
        ! with_crash ac "$LAB_BIN/kgr-ac" --config "$LAB/ac/ac.conf" "$@" || return 0
        ! tail -n 1 "$LAB/ac.log" | grep -qE 'already|exists' || return 0
        sleep 0.25
    done
    return 1
}

denial_under_way()
{
    ordered pair deny "$(lab_id 1)" "$(lab_id 2)" &&
        lab_wait_for 60 "the denial at node 1" peer_state 1 2 revoked &&
        lab_wait_for 60 "the denial at node 2" peer_state 2 1 revoked &&
        ordered pair allow "$(lab_id 1)" "$(lab_id 2)" &&
        lab_wait_for 60 "the permission at node 1" peer_state 1 2 ready &&
        lab_wait_for 60 "the permission at node 2" peer_state 2 1 ready &&
        pair_converges 1 2 1
}

paired_node()
{
    registered_node
    first_exchange_under_way
}

says_it_is_revoked()
{
    lab_ctl "$last" status 2>/dev/null | grep -q 'this node was revoked'
}

revocation_under_way()
{
    ordered node revoke "$(lab_id "$last")" &&
        lab_wait_for 60 "the revocation at its peer" peer_state 1 "$last" revoked &&
        lab_wait_for 60 "the revocation at the node" says_it_is_revoked &&
        lab_wait_for 60 "the KS at rest" ks_at_rest
}

unknown_node()
{
    last=$((last + 1))
    lab_tpm "$LAB/node-$last/tpm" "tpm-$last"
    lab_node_conf "$last" "$LAB_TCTI"
    lab_agent "$last" init >/dev/null
}

# An AC that was killed gives the same order again, and gets its credential.
node_add_under_way()
{
    ordered node add "$(lab_id "$last")" -o "$LAB/node-$last/credential" && enrol
}

# Rows

arm()
{
    printf '%-7s%-10s\n' "$2" "$3" >"$WORK/crash-$1"
}

tidy()
{
    [ -z "${kept_node:-}" ] || lab_kill "$kept_node"
    kept_node=
    if [ "$last" -gt 2 ]; then
        # Or node 1 would go on asking for keys with it.
        lab_wait_for 20 "the KS" lab_ac pair deny "$(lab_id 1)" "$(lab_id "$last")" || true
        lab_kill "$(awk -v name="tpm-$last" '$2 == name { print $1 }' "$LAB/pids")"
        rm -rf "$LAB/node-$last"
    fi
}

# row WHAT PART PREPARE DO: DO with PART killed at each of its steps, after PREPARE each time.
row()
{
    local what=$1 part=$2 prepare=$3 act=$4 n when died=0 total=0 found
    case "$what $part" in *"${MATRIX_ONLY:-}"*) ;; *) return 0 ;; esac
    $prepare
    arm "$part" after 1000
    $act || fail "$what: does not come to its end without a crash"
    found=$((1000 - $(cut -c8- "$WORK/crash-$part")))
    rm -f "$WORK/crash-$part"
    tidy
    [ "$found" -gt 0 ] || fail "$what: $part brings nothing to the disk, so there is nothing to test"
    for ((n = 1; n <= found; n++)); do
        for when in before after; do
            cell=$((cell + 1))
            [ $((cell % MATRIX_EVERY)) = 0 ] || continue
            total=$((total + 1))
            $prepare
            arm "$part" "$when" "$n"
            $act || fail "$what: $part killed $when step $n of $found: does not converge"
            # Runs differ by a step or two: a trigger that was not reached killed nobody.
            [ -e "$WORK/crash-$part" ] || died=$((died + 1))
            rm -f "$WORK/crash-$part"
            tidy
        done
    done
    rows+=("$what|$part")
    steps[$what|$part]=$found
    cells[$what|$part]="$died of $total"
}

# broker_row WHAT PREPARE DO: DO while the broker dies, and forgets everything, at moments of the first 400 ms.
broker_row()
{
    local what=$1 prepare=$2 act=$3 ms total=0
    case "$what broker" in *"${MATRIX_ONLY:-}"*) ;; *) return 0 ;; esac
    for ((ms = 0; ms < 400; ms += 40)); do
        cell=$((cell + 1))
        [ $((cell % MATRIX_EVERY)) = 0 ] || continue
        total=$((total + 1))
        $prepare
        (
            sleep "$(printf '0.%03d' $ms)"
            until kill -KILL "$(pgrep -P "$kept_broker" mosquitto)" 2>/dev/null; do sleep 0.02; done
        ) &
        $act || fail "$what: the broker killed after $ms ms: does not converge"
        wait $! || fail "$what: the broker was not there to be killed"
        tidy
    done
    rows+=("$what|broker")
    steps[$what|broker]=-
    cells[$what|broker]="$total of $total"
}

lab_open "$WORK/lab"
lab_broker
lab_kill "$LAB_BROKER_PID"
lab_spawn kept-broker "$LAB/broker/log" "$keep" $LAB_BROKER_CMD
kept_broker=$LAB_PID
lab_wait_for 10 "the broker" lab_listening "$LAB_PORT"
lab_centre
kept ks "$LAB_KS_PROGRAM" --config "$LAB/ks/ks.conf" run
lab_wait_for 15 "the KS" lab_ac node list
for i in 1 2; do
    lab_tpm "$LAB/node-$i/tpm" "tpm-$i"
    lab_node_conf "$i" "$LAB_TCTI"
    lab_agent "$i" init >/dev/null
    lab_ac node add "$(lab_id $i)" -o "$LAB/node-$i/credential" >/dev/null
    lab_agent "$i" enroll "$LAB/node-$i/credential" >/dev/null
    kept "node-$i" "$LAB_BIN/kgr-agent" --config "$LAB/node-$i/agent.conf" run
    lab_wait_for 15 "node $i" lab_ctl "$i" status
done
lab_ac pair allow "$(lab_id 1)" "$(lab_id 2)" >/dev/null
lab_ctl 1 request "$(lab_id 2)" >/dev/null
pair_converges 1 2 1

row registration node fresh_node registration_under_way
row registration ks fresh_node registration_under_way
row "first exchange" ks registered_node first_exchange_under_way
row "first exchange" node-1 registered_node first_exchange_under_way
row "first exchange" node registered_node first_exchange_under_way
row "renewal" ks true pair_renewal_under_way
row "renewal" node-1 true pair_renewal_under_way
row "renewal" node-2 true pair_renewal_under_way
row "renewal of NKSK" ks true nksk_renewal_under_way
row "renewal of NKSK" node-1 true nksk_renewal_under_way
row "storage key" ks true storage_renewal_under_way
row "storage key" node-1 true storage_renewal_under_way
row "denial" ks true denial_under_way
row "denial" node-1 true denial_under_way
row "denial" ac true denial_under_way
row "revocation" ks paired_node revocation_under_way
row "revocation" node-1 paired_node revocation_under_way
row "revocation" node paired_node revocation_under_way
row "revocation" ac paired_node revocation_under_way
row "order node add" ac unknown_node node_add_under_way
row "order node add" ks unknown_node node_add_under_way
broker_row registration fresh_node registration_under_way
broker_row "first exchange" registered_node first_exchange_under_way
broker_row "renewal" true pair_renewal_under_way
broker_row "renewal of NKSK" true nksk_renewal_under_way
broker_row "revocation" paired_node revocation_under_way

printf '%-16s %-8s %6s   %s\n' "under way" killed steps "cells in which it died; all converged"
for key in "${rows[@]}"; do
    printf '%-16s %-8s %6s   %s\n' "${key%|*}" "${key#*|}" "${steps[$key]}" "${cells[$key]}"
done
