/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/diag.h"

/*
 * A file that holds a password, a PIN or a private key, as a configuration names it: an absolute path, or `credential:NAME`, what
 * the service manager put into $CREDENTIALS_DIRECTORY (LoadCredential=, LoadCredentialEncrypted= of systemd).
 */
#define KGR_SECRET_FILE_RULE "must be an absolute path, or credential:NAME"

/* kgr_secret_file_is_named tells whether text is one of the two; what is there is not looked at. */
KGR_MUST_CHECK bool kgr_secret_file_is_named(const char *text);
/*
 * kgr_secret_file_open opens it for reading; *out_fd is the caller's. KGR_ERR_CONFIG with diag when it cannot be read, is no
 * regular file, belongs to another user than root and that of the process, or is open to others. A credential may be
 * readable by a group (systemd shows its access list so): its folder belongs to the service alone.
 */
KGR_MUST_CHECK enum kgr_error kgr_secret_file_open(int *out_fd, const char *name,
                                                   struct kgr_diag *diag);
