/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * What libkgr-pkcs11.so has beyond PKCS#11 3.0. Include any PKCS#11 header first: of it only the
 * _VENDOR_DEFINED numbers are used here.
 *
 * Attributes. Every key object has these attributes. They can be read and searched for, never set. Numbers
 * (CK_ULONG) have the meaning of the enums in <kgr/client.h>; text has no terminating NUL.
 */
#define CKA_KGR (CKA_VENDOR_DEFINED | 0x4B475200UL) /* "KGR" */

#define CKA_KGR_NODE          (CKA_KGR | 0x01UL) /* text: N_ID of this node, whole */
#define CKA_KGR_PEER          (CKA_KGR | 0x02UL) /* text: N_ID of the peer */
#define CKA_KGR_GENERATION    (CKA_KGR | 0x03UL) /* CK_ULONG: 1 or more */
#define CKA_KGR_SUITE         (CKA_KGR | 0x04UL) /* CK_ULONG: enum kgr_suite_id */
#define CKA_KGR_CUSTODY       (CKA_KGR | 0x05UL) /* CK_ULONG: enum kgr_custody */
#define CKA_KGR_STATE         (CKA_KGR | 0x06UL) /* CK_ULONG: enum kgr_pair_state */
#define CKA_KGR_IV            (CKA_KGR | 0x07UL) /* 16 bytes, delivered with the key */
#define CKA_KGR_RECEIVE_TOPIC (CKA_KGR | 0x08UL) /* text: MQTT topic on which this node listens */
#define CKA_KGR_SEND_TOPIC    (CKA_KGR | 0x09UL) /* text: MQTT topic on which the peer listens */

/*
 * Mechanism of C_MessageEncrypt* and C_MessageDecrypt*, with the cipher key of a peer and no
 * parameter: every message becomes one record of docs/protocol.md, and back. The agent chooses the
 * generation, keeps the sequence numbers and refuses replays. The parameter of a message is NULL or a
 * CK_ULONG of the flags below; its associated data is part of what is authenticated. The room for the
 * result must be that which a call with NULL tells.
 */
#define CKM_KGR_RECORD (CKM_VENDOR_DEFINED | 0x4B475201UL)
#define CKF_KGR_STORED 0x01UL /* the record may be opened more than once, by whoever says so too */

/* Why a record was refused, where the standard has no word for it. */
#define CKR_KGR_REPLAY  (CKR_VENDOR_DEFINED | 0x4B475201UL) /* it was opened before */
#define CKR_KGR_EXPIRED (CKR_VENDOR_DEFINED | 0x4B475202UL) /* its key is past its lifetime */
#define CKR_KGR_REVOKED (CKR_VENDOR_DEFINED | 0x4B475203UL) /* the pair or its peer was revoked */
