/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/access.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/secret.h"
#include "agent/base/secret_file.h"
#include "agent/tpm/context.h"
#include "agent/tpm/tpm.h"

#define RANGE_FIRST 0x81000000ul
#define RANGE_LAST  0x817ffffful /* above: the platform's */

/* Straight into the arena. */
static enum kgr_error read_password(struct kgr_tpm_auth *auth, int fd, const char *path,
                                    struct kgr_diag *diag)
{
    const size_t cap =
        KGR_TPM_AUTH_MAX + 2; /* a newline, and one more to see that it is too long */
    uint8_t *bytes = kgr_secret_alloc(cap);
    enum kgr_error err = KGR_OK;
    ssize_t n;

    if (bytes == NULL)
        return KGR_ERR_NO_MEMORY;
    n = read(fd, bytes, cap);
    if (n > 0 && bytes[n - 1] == '\n')
        n--;
    if (n < 1 || n > KGR_TPM_AUTH_MAX) {
        err = kgr_diag_set(diag, KGR_ERR_CONFIG, "%s: a password has 1 to %d bytes", path,
                           KGR_TPM_AUTH_MAX);
    } else {
        auth->len = (uint8_t)n;
        memcpy(auth->bytes, bytes, (size_t)n);
    }
    kgr_secret_free(bytes);
    return err;
}

static enum kgr_error load(struct kgr_tpm *tpm, enum kgr_tpm_hierarchy hierarchy, const char *path,
                           struct kgr_diag *diag)
{
    struct kgr_tpm_auth *auth = &tpm->own_auth[hierarchy];
    enum kgr_error err;
    int fd = -1;

    if (path == NULL)
        return KGR_OK;
    err = kgr_secret_file_open(&fd, path, diag);
    if (err != KGR_OK)
        return err;
    err = read_password(auth, fd, path, diag);
    (void)close(fd); /* only read */
    if (err == KGR_OK)
        kgr_tpm_set_hierarchy_auth(tpm, hierarchy, auth);
    return err;
}

static enum kgr_error set_range(struct kgr_tpm *tpm, const char *text, struct kgr_diag *diag)
{
    unsigned long first, last;
    char *end;

    if (text == NULL)
        return KGR_OK;
    first = strtoul(text, &end, 16);
    last = *end == '-' ? strtoul(end + 1, &end, 16) : 0;
    if (*end != '\0' || first < RANGE_FIRST || last > RANGE_LAST || first > last)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "tpm.handles is '%s', and not FIRST-LAST within 0x81000000-0x817fffff",
                            text);
    tpm->first_handle = (TPM2_HANDLE)first;
    tpm->last_handle = (TPM2_HANDLE)last;
    return KGR_OK;
}

enum kgr_error kgr_tpm_open_as(struct kgr_tpm **out, const struct kgr_tpm_access *access,
                               struct kgr_diag *diag)
{
    struct kgr_tpm *tpm = NULL;
    enum kgr_error err = kgr_tpm_open(&tpm, access->tcti, diag);

    if (err == KGR_OK)
        err = load(tpm, KGR_TPM_OWNER, access->owner_auth_file, diag);
    if (err == KGR_OK)
        err = load(tpm, KGR_TPM_ENDORSEMENT, access->endorsement_auth_file, diag);
    if (err == KGR_OK)
        err = set_range(tpm, access->handles, diag);
    if (err != KGR_OK) {
        kgr_tpm_close(tpm);
        return err;
    }
    *out = tpm;
    return KGR_OK;
}
