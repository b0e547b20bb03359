/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"

/*
 * The attributes of an object as a row of tpm2-pkcs11 has them: a map of YAML in canonical style, from the numbers of PKCS#11 to
 * typed values. Its parser wants the types spelt out; byte strings are hexadecimal. Pure.
 *
 * The writer keeps a sticky failure: whoever fills asks once, at the end.
 */
struct kgr_token_attrs {
    char *text; /* borrowed */
    size_t cap;
    size_t len;
    bool failed;
};

void kgr_token_attrs_begin(struct kgr_token_attrs *attrs, char *text, size_t cap);
void kgr_token_attrs_number(struct kgr_token_attrs *attrs, uint64_t type, uint64_t value);
void kgr_token_attrs_flag(struct kgr_token_attrs *attrs, uint64_t type, bool value);
void kgr_token_attrs_bytes(struct kgr_token_attrs *attrs, uint64_t type, struct kgr_slice value);
void kgr_token_attrs_numbers(struct kgr_token_attrs *attrs, uint64_t type, const uint64_t *values,
                             size_t num);
/* kgr_token_attrs_end: KGR_ERR_SHORT_BUFFER when it did not fit; else text ends in a NUL. */
KGR_MUST_CHECK enum kgr_error kgr_token_attrs_end(struct kgr_token_attrs *attrs);

/*
 * kgr_token_attrs_find finds a byte string in what anybody wrote, in whichever style of YAML that library and its tool write.
 * false: it is not there, or longer than cap.
 */
KGR_MUST_CHECK bool kgr_token_attrs_find(const char *text, uint64_t type, uint8_t *out, size_t cap,
                                         size_t *out_len);
