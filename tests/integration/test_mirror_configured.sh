#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A mirror of the configuration: made at the start with the PIN of a file, remade below another storage key, removed when it is
# taken out; wipe removes what is left. One that an operator made says that the storage key was replaced, until he adds it again.
. "$(dirname "$0")/common.sh"
LAB=$WORK/lab
. "$(dirname "$0")/mirror.sh"
(umask 077 && echo "$MIRROR_PIN" >"$WORK/pin")
group="mirror = { store = \"$MIRROR_STORE\"; token = \"kgr\"; pin_file = \"$WORK/pin\"; };"
LAB_AGENT_EXTRA_2=$group lab_up "$WORK/lab" --nodes 2
. "$LAB/env"
id1=$(lab_id 1) id2=$(lab_id 2)

mirror_wait 2 2
lab_ctl 2 mirror list --json | tr -d ' \n' | grep -q '"configured":true' || fail "$(lab_ctl 2 mirror list --json)"
mirror_fails 1 "the configuration has it" 2 remove --store "$MIRROR_STORE" --token kgr
lab_ctl 2 mirror add --store "$MIRROR_STORE" --token hand --peer "$id1" --pin-fd 3 3<<<hand-pin

echo "-- another storage key"
before=$(rows 'SELECT hex(config) FROM pobjects')
lab_ctl 2 renew --nksk --storage-key --timeout 20 >/dev/null
lab_ctl 2 request "$id1" --timeout 20 >/dev/null
remade()
{
    lab_ctl 2 mirror list --json | tr -d ' \n' | grep -q '"peer":null,"configured":true,"objects":2,"error":null' &&
        [ "$(rows "SELECT count(*) FROM tobjects JOIN tokens ON tokens.id = tokid JOIN pobjects ON pobjects.id = pid
            WHERE label = 'kgr' AND hex(pobjects.config) != '$before'")" = 2 ]
}
lab_wait_for 20 "the token to be remade" remade || fail "$(lab_ctl 2 mirror list)"
lab_ctl 2 mirror list | grep -q 'hand .*storage key of this node was replaced' || fail "$(lab_ctl 2 mirror list)"
lab_ctl 2 mirror add --store "$MIRROR_STORE" --token hand --peer "$id1" --pin-fd 3 3<<<hand-pin
[ "$(rows 'SELECT count(*) FROM pobjects')" = 1 ] || fail "the primary object of before is still there"
by_agent 1 "$id2" 2 make "$WORK/1"
lab_kill "$KGR_AGENT_2_PID"
by_stock 2 "$id1" 2 check "$WORK/1"

echo "-- taken out"
sed -i '/^mirror = /d' "$LAB/node-2/agent.conf"
lab_run_agent 2
gone()
{
    [ "$(rows 'SELECT group_concat(label) FROM tokens')" = hand ]
}
lab_wait_for 20 "the token to go" gone

echo "-- wiped"
lab_kill "$LAB_AGENT_PID"
lab_agent 2 wipe --yes >/dev/null
[ "$(rows 'SELECT (SELECT count(*) FROM tokens) + (SELECT count(*) FROM pobjects) + (SELECT count(*) FROM tobjects)')" = 0 ] ||
    fail "wipe leaves a token"
