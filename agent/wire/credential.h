/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ac_grant.h"
#include "agent/wire/common.h"

/*
 * Files: docs/protocol.md, section 10. The hash at their end is the caller's to compute (it needs
 * a library that this layer does not have): encoders write all before it, decoders hand it out with what
 * it covers.
 */
#define KGR_NTAG_LEN       32
#define KGR_HOST_MAX       255
#define KGR_CREDENTIAL_MAX 1024 /* bytes of a whole credential file */
#define KGR_IDENTITY_MAX   1152 /* bytes of a whole ac.pub */
#define KGR_KS_PUB_MAX     (KGR_IDENTITY_MAX + KGR_AC_GRANT_MAX + 260) /* bytes of a whole ks.pub */

struct kgr_credential_file {
    struct kgr_nid node;
    const uint8_t *ntag; /* KGR_NTAG_LEN secret bytes, borrowed */
    uint8_t key_id[KGR_KEY_ID_LEN];
    uint8_t topic0[KGR_TOPIC_LEN];
    struct kgr_slice ks_signing; /* TPMT_PUBLIC */
    uint64_t expires;            /* Unix time in s */
    struct kgr_slice host;       /* of the broker */
    uint16_t port;
    struct kgr_slice covered; /* decoder: what the hash is over */
    const uint8_t *hash;      /* decoder: 32 bytes, borrowed */
};

KGR_MUST_CHECK enum kgr_error kgr_credential_decode(struct kgr_credential_file *out,
                                                    struct kgr_slice file);
/* Without the hash, which the caller appends (KGR_DIGEST_LEN bytes). */
KGR_MUST_CHECK enum kgr_error kgr_credential_encode(struct kgr_wr *wr,
                                                    const struct kgr_credential_file *in);

enum kgr_identity_kind { KGR_IDENTITY_AC = 1, KGR_IDENTITY_KS = 2 };

struct kgr_identity {
    enum kgr_identity_kind kind;
    struct kgr_slice signing; /* TPMT_PUBLIC each */
    struct kgr_slice storage;
    struct kgr_slice ek;
    struct kgr_ac_grant grant; /* of a KS: for the AC that it obeys */
    struct kgr_slice host;     /* of a KS: of the broker */
    uint16_t port;             /* likewise */
    struct kgr_slice covered;
    const uint8_t *hash;
};

KGR_MUST_CHECK enum kgr_error kgr_identity_decode(struct kgr_identity *out, struct kgr_slice file);
KGR_MUST_CHECK enum kgr_error kgr_identity_encode(struct kgr_wr *wr, const struct kgr_identity *in);
