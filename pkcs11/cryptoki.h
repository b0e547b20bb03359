/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * PKCS#11 as every file of this folder sees it: NSS's headers for the types and prototypes, and the
 * few names of PKCS#11 3.0 that they lack. The prototypes are declared with default visibility, so
 * that the C_ functions, and nothing else, can leave the module.
 */
#pragma GCC visibility push(default)
#include <pkcs11.h>
#pragma GCC visibility pop

#ifndef CKM_AES_OFB
#define CKM_AES_OFB 0x00002104UL
#endif
#ifndef CKM_AES_CFB128
#define CKM_AES_CFB128 0x00002107UL
#endif
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x00000004UL
#endif
