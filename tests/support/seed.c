/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seed -c AGENT.CONF -n K [-p PREFIX] [-f FIRST]: gives the enrolled node of a stopped agent keys with K peers, named
 * PREFIX and a number of five digits (seed-00001 and on). The node's TPM really imports every key, as from a KS: in resident
 * custody the keys are born in it under the policy of the KS and duplicated to its storage key, in sealed custody random bytes are
 * wrapped to that in software. Nobody else holds them. A first peer that has a key already is an error.
 *
 * A running agent uses them while its KS names the peers: make them known there (kgr-ac node add PEER --peers NODE),
 * else the next synchronisation says they are not allowed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/daemon/lockfile.h"
#include "agent/node/node.h"
#include "agent/tpm/duplicate.h"
#include "agent/tpm/import.h"
#include "agent/tpm/wrap.h"

#define ARENA_BYTES 1048576u
#define LIFETIME_S  (30u * 86400u)
#define BATCH       100u /* peers in a transaction */

struct seed {
    struct kgr_node node;
    enum kgr_suite suite;
    struct kgr_tpm_newborn born[2];
    struct kgr_generation_row row;
    struct kgr_diag diag;
};

/* Bytes of a sealed key, in the arena. */
struct material {
    uint8_t key[KGR_HASH_MAX];
    uint8_t seed[KGR_TPM_HASH_LEN];
};

static enum kgr_error forge(struct seed *s, struct kgr_tpm_newborn *out, enum kgr_tpm_kind kind)
{
    size_t len =
        kind == KGR_TPM_ENC ? kgr_suite_enc_key_len(s->suite) : kgr_suite_mac_key_len(s->suite);
    struct material *m = kgr_secret_alloc(sizeof *m);
    enum kgr_error err;

    if (m == NULL)
        return KGR_ERR_NO_MEMORY;
    kgr_random(m, sizeof *m);
    const struct kgr_tpm_wrap wrap = {
        .suite = s->suite,
        .kind = kind,
        .form = KGR_TPM_DATA,
        .secret = kgr_slice(m->key, len),
        .seed = m->seed,
        .target = &s->node.anchor.storage_public,
    };

    err = kgr_tpm_wrap(&out->pub, &out->duplicates[0], &wrap);
    kgr_secret_free(m);
    return err;
}

static enum kgr_error make_keys(struct seed *s)
{
    const struct kgr_tpm_birth birth = {
        .parent = s->node.anchor.storage,
        .suite = s->suite,
        .num_targets = 1,
        .targets = {&s->node.anchor.storage_public},
    };
    enum kgr_error err;

    if (!s->node.custody.sealed)
        return kgr_tpm_give_birth(s->node.tpm, &s->born[0], &s->born[1], &birth, &s->diag);
    err = forge(s, &s->born[0], KGR_TPM_ENC);
    return err == KGR_OK ? forge(s, &s->born[1], KGR_TPM_MAC) : err;
}

static enum kgr_error import(struct seed *s, struct kgr_tpm_blob *out, enum kgr_tpm_kind kind,
                             const struct kgr_tpm_auth *auth)
{
    const struct kgr_tpm_newborn *born = &s->born[kind == KGR_TPM_ENC ? 0 : 1];
    const struct kgr_tpm_import in = {
        .parent = s->node.anchor.storage,
        .suite = s->suite,
        .kind = kind,
        .form = s->node.custody.sealed ? KGR_TPM_DATA : KGR_TPM_BORN,
        .pub = &born->pub,
        .duplicate = &born->duplicates[0],
        .auth = auth,
    };

    return kgr_tpm_import(s->node.tpm, out, &in, &s->diag);
}

static void describe(struct seed *s)
{
    struct kgr_exchange_offer *offer = &s->row.offer;

    memset(offer, 0, sizeof *offer);
    offer->generation = 1;
    offer->lifetime_s = LIFETIME_S;
    offer->suite = (uint8_t)s->suite;
    offer->custody = s->node.custody.sealed ? KGR_WIRE_SEALED : KGR_WIRE_RESIDENT;
    offer->requester = true;
    kgr_random(offer->xid, sizeof offer->xid);
    kgr_random(offer->pxid, sizeof offer->pxid);
    kgr_random(offer->iv, sizeof offer->iv);
    kgr_random(offer->topic_own, sizeof offer->topic_own);
    kgr_random(offer->topic_peer, sizeof offer->topic_peer);
}

static enum kgr_error seed_one(struct seed *s, const struct kgr_nid *peer)
{
    struct kgr_pair_row pair = {.status = KGR_PAIR_ALLOWED};
    struct kgr_tpm_auth *auth_enc = NULL, *auth_mac = NULL;
    enum kgr_error err = make_keys(s);

