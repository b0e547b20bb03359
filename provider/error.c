/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider/error.h"

#include "provider/provider.h"

#include <stdarg.h>
#include <stdint.h>

static const struct {
    enum kgr_prov_reason reason;
    const char *text;
} own_reasons[] = {
    {KGR_PROV_R_NO_KEY, "no key was named"},
    {KGR_PROV_R_NOT_A_HANDLE, "the key bytes are no handle of a kgr key"},
    {KGR_PROV_R_BAD_URI, "not a key URI"},
    {KGR_PROV_R_NO_IV, "no IV was given"},
    {KGR_PROV_R_IV_LENGTH, "wrong IV length"},
    {KGR_PROV_R_KEY_LENGTH, "the key length is fixed"},
    {KGR_PROV_R_WRONG_SUITE, "the key is of another suite"},
    {KGR_PROV_R_FINAL_LENGTH, "the data is no whole number of blocks"},
    {KGR_PROV_R_BAD_DECRYPT, "wrong padding: another key, another IV or damaged data"},
    {KGR_PROV_R_BROKEN, "an earlier step of this operation failed"},
    {KGR_PROV_R_NOT_STARTED, "the operation was not initialised"},
    {KGR_PROV_R_BAD_PARAMETER, "bad parameter"},
    {KGR_PROV_R_NO_COPY, "this operation cannot be copied any more"},
    {KGR_PROV_R_DIGEST, "the digest is set by the suite of the key"},
    {KGR_PROV_R_NO_EXPORT, "key bytes are never given out"},
    {KGR_PROV_R_TAG, "the tag is missing or of another length"},
    {KGR_PROV_R_BAD_TAG, "wrong tag: another key, IV or associated data, or damaged data"},
    {KGR_PROV_R_ORDER, "steps out of order"},
};

_Static_assert(KGR_ERR_COUNT + KGR_ARRAY_LEN(own_reasons) <= KGR_PROV_NUM_REASONS,
               "kgr_prov.reasons is too small");

/* OSSL_ITEM wants a pointer to what it never writes. */
static OSSL_ITEM reason_item(unsigned int id, const char *text)
{
    OSSL_ITEM item = {id, (void *)(uintptr_t)text};

    return item;
}

void kgr_prov_fill_reasons(struct kgr_prov *prov)
{
    size_t n = 0;

    for (unsigned int i = 1; i < KGR_ERR_COUNT; i++) {
        prov->reasons[n++] = reason_item(i, kgr_strerror((enum kgr_error)i));
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(own_reasons); i++) {
        prov->reasons[n++] = reason_item(own_reasons[i].reason, own_reasons[i].text);
    }
    prov->reasons[n] = reason_item(0, NULL);
}

enum kgr_error kgr_prov_raise(const struct kgr_prov *prov, const char *file, int line,
                              const char *func, enum kgr_error err, int reason, const char *fmt,
                              ...)
{
    va_list args;

    if (prov->new_error == NULL || prov->set_error_debug == NULL || prov->vset_error == NULL) {
        return err;
    }
    prov->new_error(prov->core);
    prov->set_error_debug(prov->core, file, line, func);
    va_start(args, fmt);
    prov->vset_error(prov->core, (uint32_t)reason, fmt, args);
    va_end(args);
    return err;
}

enum kgr_error kgr_prov_raise_refused(const struct kgr_prov *prov, const char *file, int line,
                                      const char *func, enum kgr_error err, const char *what)
{
    char words[KGR_DIAG_MAX];

    kgr_client_reason(words, sizeof(words));
    if (words[0] == '\0') {
        return kgr_prov_raise(prov, file, line, func, err, (int)err, "%s",
                              what != NULL ? what : "");
    }
    if (what == NULL) {
        return kgr_prov_raise(prov, file, line, func, err, (int)err, "%s", words);
    }
    return kgr_prov_raise(prov, file, line, func, err, (int)err, "%s: %s", what, words);
}
