/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hand on the bus between agent/tpm and the TPM, for programs linked with
 * --wrap=Tss2_Sys_Execute: looks at commands as they leave, spoils answers as they come, and
 * answers in the TPM's place.
 */
#define TPM_TAP_CODES 256

struct tpm_tap {
    unsigned int num_commands;     /* so far */
    uint32_t codes[TPM_TAP_CODES]; /* of the first ones, TPM2_CC_* */
    uint32_t answer;               /* not 0: answer this code instead, answer_times times */
    unsigned int answer_times;
    bool spoil;             /* flip a bit of the parameters of the next answer */
    bool spoil_hmac;        /* flip a bit of its HMAC */
    const uint8_t *pattern; /* look for this in the parameters of commands and answers */
    size_t pattern_len;
    unsigned int num_seen; /* how often it was there */
};

extern struct tpm_tap tpm_tap;
/* tpm_tap_reset takes the hand off. */
void tpm_tap_reset(void);
