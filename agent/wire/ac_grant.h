/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/*
 * What makes the AC a holder of frame keys, in ks.pub and in the result of ac_rekey: docs/protocol.md, section 10. Slices
 * borrow the input.
 */
#define KGR_AC_GRANT_MAX 3600

struct kgr_ac_grant {
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN];
    struct kgr_slice credential;
    struct kgr_slice secret;
    struct kgr_wire_object nksk;
    struct kgr_wire_object nksksign;
};

void kgr_ac_grant_read(struct kgr_rd *rd, struct kgr_ac_grant *out);
void kgr_ac_grant_write(struct kgr_wr *wr, const struct kgr_ac_grant *in);
/* A body that is one grant and nothing else. */
KGR_MUST_CHECK enum kgr_error kgr_ac_grant_decode(struct kgr_ac_grant *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ac_grant_encode(struct kgr_wr *wr, const struct kgr_ac_grant *in);
