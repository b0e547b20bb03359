/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t kgr_ctl_base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

char *kgr_ctl_base64(char *out, const uint8_t *bytes, size_t len)
{
    char *p = out;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i;
        uint32_t v = (uint32_t)bytes[i] << 16;

        v |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        v |= n > 2 ? bytes[i + 2] : 0;
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        *p++ = n > 1 ? alphabet[v >> 6 & 63] : '=';
        *p++ = n > 2 ? alphabet[v & 63] : '=';
    }
    *p = '\0';
    return out;
}
