#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A broker that drops, repeats, delays, misdirects, corrupts, retains, replays and invents frames, and cuts connections:
# once it stops both ends come to the same key and the KS holds nothing. Then all that was ever published is
# replayed, in order, reversed, on other topics and after restarts: nothing changes but the counts of what was refused.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/hostile.sh"

hostile_up 1
for seed in ${KGR_HOSTILE_SEEDS:-1 2 3}; do
    hostile_run "$seed"
done

# caused SERVICE CAUSE: likewise, for one cause.
caused()
{
    case $1 in
    ks) ks_status ;;
    *) lab_ctl "$1" status --json ;;
    esac | tr -d ' \n' | sed "s/.*\"frames_refused_by\":{[^}]*\"$2\":\([0-9]*\).*/\1/"
}

# Every frame damaged: seen by the tag, and whatever it belonged to goes on afterwards.
ks_saw_damage()
{
    [ "$(caused ks tag)" -gt 0 ]
}
proxy faults corrupt=100
lab_ctl 1 renew --nksk --timeout 1 >/dev/null 2>&1 || true
lab_wait_for 60 "the KS to see a damaged frame" ks_saw_damage
proxy faults
converge damage

# All that should not change: keys, states and topics at both ends, and what the KS knows.
dump()
{
    local i
    pair_of 1 "$id2"
    pair_of 2 "$id1"
    for i in 1 2; do
        lab_ctl "$i" status --json | tr -d ' \n' | tr ',' '\n' | grep -E '"(node|registered|num_peers)"'
        lab_ac node show "$(lab_id "$i")" --json | tr ',' '\n' | grep -vE 'heard|seen|age'
    done
    lab_ac pair matrix --json | tr ',' '\n' | grep -v age
    ks_status | tr -d ' \n' | tr ',' '\n' | grep -E 'nodes|registered|open_exchanges|holding'
}

# refused_by SERVICE: how many frames it has refused.
refused_by()
{
    case $1 in
    ks) ks_status ;;
    *) lab_ctl "$1" status --json ;;
    esac | tr -d ' \n' | sed 's/.*"frames_refused":\([0-9]*\).*/\1/'
}

# What was under way when the faults ended may still bring a key: a crash of a receiver asks for one within 3 s.
at_rest()
{
    dump >"$WORK/rest" && ! grep -qE '"state":"(renewing|requesting|waiting)"|open_exchanges":[1-9]' "$WORK/rest" &&
        sleep 3.5 && dump | cmp -s - "$WORK/rest"
}

# play HOW: all that is recorded again, and nothing changes.
play()
{
    local service before after
    declare -A before
    lab_wait_for 60 "the end of all that is under way" at_rest
    dump >"$WORK/before"
    for service in ks 1 2; do
        before[$service]=$(refused_by $service)
    done
    proxy play "$1"
    lab_wait_for 120 "the replay ($1)" proxy_is_idle
    sleep 0.3
    round_trip 1 2 || fail "no round trip after the replay ($1): $(cat "$WORK/why")"
    dump >"$WORK/after"
    diff "$WORK/before" "$WORK/after" >"$WORK/diff" || fail "the replay ($1) changed: $(cat "$WORK/diff")"
    for service in ks 1 2; do
        after=$(refused_by $service)
        [ "$after" -gt "${before[$service]}" ] || fail "$service counts no refusals in the replay ($1)"
    done
}

[ "$(proxy_count published)" -gt 20 ] || fail "the proxy recorded nothing"
play forward
for service in ks 1 2; do
    [ "$(caused $service replay)" -gt 0 ] || fail "$service saw no replay"
    [ "$(caused $service body)" = 0 ] || fail "$service took a forged frame for a malformed one"
done
play reverse
play cross
restart_agent 1
restart_agent 2
restart_ks
converge restarts
play forward
lab_ctl 1 renew --nksk --storage-key >/dev/null || fail "no renewal after the replays"
lab_ctl 1 request "$id2" >/dev/null || fail "no key after the replays"
converge renewal
play reverse
