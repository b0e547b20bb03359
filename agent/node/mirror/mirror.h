/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/node/mirror/job.h"

struct kgr_db;
struct kgr_node;

/*
 * The mirrors of a node (docs/tpm2-pkcs11.md): tokens of tpm2-pkcs11 over the node's TPM in which its resident keys stand too. The
 * database says which there are; what must stand in each follows from the keys, and is brought about after every change of
 * theirs, one visit at a time. On the loop.
 */
#define KGR_MIRRORS_MAX      64
#define KGR_MIRROR_STORE_MAX 1000

struct kgr_mirror {
    struct kgr_mirror *next;
    char *store; /* folder, owned */
    char token[33];
    struct kgr_mirror_primary
        primary;           /* below which the token was made; none: it is yet to be made */
    struct kgr_nid *peers; /* owned */
    size_t num_peers;      /* 0: all */
    bool configured;
    bool wanted;        /* configured, and still is */
    char *pin_file;     /* configured; owned */
    bool due;           /* to be visited */
    uint64_t retry_ms;  /* not before; 0: at once, UINT64_MAX: not until something changes */
    uint32_t objects;   /* that stand in the token */
    enum kgr_error err; /* of the last visit */
    char reason[200];
};

struct kgr_mirrors {
    struct kgr_node *node; /* borrowed */
    struct kgr_mirror *list;
    size_t num;
    bool busy;   /* a visit is under way */
    bool ending; /* after it every token goes */
};

/* kgr_mirrors_new loads them, and plans what the configuration wants. */
KGR_MUST_CHECK enum kgr_error kgr_mirrors_new(struct kgr_mirrors **out, struct kgr_node *node,
                                              struct kgr_diag *diag);
/* kgr_mirrors_free after the worker has ended; accepts NULL, as all that follow. */
void kgr_mirrors_free(struct kgr_mirrors *mirrors);
/* kgr_mirrors_changed: a pair or its keys did. */
void kgr_mirrors_changed(struct kgr_mirrors *mirrors);
uint64_t kgr_mirrors_deadline(const struct kgr_mirrors *mirrors);
void kgr_mirrors_on_timer(struct kgr_mirrors *mirrors, uint64_t now_ms);
/* kgr_mirrors_end removes every token: the node was revoked. At once, without the worker. */
void kgr_mirrors_end(struct kgr_mirrors *mirrors);
/* kgr_mirrors_wipe removes the tokens that the database of a stopped node names; what cannot be removed is logged. */
void kgr_mirrors_wipe(struct kgr_db *db);
/* kgr_mirrors_cover tells whether a mirror is to hold the keys with peer. */
bool kgr_mirrors_cover(const struct kgr_mirrors *mirrors, const struct kgr_nid *peer);

/*
 * kgr_mirrors_add and kgr_mirrors_remove begin what an operator wants; done is called later, once, if they return KGR_OK. peer NULL:
 * all peers. KGR_ERR_BUSY while another visit is under way; UNSUPPORTED for keys that are not resident; UNKNOWN_PEER, REVOKED,
 * EXISTS, QUOTA; NO_KEY (remove) when there is no such mirror, STATE when the configuration has it.
 */
typedef void kgr_mirror_done(void *arg, enum kgr_error err, const struct kgr_diag *diag);
struct kgr_mirror_wish {
    const char *store; /* folder, absolute */
    const char *token;
    const struct kgr_nid *peer;
    struct kgr_slice pin; /* add; copied into the arena */
    kgr_mirror_done *done;
    void *arg;
};
KGR_MUST_CHECK enum kgr_error kgr_mirrors_add(struct kgr_mirrors *mirrors,
                                              const struct kgr_mirror_wish *wish,
                                              struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_mirrors_remove(struct kgr_mirrors *mirrors,
                                                 const struct kgr_mirror_wish *wish,
                                                 struct kgr_diag *diag);
