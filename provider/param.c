/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/param.h"

#include <string.h>

bool kgr_param_is(const OSSL_PARAM *p, const char *name)
{
    return strcmp(p->key, name) == 0;
}

bool kgr_param_get_uint(const OSSL_PARAM *p, uint64_t *out)
{
    bool is_signed = p->data_type == OSSL_PARAM_INTEGER;
    uint64_t v64;
    uint32_t v32;

    if ((!is_signed && p->data_type != OSSL_PARAM_UNSIGNED_INTEGER) || p->data == NULL) {
        return false;
    }
    if (p->data_size == sizeof(v32)) {
        memcpy(&v32, p->data, sizeof(v32));
        if (is_signed && v32 > INT32_MAX) {
            return false;
        }
        *out = v32;
        return true;
    }
    if (p->data_size == sizeof(v64)) {
        memcpy(&v64, p->data, sizeof(v64));
        if (is_signed && v64 > INT64_MAX) {
            return false;
        }
        *out = v64;
        return true;
    }
    return false;
}

bool kgr_param_get_text(const OSSL_PARAM *p, char *out, size_t out_cap)
{
    const char *text;
    size_t len;

    if (p->data_type == OSSL_PARAM_UTF8_PTR && p->data != NULL) {
        memcpy(&text, p->data, sizeof(text));
    } else if (p->data_type == OSSL_PARAM_UTF8_STRING) {
        text = p->data;
    } else {
        return false;
    }
    if (text == NULL) {
        return false;
    }
    /* The size of a string may count its NUL; that of a pointer need not be given at all. */
    if (p->data_type == OSSL_PARAM_UTF8_STRING) {
        len = strnlen(text, p->data_size);
        if (len + 1 < p->data_size) {
            return false;
        }
    } else {
        len = strnlen(text, out_cap);
    }
    if (len >= out_cap) {
        return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

bool kgr_param_get_octets(const OSSL_PARAM *p, const uint8_t **out, size_t *out_len)
{
    const uint8_t *bytes;

    if (p->data_type == OSSL_PARAM_OCTET_STRING) {
        *out = p->data;
    } else if (p->data_type == OSSL_PARAM_OCTET_PTR && p->data != NULL) {
        memcpy(&bytes, p->data, sizeof(bytes));
        *out = bytes;
    } else {
        return false;
    }
    *out_len = p->data_size;
    return true;
}

bool kgr_param_set_uint(OSSL_PARAM *p, uint64_t value)
{
    bool is_signed = p->data_type == OSSL_PARAM_INTEGER;
    uint32_t v32 = (uint32_t)value;

    if (!is_signed && p->data_type != OSSL_PARAM_UNSIGNED_INTEGER) {
        return false;
    }
    p->return_size = sizeof(value);
    if (p->data == NULL) {
        return true;
    }
    if (p->data_size == sizeof(v32) && value <= (is_signed ? INT32_MAX : UINT32_MAX)) {
        p->return_size = sizeof(v32);
        memcpy(p->data, &v32, sizeof(v32));
        return true;
    }
    if (p->data_size == sizeof(value) && (!is_signed || value <= INT64_MAX)) {
        memcpy(p->data, &value, sizeof(value));
        return true;
    }
    return false;
}

/* Hands over a pointer, or copies len bytes. */
static bool set_bytes(OSSL_PARAM *p, unsigned int by_value, unsigned int by_pointer,
                      const void *bytes, size_t len)
{
    if (p->data_type != by_value && p->data_type != by_pointer) {
        return false;
    }
    p->return_size = len;
    if (p->data == NULL) {
        return true;
    }
    if (p->data_type == by_pointer) {
        memcpy(p->data, &bytes, sizeof(bytes));
        return true;
    }
    if (p->data_size < len) {
        return false;
    }
    memcpy(p->data, bytes, len);
    return true;
}

bool kgr_param_set_text(OSSL_PARAM *p, const char *text)
{
    size_t len = strlen(text);

    if (!set_bytes(p, OSSL_PARAM_UTF8_STRING, OSSL_PARAM_UTF8_PTR, text, len)) {
        return false;
    }
    if (p->data_type == OSSL_PARAM_UTF8_STRING && p->data != NULL && p->data_size > len) {
        memcpy(p->data, text, len + 1);
    }
    return true;
}

bool kgr_param_set_octets(OSSL_PARAM *p, const uint8_t *bytes, size_t len)
{
    return set_bytes(p, OSSL_PARAM_OCTET_STRING, OSSL_PARAM_OCTET_PTR, bytes, len);
}
