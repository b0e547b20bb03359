/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The fields of a record in words, for people. */
const char *kgr_audit_what_word(uint8_t what);
/* kgr_audit_time_text writes the time as RFC 3339 in UTC; cap at least 24. Returns out. */
char *kgr_audit_time_text(char *out, size_t cap, uint64_t seconds);
