/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

/*
 * Why a TLS handshake of Paho's failed. Paho keeps OpenSSL's objects to itself and passes on neither the result of the
 * verification nor that the name did not fit. So we ask OpenSSL to tell us of every connection object that
 * is made and freed in this process. For diagnosis only: nothing is decided by it.
 */
/* kgr_tls_watch begins; call it once before any connection, and again as you like. */
void kgr_tls_watch(void);
/* kgr_tls_mark counts the connection objects made so far. */
unsigned long kgr_tls_mark(void);

enum kgr_tls_outcome {
    KGR_TLS_NONE,       /* no handshake began since mark */
    KGR_TLS_UNVERIFIED, /* the certificate was refused */
    KGR_TLS_OTHER,      /* something else is at fault, if anything */
};
/* kgr_tls_outcome tells of the last one freed since mark; *out_reason is a static text when UNVERIFIED. */
enum kgr_tls_outcome kgr_tls_outcome(unsigned long mark, const char **out_reason);
