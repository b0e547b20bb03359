/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

#include <kgr/error.h>

/*
 * Where KGR's errors become CK_RVs. Four tables, because the standard gives one cause different
 * codes in different functions. All are pure and thread-safe.
 */

/* kgr_p11_rv: of a function that uses a session or a running operation. */
CK_RV kgr_p11_rv(enum kgr_error err);
/* kgr_p11_rv_key: of a function that was given a key's handle. */
CK_RV kgr_p11_rv_key(enum kgr_error err);
/* kgr_p11_rv_slot: of a function that was given a slot. */
CK_RV kgr_p11_rv_slot(enum kgr_error err);
/* kgr_p11_rv_record: of what was wrong with a record (CKR_KGR_* of <kgr/pkcs11.h> among them). */
CK_RV kgr_p11_rv_record(enum kgr_error err);

/* kgr_p11_rv_name returns "CKR_OK" and so on for the codes that this module uses, else "CKR_?". */
const char *kgr_p11_rv_name(CK_RV rv);
