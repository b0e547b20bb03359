/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <openssl/core.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Reading and writing OSSL_PARAM (OSSL_PARAM(3)) without libcrypto. Getters return false, and leave
 * their output alone, when the type does not fit or the value is out of range. Setters return false
 * when the type does not fit or the room is too small; with a NULL buffer they tell the size needed.
 */

/* kgr_param_is tells whether p has this name. */
bool kgr_param_is(const OSSL_PARAM *p, const char *name);

/* kgr_param_get_uint reads an integer of 32 or 64 bits that is not negative. */
KGR_MUST_CHECK bool kgr_param_get_uint(const OSSL_PARAM *p, uint64_t *out);
/* kgr_param_get_text copies a UTF-8 string that fits into out_cap with its NUL and has none inside. */
KGR_MUST_CHECK bool kgr_param_get_text(const OSSL_PARAM *p, char *out, size_t out_cap);
/* kgr_param_get_octets borrows an octet string; *out is NULL if only a length was given. */
KGR_MUST_CHECK bool kgr_param_get_octets(const OSSL_PARAM *p, const uint8_t **out, size_t *out_len);

KGR_MUST_CHECK bool kgr_param_set_uint(OSSL_PARAM *p, uint64_t value);
/* kgr_param_set_text: text has static lifetime, for callers that want a pointer. */
KGR_MUST_CHECK bool kgr_param_set_text(OSSL_PARAM *p, const char *text);
/* kgr_param_set_octets: bytes live as long as the object asked, for callers that want a pointer. */
KGR_MUST_CHECK bool kgr_param_set_octets(OSSL_PARAM *p, const uint8_t *bytes, size_t len);
