#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The units are right, and what they leave to a service that was taken over is at most 2.0 by systemd's own measure.
. "$(dirname "$0")/common.sh"

command -v systemd-analyze >/dev/null || { echo "skipped: systemd-analyze is not installed"; exit 77; }
units=$LAB_ROOT/packaging/systemd
for unit in kgr-agent kgr-agent@x kgr-ks; do
    # Instances are looked at as files of their own; the programs are where the build put them.
    for kind in service socket; do
        sed "s|/usr/s\?bin/kgr|$LAB_BIN/kgr|" "$units/${unit/@x/@}.$kind" >"$WORK/$unit.$kind"
    done
done
for unit in kgr-agent kgr-agent@x kgr-ks; do
    # Man pages come with the packages; what is wrong with other units of this host is not ours.
    SYSTEMD_UNIT_PATH=$WORK:/lib/systemd/system systemd-analyze verify --man=no "$WORK/$unit.service" "$WORK/$unit.socket" >"$WORK/out" 2>&1 || true
    ! grep -F "$WORK/kgr" "$WORK/out" || fail "systemd-analyze verify $unit"
    ! grep -E '^kgr' "$WORK/out" || fail "systemd-analyze verify $unit"
    exposure=$(systemd-analyze security --offline=true --no-pager "$WORK/$unit.service" 2>&1 | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
    echo "$unit.service: $exposure"
    [ -n "$exposure" ] && [ "${exposure/./}" -le 20 ] || fail "$unit.service: exposure '$exposure' is over 2.0"
    # What it listens on is what the default configuration says, and what is passed is SEQPACKET.
    grep -q '^ListenSequentialPacket=/run/kgr/' "$WORK/$unit.socket" || fail "$unit.socket"
done
