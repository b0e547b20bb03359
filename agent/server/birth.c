/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth.h"

#include <stdlib.h>

#include "agent/server/source.h"
#include "agent/tpm/random.h"
#include "agent/wire/common.h"

static void write_object(struct kgr_wr *wr, const struct kgr_tpm_newborn *born, size_t side)
{
    const struct kgr_tpm_duplicate *d = &born->duplicates[side];
    struct kgr_wire_object object = {
        .pub = kgr_slice(born->pub.bytes, born->pub.len),
        .duplicate = kgr_slice(d->bytes, d->len),
        .seed = kgr_slice(d->seed, d->seed_len),
    };

    kgr_wire_write_object(wr, &object);
}

enum kgr_error kgr_ks_birth_run(struct kgr_ks_birth *birth, const struct kgr_ks_identity *id,
                                struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_newborn *born = calloc(2, sizeof *born); /* NNSK, NNSKsign */
    struct kgr_tpm_birth args = {
        .parent = &id->storage,
        .suite = birth->suite,
        .num_targets = 2,
        .targets = {&birth->targets[0], &birth->targets[1]},
    };
    enum kgr_error err;

    if (born == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_tpm_random(tpm, birth->iv, sizeof birth->iv, diag);
    if (err == KGR_OK)
        err = kgr_source_birth(tpm, &born[0], &born[1], &args, diag);
    for (size_t side = 0; side < 2 && err == KGR_OK; side++) {
        struct kgr_wr wr;

        kgr_wr_init(&wr, birth->objects[side], sizeof birth->objects[side]);
        write_object(&wr, &born[0], side);
        write_object(&wr, &born[1], side);
        err = kgr_wr_ok(&wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
        birth->objects_len[side] = wr.len;
    }
    free(born);
    return err;
}
