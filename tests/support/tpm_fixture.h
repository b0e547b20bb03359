/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/tpm/tpm.h"
#include "agent/tpm/types.h"
#include "tests/support/swtpm.h"

/*
 * A software TPM with what a node has in it: salted session, storage key under an authorisation
 * value. Every failure ends the test program with a message. The arena must stand.
 */
struct tpm_fixture {
    struct swtpm swtpm;
    struct kgr_tpm *tpm;
    struct kgr_tpm_auth *auth; /* of the storage key */
    struct kgr_tpm_object storage;
    struct kgr_tpm_public storage_pub;
};

void tpm_fixture_start(struct tpm_fixture *f);
void tpm_fixture_stop(struct tpm_fixture *f);
/* tpm_fixture_auth makes an authorisation value of 32 bytes, each fill. */
struct kgr_tpm_auth *tpm_fixture_auth(uint8_t fill);
/* tpm_fixture_loaded: how many handles from first on, of its kind, the TPM itself has loaded, asked behind the back of f->tpm. */
unsigned int tpm_fixture_loaded(const struct tpm_fixture *f, uint32_t first);
