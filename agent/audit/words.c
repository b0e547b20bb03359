/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/audit/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "agent/base/attr.h"

const char *kgr_audit_what_word(uint8_t what)
{
    static const char *const words[] = {"-",       "order",   "refused",  "node",
                                        "service", "head",    "exchange", "refused",
                                        "reload",  "renewal", "mirror"};

    return what < KGR_ARRAY_LEN(words) ? words[what] : "unknown";
}

char *kgr_audit_time_text(char *out, size_t cap, uint64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(out, cap, "%" PRIu64, seconds);
    return out;
}
