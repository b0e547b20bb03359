#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# label: slow
# The packages of both releases: built without an error of lintian, installed, upgraded, removed and purged in a fresh chroot
# each. An upgrade keeps configuration and state, a purge leaves nothing but the user.
. "$(dirname "$0")/common.sh"

[ "$(id -u)" = 0 ] || { echo "skipped: debootstrap needs root"; exit 77; }
# shellcheck source=tests/support/debian.sh
. "$LAB_ROOT/tests/support/debian.sh"
finish()
{
    local status=$?
    debian_remove
    (exit $status)
    common_finish
}
trap finish EXIT

names='kgr-agent kgr-keyserver kgr-openssl kgr-pkcs11 libkgr0 libkgr-dev'
# Whatever belongs to nobody but the administration of packages.
files() { debian_run "find / -xdev \( -path /proc -o -path /dev -o -path /run -o -path /tmp -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /root \) -prune -o -print | grep -vE '^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^/etc/\.pwd\.lock$|^/etc/ld\.so\.cache$|^/var/spool/|__pycache__' | sort"; }
check() { debian_run "$1" >"$WORK/check" 2>&1 || { cat "$WORK/check" >&2; fail "$release: ${2:-$1}"; }; }

# The units, in a container that systemd boots: tests/support/systemd-check is its last service, and its end is the container's.
under_systemd()
{
    if ! command -v systemd-nspawn >/dev/null; then
        echo "$release: skipped: the units are not started, because systemd-nspawn is not installed (systemd-container)"
        return
    fi
    check "apt-get install -y -q --no-install-recommends ./new/*.deb"
    cp "$LAB_ROOT/tests/support/systemd-check" "$LAB_ROOT/docs/operator.md" "$DEBIAN/root/"
    cat >"$DEBIAN/etc/systemd/system/kgr-check.service" <<'UNIT'
[Unit]
After=mosquitto.service dbus.service
[Service]
Type=oneshot
ExecStart=/root/systemd-check
ExecStopPost=/bin/sh -c 'systemctl exit $EXIT_STATUS'
StandardOutput=file:/root/check.log
StandardError=inherit
[Install]
WantedBy=multi-user.target
UNIT
    ln -s ../kgr-check.service "$DEBIAN/etc/systemd/system/multi-user.target.wants/kgr-check.service"
    umount -l "$DEBIAN/proc" "$DEBIAN/dev"
    # Memory may be locked only in a container that has the capability for it, whoever locks.
    (cd / && timeout 300 systemd-nspawn --register=no --keep-unit -q -D "$DEBIAN" --private-network --capability=CAP_IPC_LOCK -b) \
        >"$WORK/boot.log" 2>&1 </dev/null || { cat "$DEBIAN/root/check.log" >&2; tail -n 5 "$WORK/boot.log" >&2; fail "$release: the units do not hold"; }
    grep 'all held' "$DEBIAN/root/check.log"
}

