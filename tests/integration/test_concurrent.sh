#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Ten exchanges at once: the KS has several of them under way, whatever its TPM is busy with, and ends all.
. "$(dirname "$0")/common.sh"

lab_up "$WORK/lab" --nodes 5
LAB=$WORK/lab
. "$LAB/env"

knows()
{
    lab_ctl "$1" peers --json | grep -q "\"$2\""
}

# generation_of NODE PEER
generation()
{
    lab_ctl "$1" peers --json | tr -d ' \n' | sed "s/.*\"peer\":\"$2\",\"generation\":\([0-9]*\).*/\1/"
}

# Every two of five nodes.
pairs=()
for ((i = 1; i <= 5; i++)); do
    for ((j = i + 1; j <= 5; j++)); do
        pairs+=("$i $j")
        [ "$i" = 1 ] || lab_ac pair allow "$(lab_id $i)" "$(lab_id $j)" >/dev/null
    done
done
for pair in "${pairs[@]}"; do
    read -r i j <<<"$pair"
    lab_wait_for 10 "the pair $i-$j at node $i" knows "$i" "$(lab_id "$j")"
done

mark=$(wc -l <"$LAB/ks/log")
wanted=()
for pair in "${pairs[@]}"; do
    read -r i j <<<"$pair"
    wanted+=($(($(generation "$i" "$(lab_id "$j")") + 1)))
done
for pair in "${pairs[@]}"; do
    read -r i j <<<"$pair"
    command=request
    [ "$i" != 1 ] || command=renew
    lab_ctl "$i" $command "$(lab_id "$j")" --no-wait >/dev/null &
done
wait
# While they run the KS answers others.
"$LAB_BIN/kgrctl" --ks --socket "$KGR_KS" status >/dev/null || fail "the KS does not answer"
for n in "${!pairs[@]}"; do
    read -r i j <<<"${pairs[$n]}"
    lab_ctl "$i" wait "$(lab_id "$j")" --generation "${wanted[$n]}" >/dev/null || fail "no key for $i-$j"
    lab_ctl "$j" wait "$(lab_id "$i")" --generation "${wanted[$n]}" >/dev/null || fail "no key for $j-$i"
done

# How many were under way when most were; of the log, which leaves lines out when there are many.
most=$(tail -n +$((mark + 1)) "$LAB/ks/log" | awk '
    /INFO exchange .*state=birth/ { if (++open > most) most = open }
    /INFO exchange .*state=confirmed/ { open-- }
    END { print most + 0 }')
[ "$most" -ge 2 ] || fail "one exchange after the other: at most $most under way"
echo "at most $most exchanges were under way together"
