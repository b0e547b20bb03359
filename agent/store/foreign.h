/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/store/db.h"

/*
 * kgr_db_open_foreign opens a database of another program beside that program: as it is, with its own journal, locked by SQLite
 * only while it is used; a lock of somebody else is waited for wait_ms. It must be there, and is checked as a whole:
 * KGR_ERR_CORRUPT. What is deleted is overwritten. Close it with kgr_db_close.
 */
KGR_MUST_CHECK enum kgr_error kgr_db_open_foreign(struct kgr_db **out, const char *path,
                                                  unsigned int wait_ms, struct kgr_diag *diag);
