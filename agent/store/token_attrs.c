/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/store/token_attrs.h"

#include "agent/base/attr.h"
#include "agent/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Writing */

static void KGR_PRINTF(2, 3) print(struct kgr_token_attrs *attrs, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (attrs->failed)
        return;
    va_start(ap, fmt);
    n = vsnprintf(attrs->text + attrs->len, attrs->cap - attrs->len, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= attrs->cap - attrs->len)
        attrs->failed = true;
    else
        attrs->len += (size_t)n;
}

void kgr_token_attrs_begin(struct kgr_token_attrs *attrs, char *text, size_t cap)
{
    *attrs = (struct kgr_token_attrs){.text = text, .cap = cap};
    print(attrs, "---\n!!map {\n");
}

void kgr_token_attrs_number(struct kgr_token_attrs *attrs, uint64_t type, uint64_t value)
{
    print(attrs, "  ? !!int \"%" PRIu64 "\"\n  : !!int \"%" PRIu64 "\",\n", type, value);
}

void kgr_token_attrs_flag(struct kgr_token_attrs *attrs, uint64_t type, bool value)
{
    print(attrs, "  ? !!int \"%" PRIu64 "\"\n  : !!bool \"%s\",\n", type, value ? "true" : "false");
}

void kgr_token_attrs_bytes(struct kgr_token_attrs *attrs, uint64_t type, struct kgr_slice value)
{
    print(attrs, "  ? !!int \"%" PRIu64 "\"\n  : !!str \"", type);
    if (!attrs->failed && value.len * 2 < attrs->cap - attrs->len) {
        (void)kgr_hex(attrs->text + attrs->len, value.p, value.len);
        attrs->len += value.len * 2;
    } else {
        attrs->failed = true;
    }
    print(attrs, "\",\n");
}

void kgr_token_attrs_numbers(struct kgr_token_attrs *attrs, uint64_t type, const uint64_t *values,
                             size_t num)
{
    print(attrs, "  ? !!int \"%" PRIu64 "\"\n  : !!seq [\n", type);
    for (size_t i = 0; i < num; i++)
        print(attrs, "    !!int \"%" PRIu64 "\",\n", values[i]);
    print(attrs, "  ],\n");
}

enum kgr_error kgr_token_attrs_end(struct kgr_token_attrs *attrs)
{
    print(attrs, "}\n");
    return attrs->failed ? KGR_ERR_SHORT_BUFFER : KGR_OK;
}

/* Reading */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

static const char *skip_quote(const char *p)
{
    return *p == '"' || *p == '\'' ? p + 1 : p;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

    return at == NULL ? -1 : (int)(at - digits);
}

static bool read_hex(const char *p, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t len = 0;

    for (; digit(p[0]) >= 0 && digit(p[1]) >= 0; p += 2) {
        if (len == cap)
            return false;
        out[len++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
    }
    *out_len = len;
    return digit(p[0]) < 0;
}

bool kgr_token_attrs_find(const char *text, uint64_t type, uint8_t *out, size_t cap,
                          size_t *out_len)
{
    static const char tag_int[] = "!!int";
    static const char tag_str[] = "!!str";
    char number[24];
    size_t num_len = (size_t)snprintf(number, sizeof(number), "%" PRIu64, type);

    for (const char *p = strstr(text, tag_int); p != NULL; p = strstr(p, tag_int)) {
        p = skip_quote(skip_space(p + strlen(tag_int)));
        if (strncmp(p, number, num_len) != 0 || (p[num_len] >= '0' && p[num_len] <= '9'))
            continue;
        p = skip_space(skip_quote(p + num_len));
        if (*p != ':')
            continue; /* a value, not a key */
        p = skip_space(p + 1);
        if (strncmp(p, tag_str, strlen(tag_str)) != 0)
            continue;
        return read_hex(skip_quote(skip_space(p + strlen(tag_str))), out, cap, out_len);
    }
    return false;
}
