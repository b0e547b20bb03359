# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# A fresh Debian in a folder, by debootstrap. Needs root. Sourced by tests/support/chroot, scripts/package and the test of the
# packages; whoever does calls debian_remove at its end.

# debian_create RELEASE [PACKAGE...]: makes one in DEBIAN, with these packages beside the essential ones.
debian_create()
{
    local release=$1 mirror log file
    shift
    [ "$(id -u)" = 0 ] || { echo "debian: needs root" >&2; return 1; }
    command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap >/dev/null
    DEBIAN=$(mktemp -d "${TMPDIR:-/tmp}/kgr-debian.XXXXXX")
    # It is the root folder of every user in there.
    chmod 755 "$DEBIAN"
    log=$DEBIAN.log
    # The mirror, the way to it and its keys are those of this host.
    mirror=$(apt-cache policy | sed -n 's/^ *[0-9]* \(https*:[^ ]*\) .*main amd64.*/\1/p' | grep -v security | head -n 1)
    debootstrap --variant=minbase --include=ca-certificates "$release" "$DEBIAN" ${mirror:+"$mirror"} >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; return 1; }
    for file in /etc/apt/apt.conf.d/*; do
        # Those of packages come with the packages.
        dpkg -S "$file" >/dev/null 2>&1 || cp -L "$file" "$DEBIAN/etc/apt/apt.conf.d/"
    done
    cp -L /etc/resolv.conf /etc/hosts "$DEBIAN/etc/" 2>/dev/null || true
    # It does not outlive us: nothing needs to reach the disk.
    echo force-unsafe-io >"$DEBIAN/etc/dpkg/dpkg.cfg.d/unsafe-io"
    # Nothing that is installed in there starts.
    printf '#!/bin/sh\nexit 101\n' >"$DEBIAN/usr/sbin/policy-rc.d"
    chmod 755 "$DEBIAN/usr/sbin/policy-rc.d"
    mount -t proc proc "$DEBIAN/proc"
    mount --rbind /dev "$DEBIAN/dev"
    mount --make-rslave "$DEBIAN/dev"
    debian_run "apt-get update -q && apt-get install -y -q --no-install-recommends $*" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; return 1; }
    rm -f "$log"
}

# debian_run COMMAND: runs a line of shell in it, with no more of our environment than the way to the mirror.
debian_run()
{
    local name proxies=()
    for name in http_proxy https_proxy; do
        [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
    done
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true DEBIAN_FRONTEND=noninteractive \
        "${proxies[@]}" chroot "$DEBIAN" sh -c "$1"
}

debian_remove()
{
    [ -n "${DEBIAN:-}" ] || return 0
    umount -l "$DEBIAN/proc" "$DEBIAN/dev" 2>/dev/null || true
    rm -rf --one-file-system "$DEBIAN" "$DEBIAN.log"
}