for release in ${KGR_RELEASES:-bookworm trixie}; do
    packages=$WORK/packages/$release
    if [ -n "${KGR_PACKAGES:-}" ]; then
        packages=$KGR_PACKAGES/$release # built before
    else
        "$LAB_ROOT/scripts/package" -o "$WORK/packages" "$release"
    fi
    # What the packages need is there before, so that what they leave is theirs.
    debian_create "$release" systemd systemd-sysv dbus tpm-udev openssl man-db file mosquitto swtpm swtpm-tools libtss2-tcti-swtpm0
    mkdir "$DEBIAN/new" "$DEBIAN/old"
    for name in $names; do
        cp "$packages/${name}_"*.deb "$DEBIAN/new/"
        dpkg-deb -R "$packages/${name}_"*.deb "$WORK/repack"
        # The dependency on the library is by version.
        sed -i -E 's/^Version: .*/Version: 0.0.9/; s/libkgr0 \(= [^)]*\)/libkgr0 (= 0.0.9)/' "$WORK/repack/DEBIAN/control"
        dpkg-deb -b "$WORK/repack" "$DEBIAN/old/$name.deb" >/dev/null
        rm -r "$WORK/repack"
    done
    check "apt-get install -y -q --no-install-recommends ./new/*.deb"
    check "dpkg --purge $names"
    files >"$WORK/before"

    check "apt-get install -y -q --no-install-recommends ./old/*.deb"
    check "id kgr && id -nG kgr | grep -qw tss && getent group kgr" "the user kgr in the group tss"
    for state in agent ks ac; do
        check "[ \"\$(stat -c '%a %U %G' /var/lib/kgr/$state)\" = '700 kgr kgr' ]" "/var/lib/kgr/$state"
    done
    for unit in multi-user.target.wants/kgr-agent.service multi-user.target.wants/kgr-ks.service \
        sockets.target.wants/kgr-agent.socket sockets.target.wants/kgr-ks.socket; do
        check "[ -L /etc/systemd/system/$unit ]" "$unit is not enabled"
    done
    check "for unit in kgr-agent kgr-ks; do systemd-analyze verify --man=no \$unit.service \$unit.socket 2>&1 | grep kgr && exit 1; done; true"
    for program in kgr-agent kgr-ks kgr-ac kgrctl; do
        check "$program --version"
    done
    # The default configurations are right, and say what is next.
    for program in kgr-agent kgr-ks; do
        status=0
        debian_run "cd / && setpriv --reuid kgr --regid kgr --init-groups $program run" >"$WORK/check" 2>&1 || status=$?
        grep -vE '^(INFO|WARN|ERROR) ' "$WORK/check" >"$WORK/line" || true
        [ "$(wc -l <"$WORK/line")" = 1 ] || fail "$release: $program run: $(cat "$WORK/check")"
        # Without a TPM in the chroot that is what is missing.
        [ $status = 7 ] || [ $status = 9 ] || fail "$release: $program run ends with $status: $(cat "$WORK/line")"
    done
    check "OPENSSL_CONF=/etc/ssl/kgr.cnf openssl list -providers | grep -qw kgr" "the provider is not found"
    check "ls /usr/lib/*/pkcs11/libkgr-pkcs11.so && file -L /usr/lib/*/libkgr.so.0 | grep -q 'shared object'"
    # minbase has no man pages of packages, unless dpkg was told so: what is in them counts.
    for page in "$LAB_ROOT"/packaging/man/*.[1-8]; do
        grep -q . < <(for name in $names; do dpkg-deb -c "$packages/${name}_"*.deb; done | grep "/man/man[0-9]/${page##*/}.gz\$") ||
            fail "$release: no package has $page"
    done

    # Upgrade.
    debian_run "echo '# ours' >>/etc/kgr/agent.conf && mkdir -p /etc/kgr/agent.conf.d && echo kept >/var/lib/kgr/agent/state && chown kgr:kgr /var/lib/kgr/agent/state"
    check "apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confdef ./new/*.deb"
    check "grep -q '# ours' /etc/kgr/agent.conf && grep -q kept /var/lib/kgr/agent/state" "an upgrade lost configuration or state"
    check "[ \"\$(dpkg-query -W -f '\${Version}' kgr-agent)\" != 0.0.9 ]"

    # Removal keeps both, purge nothing.
    check "apt-get remove -y -q $names"
    check "grep -q '# ours' /etc/kgr/agent.conf && grep -q kept /var/lib/kgr/agent/state" "a removal lost configuration or state"
    check "dpkg --purge $names"
    files >"$WORK/after"
    diff "$WORK/before" "$WORK/after" >"$WORK/left" || { cat "$WORK/left" >&2; fail "$release: a purge leaves something"; }
    ! debian_run "find / -xdev \( -path /proc -o -path /new -o -path /old \) -prune -o \( -name 'kgr*' -o -name 'libkgr*' \) -print | grep ." || fail "$release: a purge leaves these"
    check "id kgr" "the user went: its number must not be given to another"
    under_systemd
    debian_remove
    DEBIAN=
    echo "$release: installed, upgraded, removed and purged"
done
