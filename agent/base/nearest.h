/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/*
 * What was probably meant by a name that is none: the candidate that is reached with the fewest letters put in, left out or
 * changed (Levenshtein), if that are few for a name so long, or that it begins. Give kgr_nearest_try every candidate; best is NULL while none is near.
 */
struct kgr_nearest {
    const char *typed; /* borrowed */
    const char *best;  /* borrowed: a candidate */
    size_t distance;   /* of best, or the first that is too far */
};

void kgr_nearest_begin(struct kgr_nearest *nearest, const char *typed);
void kgr_nearest_try(struct kgr_nearest *nearest, const char *candidate);
