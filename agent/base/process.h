/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/*
 * kgr_process_mark is a number that is another in every child of this process, and in none of its threads: whether what somebody made is
 * this process's own, or a copy. Costs no system call after the first. Thread-safe.
 */
uint32_t kgr_process_mark(void);
