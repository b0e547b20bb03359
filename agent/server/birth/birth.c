/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/birth/birth.h"

#include <stdlib.h>

#include "agent/server/birth/custody.h"
#include "agent/server/birth/forge.h"
#include "agent/server/birth/source.h"
#include "agent/tpm/random.h"
#include "agent/wire/common.h"

static void write_object(struct kgr_wr *wr, const struct kgr_tpm_public *pub,
                         const struct kgr_tpm_duplicate *d)
{
    struct kgr_wire_object object = {
        .pub = kgr_slice(pub->bytes, pub->len),
        .duplicate = kgr_slice(d->bytes, d->len),
        .seed = kgr_slice(d->seed, d->seed_len),
    };

    kgr_wire_write_object(wr, &object);
}

static enum kgr_error write_side(struct kgr_ks_birth *birth, size_t side,
                                 const struct kgr_tpm_public *const *pubs,
                                 const struct kgr_tpm_duplicate *const *duplicates)
{
    struct kgr_wr wr;

    kgr_wr_init(&wr, birth->objects[side], sizeof birth->objects[side]);
    for (size_t i = 0; i < 2; i++)
        write_object(&wr, pubs[i], duplicates[i]);
    birth->objects_len[side] = wr.len;
    return kgr_wr_ok(&wr) ? KGR_OK : KGR_ERR_TOO_LARGE;
}

/* A resident pair: no byte of its keys is ever here. */
static enum kgr_error give_birth(struct kgr_ks_birth *birth, const struct kgr_ks_identity *id,
                                 struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_tpm_newborn *born = calloc(2, sizeof *born); /* NNSK, NNSKsign */
    struct kgr_tpm_birth args = {
        .parent = &id->storage,
        .suite = birth->suite,
        .num_targets = 2,
        .targets = {&birth->targets[0], &birth->targets[1]},
    };
    enum kgr_error err = born == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_source_birth(tpm, &born[0], &born[1], &args, diag);
    for (size_t side = 0; side < 2 && err == KGR_OK; side++) {
        const struct kgr_tpm_public *pubs[] = {&born[0].pub, &born[1].pub};
        const struct kgr_tpm_duplicate *duplicates[] = {&born[0].duplicates[side],
                                                        &born[1].duplicates[side]};

        err = write_side(birth, side, pubs, duplicates);
    }
    free(born);
    return err;
}

static enum kgr_error forge(struct kgr_ks_birth *birth, struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    struct kgr_ks_parcel *parcels = calloc(2, sizeof *parcels);
    struct kgr_ks_end ends[2];
    enum kgr_error err = parcels == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    for (size_t side = 0; side < 2; side++)
        ends[side] = (struct kgr_ks_end){
            .storage = birth->targets[side],
            .form = kgr_ks_form(birth->custody, birth->custodies[side]),
        };
    if (err == KGR_OK)
        err = kgr_ks_forge(parcels, ends, 2, birth->suite, tpm, diag);
    for (size_t side = 0; side < 2 && err == KGR_OK; side++) {
        const struct kgr_tpm_public *pubs[] = {&parcels[side].enc_pub, &parcels[side].mac_pub};
        const struct kgr_tpm_duplicate *duplicates[] = {&parcels[side].enc, &parcels[side].mac};

        err = write_side(birth, side, pubs, duplicates);
    }
    free(parcels);
    return err;
}

enum kgr_error kgr_ks_birth_run(struct kgr_ks_birth *birth, const struct kgr_ks_identity *id,
                                struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_tpm_random(tpm, birth->iv, sizeof birth->iv, diag);

    if (err != KGR_OK)
        return err;
    return kgr_ks_form(birth->custody, 0) == KGR_TPM_BORN ? give_birth(birth, id, tpm, diag)
                                                          : forge(birth, tpm, diag);
}
