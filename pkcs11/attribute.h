/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"
#include "pkcs11/key_table.h"

#include <stdbool.h>
#include <stdint.h>

#define KGR_P11_VALUE_MAX 128

/* The value of one attribute of an object. */
struct kgr_p11_value {
    uint8_t bytes[KGR_P11_VALUE_MAX];
    CK_ULONG len;
};

/*
 * kgr_p11_attribute builds the value; node is this node's N_ID. CKR_ATTRIBUTE_SENSITIVE for the
 * key's bytes, CKR_ATTRIBUTE_TYPE_INVALID for what such an object does not have.
 */
CK_RV kgr_p11_attribute(struct kgr_p11_value *out, const struct kgr_p11_object *object,
                        const char *node, CK_ATTRIBUTE_TYPE type);

/* kgr_p11_attribute_is_volatile: may the value change while the key exists? */
bool kgr_p11_attribute_is_volatile(CK_ATTRIBUTE_TYPE type);

/* kgr_p11_attributes_match: has the object every attribute of the template? */
bool kgr_p11_attributes_match(const struct kgr_p11_object *object, const char *node,
                              const CK_ATTRIBUTE *template, CK_ULONG count);
