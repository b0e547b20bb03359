/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A target with two faults, which scripts/fuzz requires to be found: a harness that cannot fail proves
 * nothing. The codecs under test are here:
 * - after the bytes "over" the decoder reads one byte behind its input (the sanitizers' business);
 * - after "trip" the encoder loses a bit (the property's).
 */
#include "tests/fuzz/harness.h"

struct message {
    uint8_t kind;
    uint8_t value;
};

static enum kgr_error decode(struct message *out, struct kgr_slice in)
{
    if (in.len != 5)
        return KGR_ERR_CORRUPT;
    if (memcmp(in.p, "over", 4) == 0) {
        const volatile uint8_t *p = in.p;

        out->kind = 'o';
        out->value = p[in.len];
        return KGR_ERR_CORRUPT;
    }
    if (memcmp(in.p, "trip", 4) == 0) {
        out->kind = 't';
        out->value = in.p[4];
        return KGR_OK;
    }
    return KGR_ERR_CORRUPT;
}

static enum kgr_error encode(struct kgr_wr *wr, const struct message *m)
{
    kgr_wr_bytes(wr, "trip", 4);
    kgr_wr_u8(wr, m->value & 0x7f);
    return KGR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_ROUND_TRIP(struct message, decode, encode, kgr_slice(data, size));
    return 0;
}
