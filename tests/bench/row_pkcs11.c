/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>

#include <kgr/client.h>

#include "tests/bench/lab.h"
#include "tests/bench/measure.h"
#include "tests/bench/p11.h"

/* AES-CBC and SHA256-HMAC through our PKCS#11 module, against others' modules in this process. */

static void open_ours(struct p11 *p11, const char *variable, size_t len)
{
    char path[512], label[KGR_PEER_MAX + 16];
    const char *peer = bench_env("BENCH_PEER");

    bench_must(setenv("KGR_AGENT", bench_env(variable), 1) == 0, "no memory");
    (void)snprintf(path, sizeof(path), "%s/libkgr-pkcs11.so", bench_env("BENCH_LIB"));
    p11_open(p11, path, NULL, NULL);
    (void)snprintf(label, sizeof(label), "%s (sign)", peer);
    p11->aes = p11_find(p11, peer, CKK_AES);
    p11->mac = p11_find(p11, label, CK_UNAVAILABLE_INFORMATION);
    p11_set_len(p11, len);
}

static void compare(struct bench_result *out, struct p11 *ours, struct p11 *theirs)
{
    bench_compare(out, &(struct bench_side){.op = p11_protect, .ctx = ours},
                  &(struct bench_side){.op = p11_protect, .ctx = theirs});
    p11_close(theirs);
    p11_close(ours);
}

static void resident_1024(struct bench_result *out)
{
    struct p11 ours, theirs;

    open_ours(&ours, "BENCH_AGENT_RESIDENT", 1024);
    p11_open(&theirs, bench_env("BENCH_TPM2_PKCS11"), bench_env("BENCH_TOKEN"),
             bench_env("BENCH_PIN"));
    theirs.aes = p11_find(&theirs, "bench-aes", CKK_AES);
    theirs.mac = p11_find(&theirs, "bench-mac", CK_UNAVAILABLE_INFORMATION);
    p11_set_len(&theirs, 1024);
    compare(out, &ours, &theirs);
}

static void sealed(struct bench_result *out, CK_BBOOL token, size_t len)
{
    struct p11 ours, theirs;

    open_ours(&ours, "BENCH_AGENT_SEALED", len);
    p11_open(&theirs, bench_env("BENCH_SOFTHSM"), bench_env("BENCH_TOKEN"), bench_env("BENCH_PIN"));
    theirs.aes = p11_create(&theirs, CKK_AES, 16, token);
    theirs.mac = p11_create(&theirs, CKK_GENERIC_SECRET, 32, token);
    p11_set_len(&theirs, len);
    compare(out, &ours, &theirs);
}

static void sealed_1024(struct bench_result *out)
{
    sealed(out, CK_TRUE, 1024);
}

static void sealed_1024_session(struct bench_result *out)
{
    sealed(out, CK_FALSE, 1024);
}

static void sealed_16384(struct bench_result *out)
{
    sealed(out, CK_TRUE, 16384);
}

const struct bench_row bench_rows_pkcs11[] = {
    {.name = "resident-pkcs11-1024",
     .needs = "resident tpm2-pkcs11",
     .ours = "resident, AES-CBC + SHA256-HMAC of 1 KiB by PKCS#11",
     .theirs = "tpm2-pkcs11",
     .unit = "us",
     .sense = BENCH_SPEED,
     .must = 60,
     .run = resident_1024},
    {.name = "sealed-pkcs11-1024",
     .needs = "sealed softhsm",
     .ours = "sealed, AES-CBC + SHA256-HMAC of 1 KiB by PKCS#11",
     .theirs = "SoftHSM2",
     .unit = "us",
     .sense = BENCH_SPEED,
     .must = 2.5,
     .run = sealed_1024},
    {.name = "sealed-pkcs11-1024-session",
     .needs = "sealed softhsm",
     .ours = "the same",
     .theirs = "SoftHSM2, keys of the session only",
     .unit = "us",
     .sense = BENCH_SPEED,
     .run = sealed_1024_session},
    {.name = "sealed-pkcs11-16384",
     .needs = "sealed softhsm",
     .ours = "sealed, AES-CBC + SHA256-HMAC of 16 KiB by PKCS#11",
     .theirs = "SoftHSM2",
     .unit = "us",
     .sense = BENCH_SPEED,
     .run = sealed_16384},
    {.name = NULL},
};
