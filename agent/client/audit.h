/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/buf.h"
#include "agent/wire/body_audit.h"

/* The agent's audit log, page by page. For kgrctl; no part of libkgr. */
struct kgr_audit_page {
    uint8_t pub[KGR_WIRE_PUBLIC_MAX]; /* area of the key that signs it */
    size_t pub_len;                   /* 0: none */
    struct kgr_audit_head head;
};

/*
 * kgr_get_audit asks for records from `from` on, with a head signed first if sign; the bytes of head.num entries go to wr.
 * KGR_ERR_TOO_LARGE when wr is full.
 */
KGR_MUST_CHECK enum kgr_error kgr_get_audit(struct kgr_client *client, uint64_t from, bool sign,
                                            struct kgr_audit_page *out, struct kgr_wr *wr);
