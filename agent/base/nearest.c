/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/nearest.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX_LEN 64

static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], len_a = strlen(a), len_b = strlen(b);

    if (len_a > NAME_MAX_LEN || len_b > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t before = row[0]; /* of the row above, one column back */

        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t changed = before + (a[i - 1] != b[j - 1]);
            size_t more = row[j] + 1, less = row[j - 1] + 1;

            before = row[j];
            row[j] = changed < more ? changed : more;
            row[j] = less < row[j] ? less : row[j];
        }
    }
    return row[len_b];
}

void kgr_nearest_begin(struct kgr_nearest *nearest, const char *typed)
{
    size_t len = strlen(typed);

    nearest->typed = typed;
    nearest->best = NULL;
    nearest->distance = len < 3 ? 2 : len < 8 ? 3 : 4;
}

void kgr_nearest_try(struct kgr_nearest *nearest, const char *candidate)
{
    size_t len = strlen(nearest->typed), d = distance(nearest->typed, candidate);

    /* Cut short: a slip too. */
    if (len > 3 && strncmp(nearest->typed, candidate, len) == 0)
        d = d < 1 ? d : 1;
    if (d < nearest->distance) {
        nearest->distance = d;
        nearest->best = candidate;
    }
}
