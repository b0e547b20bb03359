/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* OpenSSL's OSSL_LIB_CTX, without its header. */
struct ossl_lib_ctx_st;

/*
 * kgr_crypto_library returns this process's private library context of libcrypto, or NULL when it
 * cannot be made. It has the default provider alone and reads no openssl.cnf: what the machine
 * configures for its applications, our own provider included, must not reach into the daemons.
 * Thread-safe; lives as long as the process.
 */
struct ossl_lib_ctx_st *kgr_crypto_library(void);
