/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/translate.h"

#include "agent/base/attr.h"

#include <kgr/pkcs11.h>

CK_RV kgr_p11_rv(enum kgr_error err)
{
    switch (err) {
    case KGR_OK:
        return CKR_OK;
    case KGR_ERR_NO_MEMORY:
        return CKR_HOST_MEMORY;
    case KGR_ERR_NO_AGENT:
        return CKR_DEVICE_REMOVED;
    case KGR_ERR_QUOTA:
        return CKR_DEVICE_MEMORY;
    case KGR_ERR_ACCESS:
        return CKR_FUNCTION_REJECTED;
    case KGR_ERR_INVALID:
        /* The lengths are checked on our side: what is left are the contents. */
        return CKR_DATA_INVALID;
    case KGR_ERR_TOO_LARGE:
        return CKR_DATA_LEN_RANGE;
    case KGR_ERR_TPM:
    case KGR_ERR_IO:
    case KGR_ERR_TIMEOUT:
    case KGR_ERR_CORRUPT:
    case KGR_ERR_VERSION:
        return CKR_DEVICE_ERROR;
    default:
        return CKR_FUNCTION_FAILED;
    }
}

CK_RV kgr_p11_rv_key(enum kgr_error err)
{
    switch (err) {
    case KGR_ERR_UNKNOWN_PEER:
    case KGR_ERR_NO_KEY:
    case KGR_ERR_REVOKED:
    case KGR_ERR_EXPIRED:
        return CKR_KEY_HANDLE_INVALID;
    case KGR_ERR_NOT_AUTHORIZED:
    case KGR_ERR_BUDGET:
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    case KGR_ERR_UNSUPPORTED:
        return CKR_MECHANISM_INVALID;
    case KGR_ERR_INVALID:
        return CKR_FUNCTION_FAILED;
    default:
        return kgr_p11_rv(err);
    }
}

CK_RV kgr_p11_rv_slot(enum kgr_error err)
{
    switch (err) {
    case KGR_ERR_NO_AGENT:
    case KGR_ERR_TIMEOUT:
        return CKR_TOKEN_NOT_PRESENT;
    case KGR_ERR_VERSION:
    case KGR_ERR_CORRUPT:
        return CKR_TOKEN_NOT_RECOGNIZED;
    case KGR_ERR_INVALID:
        return CKR_FUNCTION_FAILED;
    default:
        return kgr_p11_rv(err);
    }
}

CK_RV kgr_p11_rv_record(enum kgr_error err)
{
    switch (err) {
    case KGR_ERR_CORRUPT:
    case KGR_ERR_UNKNOWN_PEER:
    case KGR_ERR_NO_KEY:
        return CKR_ENCRYPTED_DATA_INVALID; /* forged, of somebody else, or under a key long gone */
    case KGR_ERR_REPLAY:
        return CKR_KGR_REPLAY;
    case KGR_ERR_EXPIRED:
        return CKR_KGR_EXPIRED;
    case KGR_ERR_REVOKED:
        return CKR_KGR_REVOKED;
    case KGR_ERR_TOO_LARGE:
        return CKR_ENCRYPTED_DATA_LEN_RANGE;
    default:
        return kgr_p11_rv(err);
    }
}

#define NAME(code)                                                                                 \
    {                                                                                              \
        code, #code                                                                                \
    }

static const struct {
    CK_RV rv;
    const char *name;
} names[] = {
    NAME(CKR_OK),
    NAME(CKR_HOST_MEMORY),
    NAME(CKR_SLOT_ID_INVALID),
    NAME(CKR_GENERAL_ERROR),
    NAME(CKR_FUNCTION_FAILED),
    NAME(CKR_ARGUMENTS_BAD),
    NAME(CKR_NO_EVENT),
    NAME(CKR_CANT_LOCK),
    NAME(CKR_ATTRIBUTE_SENSITIVE),
    NAME(CKR_ATTRIBUTE_TYPE_INVALID),
    NAME(CKR_ACTION_PROHIBITED),
    NAME(CKR_DATA_INVALID),
    NAME(CKR_DATA_LEN_RANGE),
    NAME(CKR_DEVICE_ERROR),
    NAME(CKR_DEVICE_MEMORY),
    NAME(CKR_DEVICE_REMOVED),
    NAME(CKR_ENCRYPTED_DATA_INVALID),
    NAME(CKR_ENCRYPTED_DATA_LEN_RANGE),
    NAME(CKR_FUNCTION_NOT_PARALLEL),
    NAME(CKR_FUNCTION_NOT_SUPPORTED),
    NAME(CKR_FUNCTION_REJECTED),
    NAME(CKR_KEY_HANDLE_INVALID),
    NAME(CKR_KEY_TYPE_INCONSISTENT),
    NAME(CKR_KEY_FUNCTION_NOT_PERMITTED),
    NAME(CKR_MECHANISM_INVALID),
    NAME(CKR_MECHANISM_PARAM_INVALID),
    NAME(CKR_OBJECT_HANDLE_INVALID),
    NAME(CKR_OPERATION_ACTIVE),
    NAME(CKR_OPERATION_NOT_INITIALIZED),
    NAME(CKR_PIN_INCORRECT),
    NAME(CKR_PIN_LOCKED),
    NAME(CKR_SESSION_COUNT),
    NAME(CKR_SESSION_HANDLE_INVALID),
    NAME(CKR_SESSION_PARALLEL_NOT_SUPPORTED),
    NAME(CKR_SESSION_READ_ONLY),
    NAME(CKR_SESSION_EXISTS),
    NAME(CKR_SESSION_READ_ONLY_EXISTS),
    NAME(CKR_SIGNATURE_INVALID),
    NAME(CKR_SIGNATURE_LEN_RANGE),
    NAME(CKR_TOKEN_NOT_PRESENT),
    NAME(CKR_TOKEN_NOT_RECOGNIZED),
    NAME(CKR_TOKEN_WRITE_PROTECTED),
    NAME(CKR_USER_NOT_LOGGED_IN),
    NAME(CKR_USER_ALREADY_LOGGED_IN),
    NAME(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
    NAME(CKR_USER_PIN_NOT_INITIALIZED),
    NAME(CKR_USER_TYPE_INVALID),
    NAME(CKR_BUFFER_TOO_SMALL),
    NAME(CKR_SAVED_STATE_INVALID),
    NAME(CKR_STATE_UNSAVEABLE),
    NAME(CKR_CRYPTOKI_NOT_INITIALIZED),
    NAME(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    NAME(CKR_KGR_REPLAY),
    NAME(CKR_KGR_EXPIRED),
    NAME(CKR_KGR_REVOKED),
    NAME(CKR_ATTRIBUTE_VALUE_INVALID),
};

const char *kgr_p11_rv_name(CK_RV rv)
{
    for (size_t i = 0; i < KGR_ARRAY_LEN(names); i++) {
        if (names[i].rv == rv) {
            return names[i].name;
        }
    }
    return "CKR_?";
}
