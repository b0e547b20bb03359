/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

/* OpenSSL's OSSL_LIB_CTX, without its header. */
struct ossl_lib_ctx_st;

/*
 * kgr_crypto_library returns this process's private library context of libcrypto, or NULL when it
 * cannot be made. It has the default provider alone and reads no openssl.cnf: what the machine
 * configures for its applications, our own provider included, must not reach into the daemons.
 * Thread-safe; lives as long as the process.
 */
struct ossl_lib_ctx_st *kgr_crypto_library(void);

/*
 * kgr_crypto_in_arena: what libcrypto allocates on this thread between true and false stands in the arena until it is
 * freed, on whichever thread. For contexts that hold a key schedule longer than a call lasts.
 */
void kgr_crypto_in_arena(bool on);
