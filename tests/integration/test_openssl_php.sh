#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# PHP, which looks ciphers up by number, encrypts with a pair's key over standard-names alone; bytes that
# are no handle never become a key, not even of the default provider.
. "$(dirname "$0")/common.sh"

php -r 'exit(extension_loaded("openssl") ? 0 : 1);' >/dev/null 2>&1 ||
    { echo "skipped: php-cli with its openssl extension is not installed, or does not run in this build"; exit 77; }
lab_up "$WORK/lab" --nodes 2
. "$WORK/lab/env"
iv=000102030405060708090a0b0c0d0e0f
cat >"$WORK/openssl.cnf" <<END
openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[algorithms]
default_properties = ?provider=kgr
[providers]
default = default_section
kgr = kgr_section
[default_section]
activate = 1
[kgr_section]
activate = 1
module = $LAB_LIB/kgr.so
socket = $KGR_AGENT_1
standard-names = yes
END
cat >"$WORK/seal.php" <<'END'
<?php
[, $cipher, $key, $iv, $file] = $argv;
$sealed = openssl_encrypt(file_get_contents($file), $cipher, hex2bin($key), OPENSSL_RAW_DATA, hex2bin($iv));
if ($sealed === false) {
    fwrite(STDERR, openssl_error_string() . "\n");
    exit(1);
}
if (openssl_decrypt($sealed, $cipher, hex2bin($key), OPENSSL_RAW_DATA, hex2bin($iv)) !== file_get_contents($file)) {
    fwrite(STDERR, "it does not come back\n");
    exit(1);
}
echo $sealed;
END
handle=$(KGR_AGENT=$KGR_AGENT_1 "$LAB_BIN/kgrctl" handle "$KGR_ID_2")
handle2=$(KGR_AGENT=$KGR_AGENT_2 "$LAB_BIN/kgrctl" handle "$KGR_ID_1")

for mode in cbc ctr cfb ofb; do
    for len in 0 1 16 100 70000; do
        head -c $len /dev/urandom >"$WORK/plain"
        OPENSSL_CONF=$WORK/openssl.cnf php "$WORK/seal.php" aes-128-$mode "$handle" $iv "$WORK/plain" \
            >"$WORK/sealed" 2>"$WORK/err" || fail "aes-128-$mode of $len bytes: $(cat "$WORK/err")"
        KGR_AGENT=$KGR_AGENT_2 openssl enc -d "-KGR-AES-128-$mode" -provider-path "$LAB_LIB" \
            -provider kgr -provider default -K "$handle2" -iv $iv -in "$WORK/sealed" -out "$WORK/back"
        cmp "$WORK/plain" "$WORK/back" || fail "aes-128-$mode: $len bytes came back changed"
    done
done
for key in 00000000000000000000000000000000 4b4752680001ffffffffffffffffffff; do
    ! OPENSSL_CONF=$WORK/openssl.cnf php "$WORK/seal.php" aes-128-cbc $key $iv "$WORK/plain" \
        >"$WORK/out" 2>"$WORK/err" || fail "$key went through"
    grep -q 'no handle of a kgr key' "$WORK/err" || fail "no reason for $key: $(cat "$WORK/err")"
done
# Without the setting the number means the default provider's cipher.
sed -i '/^standard-names/d' "$WORK/openssl.cnf"
OPENSSL_CONF=$WORK/openssl.cnf php "$WORK/seal.php" aes-128-cbc 00112233445566778899aabbccddeeff $iv \
    "$WORK/plain" >"$WORK/sealed"
openssl enc -d -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv $iv -in "$WORK/sealed" -out "$WORK/back"
cmp "$WORK/plain" "$WORK/back" || fail "standard-names is on by itself"
