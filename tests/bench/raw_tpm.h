/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The fewest commands that a TPM needs to seal a record, sent back to back from this thread by SAPI: keys loaded before,
 * one HMAC session whose answers are verified, contexts of libcrypto set up once. Nothing of agent/tpm is used.
 */
struct raw_tpm;

struct raw_tpm *raw_tpm_new(const char *tcti);
void raw_tpm_free(struct raw_tpm *tpm);
/*
 * raw_tpm_seal: up to 1,024 bytes under the MAC this is TPM2_EncryptDecrypt2 and TPM2_HMAC, else one
 * TPM2_EncryptDecrypt2 for each 1,024 bytes and one sequence. out has room for 96 bytes more than plaintext.
 */
void raw_tpm_seal(struct raw_tpm *tpm, const uint8_t *plaintext, size_t len, uint8_t *out);
/* raw_tpm_commands: how many commands so far. */
unsigned long raw_tpm_commands(const struct raw_tpm *tpm);
