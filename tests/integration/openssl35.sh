# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For tests with OpenSSL 3.5 and OpenSC 0.26: a Debian 13 in $TRIXIE, made in a minute by debootstrap, or the one that
# KGR_TEST_TRIXIE names. Programs run in it through $INSIDE with the temporary folder, this source and this
# build at the paths they have here, so that the agents stay outside. All mounts are in namespaces of their
# own and end with their processes. Sourced after common.sh.

# trixie_up: makes it, with the packages ,A,B that TRIXIE_MORE names too, or skips the test.
trixie_up()
{
    local mirror name
    TRIXIE=${KGR_TEST_TRIXIE:-$WORK/trixie}
    [ "$(id -u)" = 0 ] || { echo "skipped: a Debian 13 by debootstrap needs root"; exit 77; }
    command -v debootstrap >/dev/null || { echo "skipped: debootstrap is not installed"; exit 77; }
    if [ ! -e "$TRIXIE/usr/bin/openssl" ]; then
        # The mirror is this host's.
        mirror=$(apt-cache policy |
            sed -n 's/^ *[0-9]* \(https*:[^ ]*\) .*main amd64.*/\1/p' | grep -v security | head -n 1)
        unshare -m debootstrap --variant=minbase "--include=openssl,libssl-dev,libcmocka0,opensc${TRIXIE_MORE:-}" trixie "$TRIXIE" \
            ${mirror:+"$mirror"} >"$WORK/debootstrap.log" 2>&1 ||
            { tail -n 20 "$WORK/debootstrap.log" >&2; fail "debootstrap of Debian 13"; }
    fi
    cat >"$WORK/mounted" <<END
#!/bin/bash
set -e
mountpoint -q '$TRIXIE/proc' || mount -t proc proc '$TRIXIE/proc'
mountpoint -q '$TRIXIE/dev' || mount --rbind /dev '$TRIXIE/dev'
for dir in '${TMPDIR:-/tmp}' '$LAB_ROOT' '$LAB_BUILD'; do
    mkdir -p "$TRIXIE/\$dir"
    mount --bind "\$dir" "$TRIXIE/\$dir"
done
exec env PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot '$TRIXIE' sh -c 'cd "\$0" && exec "\$@"' "\$PWD" "\$@"
END
    INSIDE=$WORK/inside
    printf '#!/bin/sh\nexec unshare -m "%s" "$@"\n' "$WORK/mounted" >"$INSIDE"
    chmod 755 "$WORK/mounted" "$INSIDE"
    # For scripts that call these by their names.
    mkdir -p "$WORK/bin"
    for name in openssl pkcs11-tool; do
        printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$INSIDE" $name >"$WORK/bin/$name"
        chmod 755 "$WORK/bin/$name"
    done
    # Headers and library for programs that this host's compiler makes for it.
    mkdir -p "$WORK/include"
    cp -r "$TRIXIE/usr/include/openssl" "$TRIXIE"/usr/include/*/openssl "$WORK/include/"
    # shellcheck disable=SC2034
    TRIXIE_LIBCRYPTO=$(echo "$TRIXIE"/usr/lib/*/libcrypto.so.3)
    "$WORK/bin/openssl" version
    "$WORK/bin/openssl" version | grep -q '^OpenSSL 3\.[5-9]' || fail "that is not OpenSSL 3.5"
}
