/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cryptoki.h"

#include <kgr/client.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One encryption or decryption, in any split of its data. The IV travels with the operation, so the
 * agent keeps no state of it. Not thread-safe. Every output may be the place of its input.
 */
struct kgr_p11_cipher {
    struct kgr_client *client; /* borrowed */
    struct kgr_key key;        /* with its generation: renewal does not change keys under way */
    enum kgr_mode mode;
    bool encrypt;
    bool pad; /* PKCS#7, with CBC */
    uint8_t iv[KGR_BLOCK_LEN];
    /*
     * ECB and CBC: the part_len bytes of input that wait for the rest of their block.
     * CTR, CFB, OFB: the key stream of a block of which part_len bytes are spent (0: none).
     */
    uint8_t part[KGR_BLOCK_LEN];
    size_t part_len;
};

/* kgr_p11_cipher_init begins; iv may be NULL with ECB. */
void kgr_p11_cipher_init(struct kgr_p11_cipher *cipher, struct kgr_client *client,
                         const struct kgr_key *key, enum kgr_mode mode, bool pad, bool encrypt,
                         const uint8_t *iv);
void kgr_p11_cipher_deinit(struct kgr_p11_cipher *cipher);

/* kgr_p11_cipher_update_len is exactly what kgr_p11_cipher_update makes of in_len bytes. */
size_t kgr_p11_cipher_update_len(const struct kgr_p11_cipher *cipher, size_t in_len);
CK_RV kgr_p11_cipher_update(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                            uint8_t *out);

/*
 * kgr_p11_cipher_final ends the data. *out_len is the room in out, and on CKR_OK what was written.
 * CKR_BUFFER_TOO_SMALL changes nothing but *out_len: the room needed.
 */
CK_RV kgr_p11_cipher_final(struct kgr_p11_cipher *cipher, uint8_t *out, size_t *out_len);
/* kgr_p11_cipher_final_max bounds it from above. */
size_t kgr_p11_cipher_final_max(const struct kgr_p11_cipher *cipher);

/* kgr_p11_cipher_whole does it all at once; *out_len and CKR_BUFFER_TOO_SMALL as above. */
CK_RV kgr_p11_cipher_whole(struct kgr_p11_cipher *cipher, const uint8_t *in, size_t in_len,
                           uint8_t *out, size_t *out_len);
size_t kgr_p11_cipher_whole_max(const struct kgr_p11_cipher *cipher, size_t in_len);