    memset(&s->row, 0, sizeof s->row);
    s->row.peer = *peer;
    s->row.place = KGR_RING_CURRENT;
    describe(s);
    if (err == KGR_OK)
        err = kgr_pair_auths(&s->node.anchor, peer, 1, &auth_enc, &auth_mac);
    if (err == KGR_OK)
        err = import(s, &s->row.blobs.enc, KGR_TPM_ENC, auth_enc);
    if (err == KGR_OK)
        err = import(s, &s->row.blobs.mac, KGR_TPM_MAC, auth_mac);
    kgr_secret_free(auth_enc);
    kgr_secret_free(auth_mac);
    pair.state.self = s->node.self;
    pair.state.peer = *peer;
    pair.state.current = s->row.offer;
    pair.state.highest = 1;
    if (err == KGR_OK)
        err = kgr_pair_save(s->node.db, &pair, &s->diag);
    return err == KGR_OK ? kgr_generation_insert(s->node.db, &s->row, &s->diag) : err;
}

struct find {
    const struct kgr_nid *peer;
    bool found;
};

static enum kgr_error has_key(void *arg, const struct kgr_pair_row *row, struct kgr_diag *diag)
{
    struct find *find = arg;

    (void)diag;
    find->found = find->found || (kgr_nid_cmp(&row->state.peer, find->peer) == 0 &&
                                  row->state.current.generation != 0);
    return KGR_OK;
}

static enum kgr_error seed_all(struct seed *s, const char *prefix, unsigned first, unsigned num)
{
    enum kgr_error err = kgr_db_begin(s->node.db, &s->diag);

    for (unsigned i = first; i < first + num && err == KGR_OK; i++) {
        char name[KGR_NID_MAX + 16];
        struct kgr_nid peer;
        struct find find = {&peer, false};
        int len = snprintf(name, sizeof name, "%s%05u", prefix, i);

        err = kgr_nid_set(&peer, name, (size_t)len);
        if (err == KGR_OK && i == first) /* those of one run stand together */
            err = kgr_pair_each(s->node.db, has_key, &find, &s->diag);
        if (err == KGR_OK && find.found)
            err =
                kgr_diag_set(&s->diag, KGR_ERR_EXISTS, "%s has a key already: use -f or -p", name);
        if (err == KGR_OK)
            err = seed_one(s, &peer);
        if (err == KGR_OK && (i - first) % BATCH == BATCH - 1)
            err = kgr_db_commit(s->node.db, &s->diag);
        if (err == KGR_OK && (i - first) % BATCH == BATCH - 1)
            err = kgr_db_begin(s->node.db, &s->diag);
    }
    if (err == KGR_OK)
        return kgr_db_commit(s->node.db, &s->diag);
    kgr_db_rollback(s->node.db);
    return err;
}

static enum kgr_error run(struct seed *s, const struct kgr_settings *settings, const char *prefix,
                          unsigned first, unsigned num)
{
    struct kgr_lockfile lock;
    enum kgr_error err = kgr_lockfile_take(&lock, settings->state, false, &s->diag);

    if (err != KGR_OK)
        return err;
    err = kgr_node_open(&s->node, settings, true, &s->diag);
    if (err == KGR_OK)
        err = kgr_node_load_identity(&s->node, &s->diag);
    s->suite = kgr_custody_best(s->node.custody.suites);
    if (err == KGR_OK)
        err = seed_all(s, prefix, first, num);
    kgr_node_close(&s->node);
    kgr_lockfile_release(&lock);
    return err;
}

static unsigned number(const char *text)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);

    return *end != '\0' || n > KGR_PAIRS_MAX ? 0 : (unsigned)n;
}

int main(int argc, char **argv)
{
    const char *config = NULL, *prefix = "seed-";
    unsigned num = 0, first = 1;
    struct kgr_settings settings = {0};
    struct seed *s = calloc(1, sizeof *s);
    enum kgr_error err;
    int c;

    while ((c = getopt(argc, argv, "c:n:p:f:")) != -1) {
        if (c == 'c')
            config = optarg;
        else if (c == 'n')
            num = number(optarg);
        else if (c == 'p')
            prefix = optarg;
        else if (c == 'f')
            first = number(optarg);
    }
    if (s == NULL || config == NULL || num == 0 || first == 0 || optind != argc) {
        fprintf(stderr, "usage: seed -c AGENT.CONF -n PEERS [-p PREFIX] [-f FIRST]\n");
        free(s);
        return 2;
    }
    err = kgr_arena_init(ARENA_BYTES);
    if (err == KGR_OK)
        err = kgr_settings_load(&settings, config, &s->diag);
    if (err == KGR_OK)
        err = run(s, &settings, prefix, first, num);
    if (err != KGR_OK)
        fprintf(stderr, "seed: %s\n", kgr_diag_text(&s->diag, err));
    else
        printf("%u peers have keys, from %s%05u on\n", num, prefix, first);
    kgr_settings_deinit(&settings);
    free(s);
    kgr_arena_deinit();
    return kgr_exit_code(err);
}
