/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/* N_ID: 1 to 64 characters of A-Z a-z 0-9 . _ - ; always NUL-terminated here. */
#define KGR_NID_MAX 64

struct kgr_nid {
    char s[KGR_NID_MAX + 1];
};

/* kgr_nid_set copies len characters of text; KGR_ERR_INVALID unless they form an N_ID. */
KGR_MUST_CHECK enum kgr_error kgr_nid_set(struct kgr_nid *out, const char *text, size_t len);
/* kgr_nid_cmp orders bytewise, a prefix first, as roles are given (docs/protocol.md, "Roles"). */
int kgr_nid_cmp(const struct kgr_nid *a, const struct kgr_nid *b);

/* kgr_hex writes 2*len lower-case digits and a NUL; out holds 2*len+1. Returns out. */
char *kgr_hex(char *out, const void *p, size_t len);
/* kgr_unhex wants exactly 2*len digits followed by a NUL. */
KGR_MUST_CHECK enum kgr_error kgr_unhex(void *out, size_t len, const char *text);
/* kgr_base64url (RFC 4648 section 5, no padding); out holds (len*4+2)/3+1 bytes. Returns out. */
char *kgr_base64url(char *out, const void *p, size_t len);

/* A topic is 32 random bytes; on MQTT it is "kgr/" and 43 characters of base64url. */
#define KGR_TOPIC_LEN      32
#define KGR_TOPIC_TEXT_LEN 47
char *kgr_topic_text(char out[KGR_TOPIC_TEXT_LEN + 1], const uint8_t topic[KGR_TOPIC_LEN]);

/*
 * kgr_uri_parse reads `kgr:peer=<N_ID>` with optional `;generation=<n>` (n decimal, 1 or more, no
 * leading zero); *out_generation is 0 when absent, which means the latest usable. Attributes may
 * stand in any order, once each; anything else is KGR_ERR_INVALID.
 */
KGR_MUST_CHECK enum kgr_error kgr_uri_parse(struct kgr_nid *out_peer, uint64_t *out_generation,
                                            const char *uri);
#define KGR_URI_MAX 112
/* kgr_uri_format writes the URI of a peer, with the generation unless it is 0. Returns out. */
char *kgr_uri_format(char out[KGR_URI_MAX], const struct kgr_nid *peer, uint64_t generation);
