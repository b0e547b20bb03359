/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/store/db.h"

#include <stdint.h>

/*
 * The steps of a schema, by FNV-1a of their text: states that older programs made went through exactly these, so that what changes
 * must be a step of its own, at the end. tests/integration/test_upgrade.sh takes such states through.
 */
static inline uint64_t schema_step_hash(const char *script)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *p = script; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return hash;
}

#define assert_schema_steps(schema, known)                                                         \
    do {                                                                                           \
        assert_int_equal((schema)->num_migrations, sizeof(known) / sizeof((known)[0]));            \
        for (size_t step = 0; step < (schema)->num_migrations; step++)                             \
            if (schema_step_hash((schema)->migrations[step]) != (known)[step])                     \
                fail_msg("step %zu is 0x%016llx: not what made the states that are out there; "    \
                         "add a step instead",                                                     \
                         step, (unsigned long long)schema_step_hash((schema)->migrations[step]));  \
    } while (0)
