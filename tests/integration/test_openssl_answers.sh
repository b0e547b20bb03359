#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Published answers through kgr.so, agent and TPM, under keys that a key server of the test's own gives to the pair:
# NIST SP 800-38A appendix F, RFC 4231, RFC 7518 appendix B.1 and its like with AES-256 and SHA-384.
#
# Keys of HMAC that are shorter than ours are filled up with zeros, which HMAC itself does, and longer ones than a block
# are hashed, which it does too (RFC 2104, section 2).
. "$(dirname "$0")/common.sh"

export LAB_KS_PROGRAM=$LAB_BUILD/tests/kgr-ks-known-source
export KGR_KNOWN_KEYS=$WORK/keys
lab_up "$WORK/lab" --nodes 2
LAB=$WORK/lab
. "$LAB/env"
export KGR_AGENT=$KGR_AGENT_1
uri=kgr:peer=$KGR_ID_2
provider=(-provider-path "$LAB_LIB" -provider kgr -provider default)

hex()
{
    od -An -v -tx1 | tr -d ' \n'
}

# bytes HEX: those bytes.
bytes()
{
    local out=
    while [ -n "$1" ]; do
        out+="\\x${1:0:2}"
        set -- "${1:2}"
    done
    printf "$out"
}

# repeat BYTE COUNT: in hex.
repeat()
{
    local i
    for ((i = 0; i < $2; i++)); do printf %s "$1"; done
}

# counted FROM COUNT: bytes one after the other, in hex.
counted()
{
    local i
    for ((i = 0; i < $2; i++)); do printf %02x $(($1 + i)); done
}

# fill KEY: as long as a MAC key of the suite.
fill()
{
    printf %s%s "$1" "$(repeat 00 $((LAB_MAC_LEN - ${#1} / 2)))"
}

# use ENC MAC: the next key of the pair.
use()
{
    echo "$1 $2" >"$KGR_KNOWN_KEYS.next"
    lab_ctl 1 renew "$KGR_ID_2" >/dev/null
    [ ! -e "$KGR_KNOWN_KEYS.next" ] && [ "$(tail -n 1 "$KGR_KNOWN_KEYS")" = "$1 $2" ] ||
        fail "the key server made another key: $(tail -n 1 "$KGR_KNOWN_KEYS")"
}

# mac DATA EXPECTED: both in hex; EXPECTED may be truncated.
mac()
{
    local got
    bytes "$1" >"$WORK/data"
    got=$(openssl mac "${provider[@]}" -macopt "key-uri:$uri" -in "$WORK/data" KGR-HMAC | tr A-F a-f)
    [ ${#got} = $((2 * LAB_MAC_LEN)) ] && [ "${got:0:${#2}}" = "$2" ] || fail "the MAC of $1 is '$got'"
}

# For 128 and for 256 bits.
of_suite()
{
    [ "$LAB_AES" = 128 ] && printf %s "$1" || printf %s "$2"
}

echo "-- SP 800-38A, F.1 to F.5, and RFC 4231, case 1"
plain=6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710
iv=$(counted 0 16)
use "$(of_suite 2b7e151628aed2a6abf7158809cf4f3c 603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4)" \
    "$(fill "$(repeat 0b 20)")"
while read -r bits mode this_iv sealed; do
    [ "$bits" = "$LAB_AES" ] || continue
    handle=$("$LAB_BIN/kgrctl" handle "$KGR_ID_2" --cipher "KGR-AES-$bits-$mode")
    bytes $plain >"$WORK/plain"
    openssl enc -e -nopad "-KGR-AES-$bits-$mode" "${provider[@]}" -K "$handle" -iv "$this_iv" -in "$WORK/plain" -out "$WORK/sealed" 2>"$WORK/err" ||
        fail "$bits $mode: $(cat "$WORK/err")"
    [ "$(hex <"$WORK/sealed")" = "$sealed" ] || fail "$bits $mode: $(hex <"$WORK/sealed")"
    openssl enc -d -nopad "-KGR-AES-$bits-$mode" "${provider[@]}" -K "$handle" -iv "$this_iv" -in "$WORK/sealed" -out "$WORK/back" 2>"$WORK/err"
    cmp "$WORK/plain" "$WORK/back" || fail "$bits $mode does not come back"
done <<END
128 ECB $iv 3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4
128 CBC $iv 7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7
128 CFB $iv 3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6
128 OFB $iv 3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed8259740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e
128 CTR $(counted 240 16) 874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee
256 ECB $iv f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7
256 CBC $iv f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b
256 CFB $iv dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471
256 OFB $iv dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484
256 CTR $(counted 240 16) 601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6
END
mac "$(printf 'Hi There' | hex)" "$(of_suite b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7 \
    afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6)"

echo "-- RFC 7518, B.1 (AES-256 with SHA-384: draft-mcgrew-aead-aes-cbc-hmac-sha2-05, 5.4), and RFC 4231, cases 2 to 7"
use "$(of_suite "$(counted 16 16)" "$(counted 24 32)")" "$(fill "$(counted 0 "$(of_suite 16 24)")")"
aad=$(printf 'The second principle of Auguste Kerckhoffs' | hex)
text=$(printf '%s' 'A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience' | hex)
expected=$(of_suite "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db 652c3fa36b0a7c5b3219fab3a30bc1c4" \
    "893129b0f4ee9eb18d75eda6f2aaa9f3607c98c4ba0444d34162170d8961884e58f27d4a35a5e3e3234aa99404f327f5c2d78e986e5749858b88bcddc2ba05218f195112d6ad48fa3b1e89aa7f20d596682f10b3648d3bb0c983c3185f59e36d28f647c1c13988de8ea0d821198c150977e28ca768080bc78c35faed69d8c0b7d9f506232198a489a1a6ae03a319fb30 dd131d05ab3467dd056f8e882bad70637f1e9a541d9c23e7")
got=$(${KGR_TEST_INSIDE:-} "$LAB_BUILD/tests/openssl_keys" seal "$LAB_LIB" "$LAB_AES" "$uri" 1af38c2dc2b96ffdd86694092341bc04 "$aad" "$text")
[ "$got" = "$expected" ] || fail "the AEAD: $got"

enc=$(repeat 00 $((LAB_AES / 8)))
use "$enc" "$(fill "$(printf Jefe | hex)")"
mac "$(printf 'what do ya want for nothing?' | hex)" "$(of_suite 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843 \
    af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649)"
use "$enc" "$(fill "$(repeat aa 20)")"
mac "$(repeat dd 50)" "$(of_suite 773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe \
    88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27)"
use "$enc" "$(fill "$(counted 1 25)")"
mac "$(repeat cd 50)" "$(of_suite 82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b \
    3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb)"
use "$enc" "$(fill "$(repeat 0c 20)")"
mac "$(printf 'Test With Truncation' | hex)" "$(of_suite a3b6167473100ee06e0c796c2955552b 3abf34c3503b2a23a46efc619baef897)"
bytes "$(repeat aa 131)" >"$WORK/long"
use "$enc" "$(openssl dgst "-$(tr A-Z a-z <<<"$LAB_HASH")" -binary "$WORK/long" | hex)"
mac "$(printf 'Test Using Larger Than Block-Size Key - Hash Key First' | hex)" \
    "$(of_suite 60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54 \
        4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952)"
mac "$(printf '%s' 'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.' | hex)" \
    "$(of_suite 9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2 \
        6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e)"
