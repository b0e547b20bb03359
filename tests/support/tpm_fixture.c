/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/tpm_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

#include "agent/base/secret.h"
#include "agent/tpm/object.h"
#include "agent/tpm/session.h"

static void must(enum kgr_error err, const char *what, const struct kgr_diag *diag)
{
    if (err == KGR_OK)
        return;
    (void)fprintf(stderr, "tpm_fixture: %s: %s\n", what, kgr_diag_text(diag, err));
    exit(1);
}

struct kgr_tpm_auth *tpm_fixture_auth(uint8_t fill)
{
    struct kgr_tpm_auth *auth = kgr_secret_alloc(sizeof(*auth));
    struct kgr_diag diag = {.text = ""};

    must(auth == NULL ? KGR_ERR_NO_MEMORY : KGR_OK, "arena", &diag);
    auth->len = KGR_TPM_AUTH_MAX;
    memset(auth->bytes, fill, sizeof(auth->bytes));
    return auth;
}

void tpm_fixture_start(struct tpm_fixture *f)
{
    struct kgr_diag diag = {.text = ""};
    struct kgr_tpm_object srk;
    struct kgr_tpm_public pub;

    memset(f, 0, sizeof(*f));
    swtpm_start(&f->swtpm);
    f->auth = tpm_fixture_auth(0x5a);
    must(kgr_tpm_open(&f->tpm, f->swtpm.tcti, &diag), "open", &diag);
    must(kgr_tpm_srk(f->tpm, &srk, &pub, &diag), "srk", &diag);
    must(kgr_tpm_session_start(f->tpm, &srk, &diag), "session", &diag);
    must(kgr_tpm_create_storage(f->tpm, &f->storage, &f->storage_pub, &srk, KGR_TPM_FIRST_HANDLE,
                                KGR_SUITE_AES128_SHA256, f->auth, &diag),
         "storage key", &diag);
    kgr_tpm_release(f->tpm, &srk);
    must(kgr_tpm_session_start(f->tpm, &f->storage, &diag), "session", &diag);
}

void tpm_fixture_stop(struct tpm_fixture *f)
{
    kgr_tpm_close(f->tpm);
    kgr_secret_free(f->auth);
    swtpm_stop(&f->swtpm);
    memset(f, 0, sizeof(*f));
}

unsigned int tpm_fixture_loaded(const struct tpm_fixture *f, uint32_t first)
{
    const struct kgr_diag diag = {.text = "asking for the handles"};
    TSS2_TCTI_CONTEXT *tcti = NULL;
    TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
    size_t len = Tss2_Sys_GetContextSize(0);
    TSS2_SYS_CONTEXT *sys = calloc(1, len);
    TPMS_CAPABILITY_DATA data = {.capability = 0};
    TPMI_YES_NO more;
    bool ok =
        sys != NULL && Tss2_TctiLdr_Initialize(f->swtpm.tcti, &tcti) == 0 &&
        Tss2_Sys_Initialize(sys, len, tcti, &abi) == 0 &&
        Tss2_Sys_GetCapability(sys, NULL, TPM2_CAP_HANDLES, first, 16, &more, &data, NULL) == 0;

    must(ok ? KGR_OK : KGR_ERR_TPM, "capability", &diag);
    Tss2_Sys_Finalize(sys);
    free(sys);
    Tss2_TctiLdr_Finalize(&tcti);
    return data.data.handles.count;
}
