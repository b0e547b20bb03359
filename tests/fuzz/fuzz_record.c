/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Target: kgr_record_decode. Input: a record.
 * Property: what is accepted encodes to the same bytes.
 */
#include "agent/wire/record.h"

#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[FUZZ_CAP];
    struct kgr_slice in = kgr_slice(data, size);
    struct kgr_record r;
    struct kgr_wr wr;

    if (size > sizeof(bytes) || kgr_record_decode(&r, in) != KGR_OK)
        return 0;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    fuzz_check(kgr_record_header_encode(&wr, &r.header) == KGR_OK);
    kgr_wr_bytes(&wr, r.iv, KGR_IV_LEN);
    kgr_wr_bytes(&wr, r.body.p, r.body.len);
    kgr_wr_bytes(&wr, r.tag.p, r.tag.len);
    fuzz_same(&wr, in);
    fuzz_check(kgr_record_len((enum kgr_suite)r.header.suite, r.body.len - 1) == size);
    return 0;
}
