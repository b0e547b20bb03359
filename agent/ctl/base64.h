/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* kgr_ctl_base64_len is the length of the text of len bytes, without its NUL. */
size_t kgr_ctl_base64_len(size_t len);
/* kgr_ctl_base64 writes it, with padding (RFC 4648 section 4). Returns out. */
char *kgr_ctl_base64(char *out, const uint8_t *bytes, size_t len);
