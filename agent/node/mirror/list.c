/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/node/node.h"
#include "agent/node/store/mirror_rows.h"

#define WIPE_WAIT_MS 1000u /* for a store that another program has locked */

struct kgr_mirror *kgr_mirror_find(const struct kgr_mirrors *mirrors, const char *store,
                                   const char *token)
{
    for (struct kgr_mirror *mirror = mirrors->list; mirror != NULL; mirror = mirror->next)
        if (strcmp(mirror->store, store) == 0 && strcmp(mirror->token, token) == 0)
            return mirror;
    return NULL;
}

struct kgr_mirror *kgr_mirror_insert(struct kgr_mirrors *mirrors, const char *store,
                                     const char *token)
{
    struct kgr_mirror *mirror = calloc(1, sizeof(*mirror));
    struct kgr_mirror **link = &mirrors->list;

    if (mirror == NULL)
        return NULL;
    mirror->store = strdup(store);
    if (mirror->store == NULL) {
        free(mirror);
        return NULL;
    }
    (void)snprintf(mirror->token, sizeof(mirror->token), "%s", token);
    while (*link != NULL)
        link = &(*link)->next;
    *link = mirror;
    mirrors->num++;
    return mirror;
}

void kgr_mirror_drop(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror)
{
    struct kgr_mirror **link = &mirrors->list;

    while (*link != mirror)
        link = &(*link)->next;
    *link = mirror->next;
    mirrors->num--;
    free(mirror->store);
    free(mirror->peers);
    free(mirror->pin_file);
    free(mirror);
}

bool kgr_mirror_holds(const struct kgr_mirror *mirror, const struct kgr_nid *peer)
{
    for (size_t i = 0; i < mirror->num_peers; i++)
        if (kgr_nid_cmp(&mirror->peers[i], peer) == 0)
            return true;
    return mirror->num_peers == 0;
}

enum kgr_error kgr_mirror_add_peer(struct kgr_mirror *mirror, const struct kgr_nid *peer)
{
    struct kgr_nid *peers =
        realloc(mirror->peers, (mirror->num_peers + 1) * sizeof(struct kgr_nid));

    if (peers == NULL)
        return KGR_ERR_NO_MEMORY;
    mirror->peers = peers;
    mirror->peers[mirror->num_peers++] = *peer;
    return KGR_OK;
}

bool kgr_mirrors_cover(const struct kgr_mirrors *mirrors, const struct kgr_nid *peer)
{
    if (mirrors == NULL)
        return false;
    for (const struct kgr_mirror *mirror = mirrors->list; mirror != NULL; mirror = mirror->next)
        if (kgr_mirror_holds(mirror, peer))
            return true;
    return false;
}

/* What the database has of it */

static enum kgr_error put_rows(struct kgr_db *db, const struct kgr_mirror *mirror,
                               struct kgr_diag *diag)
{
    struct kgr_mirror_row row = {mirror->store, mirror->token, "", mirror->configured,
                                 kgr_slice(mirror->primary.bytes, mirror->primary.len)};
    enum kgr_error err = KGR_OK;

    if (mirror->num_peers == 0)
        return kgr_mirror_row_put(db, &row, diag);
    for (size_t i = 0; i < mirror->num_peers && err == KGR_OK; i++) {
        row.peer = mirror->peers[i].s;
        err = kgr_mirror_row_put(db, &row, diag);
    }
    return err;
}

/* save writes what the mirror is, or with gone that it is no more. */
enum kgr_error kgr_mirror_save(struct kgr_mirrors *mirrors, const struct kgr_mirror *mirror,
                               bool gone, struct kgr_diag *diag)
{
    struct kgr_db *db = mirrors->node->db;
    enum kgr_error err = kgr_db_begin(db, diag);

    if (err == KGR_OK)
        err = kgr_mirror_rows_erase(db, mirror->store, mirror->token, diag);
    if (err == KGR_OK && !gone)
        err = put_rows(db, mirror, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(db, diag);
    kgr_db_rollback(db);
    return err;
}

static enum kgr_error load_row(void *arg, const struct kgr_mirror_row *row, struct kgr_diag *diag)
{
    struct kgr_mirrors *mirrors = arg;
    struct kgr_mirror *mirror = kgr_mirror_find(mirrors, row->store, row->token);
    struct kgr_nid peer;
    enum kgr_error err = KGR_OK;

    if (row->primary.len > sizeof(mirror->primary.bytes))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: a mirror is damaged");
    if (mirror == NULL)
        mirror = kgr_mirror_insert(mirrors, row->store, row->token);
    if (mirror == NULL)
        return KGR_ERR_NO_MEMORY;
    if (row->peer[0] != '\0')
        err = kgr_nid_set(&peer, row->peer, strlen(row->peer));
    if (err == KGR_OK && row->peer[0] != '\0')
        err = kgr_mirror_add_peer(mirror, &peer);
    kgr_copy(mirror->primary.bytes, row->primary.p, row->primary.len);
    mirror->primary.len = row->primary.len;
    mirror->configured = row->configured;
    mirror->due = true;
    return err;
}

enum kgr_error kgr_mirror_load(struct kgr_mirrors *mirrors, struct kgr_diag *diag)
{
    return kgr_mirror_rows_each(mirrors->node->db, load_row, mirrors, diag);
}

static enum kgr_error wipe_row(void *arg, const struct kgr_mirror_row *row, struct kgr_diag *diag)
{
    struct kgr_mirror_job *job = calloc(1, sizeof(*job));
    struct kgr_diag why = {{0}};
    enum kgr_error err = KGR_ERR_NO_MEMORY;

    (void)arg;
    (void)diag;
    if (job == NULL)
        return err;
    job->what = KGR_MIRROR_REMOVE;
    job->wait_ms = WIPE_WAIT_MS;
    job->store = strdup(row->store);
    (void)snprintf(job->token, sizeof(job->token), "%s", row->token);
    if (row->primary.len <= sizeof(job->primary.bytes)) {
        kgr_copy(job->primary.bytes, row->primary.p, row->primary.len);
        job->primary.len = row->primary.len;
    }
    if (job->store != NULL)
        err = kgr_mirror_job_run(job, NULL, &why);
    if (err != KGR_OK) /* without the storage key it is of no use to anybody */
        kgr_warn("left_in_store", "store=\"%s\" token=\"%s\" reason=\"%s\"", row->store, row->token,
                 kgr_diag_text(&why, err));
    kgr_mirror_job_free(job);
    return KGR_OK;
}

void kgr_mirrors_wipe(struct kgr_db *db)
{
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_mirror_rows_each(db, wipe_row, NULL, &diag);

    if (err != KGR_OK)
        kgr_warn("left_in_store", "reason=\"%s\"", kgr_diag_text(&diag, err));
}
