/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <kgr/client.h>

#include "agent/base/attr.h"

struct kgr_prov;

/*
 * Reasons on OpenSSL's error stack. Up to KGR_ERR_COUNT they are the numbers of enum kgr_error, for
 * what the agent or libkgr said; from 100 they are faults of the call that the provider found itself.
 */
enum kgr_prov_reason {
    KGR_PROV_R_NO_KEY = 100,
    KGR_PROV_R_NOT_A_HANDLE = 101,
    KGR_PROV_R_BAD_URI = 102,
    KGR_PROV_R_NO_IV = 103,
    KGR_PROV_R_IV_LENGTH = 104,
    KGR_PROV_R_KEY_LENGTH = 105,
    KGR_PROV_R_WRONG_SUITE = 106,
    KGR_PROV_R_FINAL_LENGTH = 107,
    KGR_PROV_R_BAD_DECRYPT = 108,
    KGR_PROV_R_BROKEN = 109,
    KGR_PROV_R_NOT_STARTED = 110,
    KGR_PROV_R_BAD_PARAMETER = 111,
    KGR_PROV_R_NO_COPY = 112,
    KGR_PROV_R_DIGEST = 113,
    KGR_PROV_R_NO_EXPORT = 114,
    KGR_PROV_R_TAG = 115,
    KGR_PROV_R_BAD_TAG = 116,
    KGR_PROV_R_ORDER = 117
};

/* kgr_prov_fill_reasons writes the list of reasons that OpenSSL asks for into prov. */
void kgr_prov_fill_reasons(struct kgr_prov *prov);

/*
 * kgr_prov_refuse puts a reason with a formatted text on the calling thread's error stack and
 * returns err. The text may name peers and sizes, never bytes of keys or data.
 */
#define kgr_prov_refuse(prov, err, reason, ...)                                                    \
    kgr_prov_raise((prov), __FILE_NAME__, __LINE__, __func__, (err), (int)(reason), __VA_ARGS__)

/*
 * kgr_prov_refused does the same for a call of libkgr that returned err: what is the key's URI or
 * another subject, NULL for none; the agent's own words follow it.
 */
#define kgr_prov_refused(prov, err, what)                                                          \
    kgr_prov_raise_refused((prov), __FILE_NAME__, __LINE__, __func__, (err), (what))

/* kgr_prov_no_memory is kgr_prov_refuse for an allocation that failed. */
#define kgr_prov_no_memory(prov)                                                                   \
    kgr_prov_refuse((prov), KGR_ERR_NO_MEMORY, KGR_ERR_NO_MEMORY, "%s", "out of memory")

enum kgr_error kgr_prov_raise(const struct kgr_prov *prov, const char *file, int line,
                              const char *func, enum kgr_error err, int reason, const char *fmt,
                              ...) KGR_PRINTF(7, 8);
enum kgr_error kgr_prov_raise_refused(const struct kgr_prov *prov, const char *file, int line,
                                      const char *func, enum kgr_error err, const char *what);
