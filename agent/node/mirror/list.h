/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/mirror/mirror.h"

/* The mirrors that there are, in memory and in the database. For the files of this room. */
struct kgr_mirror *kgr_mirror_find(const struct kgr_mirrors *mirrors, const char *store,
                                   const char *token);
/* kgr_mirror_insert makes one, of all peers; NULL: no memory. kgr_mirror_drop frees it. */
struct kgr_mirror *kgr_mirror_insert(struct kgr_mirrors *mirrors, const char *store,
                                     const char *token);
void kgr_mirror_drop(struct kgr_mirrors *mirrors, struct kgr_mirror *mirror);
/* kgr_mirror_holds: a mirror without peers is one of all. */
bool kgr_mirror_holds(const struct kgr_mirror *mirror, const struct kgr_nid *peer);
KGR_MUST_CHECK enum kgr_error kgr_mirror_add_peer(struct kgr_mirror *mirror,
                                                  const struct kgr_nid *peer);
/* kgr_mirror_save writes what the mirror is, or with gone that it is no more. */
KGR_MUST_CHECK enum kgr_error kgr_mirror_save(struct kgr_mirrors *mirrors,
                                              const struct kgr_mirror *mirror, bool gone,
                                              struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_mirror_load(struct kgr_mirrors *mirrors, struct kgr_diag *diag);
