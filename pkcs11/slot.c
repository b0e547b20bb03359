/* SPDX-License-Identifier: BSD-2-Clause */

/* Slot and token management: PKCS#11 3.0 section 5.5. */
#include "pkcs11/mechanism.h"
#include "pkcs11/module.h"
#include "pkcs11/trace.h"
#include "pkcs11/translate.h"

#include <stdio.h>
#include <string.h>

/* Asks the agent for the token; from the first time on, C_WaitForSlotEvent tells what changed. */
static enum kgr_error read_agent(struct kgr_p11_module *module, struct kgr_p11_token *out)
{
    enum kgr_error err = kgr_p11_token_read(module, out);

    kgr_p11_watch_begin(module, err == KGR_OK);
    return err;
}

static CK_RV get_slot_list(struct kgr_p11_module *module, CK_BBOOL token_present, CK_SLOT_ID *list,
                           CK_ULONG *count)
{
    CK_ULONG num = 1;

    if (count == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    if (token_present && read_agent(module, NULL) != KGR_OK) {
        num = 0;
    }
    if (list != NULL && *count < num) {
        *count = num;
        return CKR_BUFFER_TOO_SMALL;
    }
    if (list != NULL && num > 0) {
        list[0] = KGR_P11_SLOT_ID;
    }
    *count = num;
    return CKR_OK;
}

CK_RV C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID_PTR pSlotList, CK_ULONG_PTR pulCount)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, 0);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_slot_list(module, tokenPresent, pSlotList, pulCount);
    return kgr_p11_leave(module, __func__, 0, rv);
}

static CK_RV get_slot_info(struct kgr_p11_module *module, CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    struct kgr_p11_token token;

    if (slot != KGR_P11_SLOT_ID) {
        return CKR_SLOT_ID_INVALID;
    }
    if (info == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    memset(info, 0, sizeof(*info));
    kgr_p11_pad(info->slotDescription, sizeof(info->slotDescription), "KGR agent of this node");
    kgr_p11_pad(info->manufacturerID, sizeof(info->manufacturerID), "KGR");
    info->flags = CKF_REMOVABLE_DEVICE;
    if (read_agent(module, &token) == KGR_OK) {
        info->flags |= CKF_TOKEN_PRESENT;
        info->firmwareVersion = token.version;
    }
    return CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slotID, CK_SLOT_INFO_PTR pInfo)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_slot_info(module, slotID, pInfo);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

/* The functions that need a token begin with it: CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT. */
static CK_RV read_token(struct kgr_p11_module *module, CK_SLOT_ID slot, struct kgr_p11_token *out)
{
    if (slot != KGR_P11_SLOT_ID) {
        return CKR_SLOT_ID_INVALID;
    }
    return kgr_p11_rv_slot(read_agent(module, out));
}

static void fill_names(CK_TOKEN_INFO *info, const struct kgr_p11_token *token)
{
    char label[sizeof(info->label) + 1];
    char serial[sizeof(info->serialNumber) + 1];

    (void)snprintf(label, sizeof(label), "KGR %.28s", token->node);
    (void)snprintf(serial, sizeof(serial), "%016llx",
                   (unsigned long long)kgr_fnv1a(KGR_FNV_START, token->node, strlen(token->node)));
    kgr_p11_pad(info->label, sizeof(info->label), label);
    kgr_p11_pad(info->serialNumber, sizeof(info->serialNumber), serial);
    kgr_p11_pad(info->manufacturerID, sizeof(info->manufacturerID), "KGR");
    kgr_p11_pad(info->model, sizeof(info->model), "kgr-agent");
    kgr_p11_pad(info->utcTime, sizeof(info->utcTime), "");
}

static CK_RV get_token_info(struct kgr_p11_module *module, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    struct kgr_p11_token token;
    size_t num_open = 0;
    size_t num_rw = 0;
    CK_RV rv;

    if (info == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    rv = read_token(module, slot, &token);
    if (rv != CKR_OK) {
        return rv;
    }
    memset(info, 0, sizeof(*info));
    fill_names(info, &token);
    /* No writing: keys come from the KS only. */
    info->flags = CKF_RNG | CKF_WRITE_PROTECTED;
    if (token.needs_pin) {
        info->flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
        info->ulMinPinLen = KGR_P11_PIN_MIN;
        info->ulMaxPinLen = KGR_P11_PIN_MAX;
    }
    if (token.registered) {
        info->flags |= CKF_TOKEN_INITIALIZED;
    }
    kgr_p11_session_count(&module->sessions, &num_open, &num_rw);
    info->ulMaxSessionCount = KGR_P11_MAX_SESSIONS;
    info->ulSessionCount = num_open;
    info->ulMaxRwSessionCount = KGR_P11_MAX_SESSIONS;
    info->ulRwSessionCount = num_rw;
    info->ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info->firmwareVersion = token.version;
    return CKR_OK;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slotID, CK_TOKEN_INFO_PTR pInfo)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_token_info(module, slotID, pInfo);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

static CK_RV get_mechanism_list(struct kgr_p11_module *module, CK_SLOT_ID slot,
                                CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    const struct kgr_p11_mechanism *mech;
    struct kgr_p11_token token;
    CK_ULONG num = 0;
    CK_ULONG room;
    CK_RV rv;

    if (count == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    rv = read_token(module, slot, &token);
    if (rv == CKR_OK) {
        rv = kgr_p11_rv_slot(kgr_p11_keys_refresh(module));
    }
    if (rv != CKR_OK) {
        return rv;
    }
    room = list != NULL ? *count : 0;
    for (size_t i = 0; (mech = kgr_p11_mechanism_at(i)) != NULL; i++) {
        if (kgr_p11_mechanism_works(module, mech, token.modes)) {
            if (num < room) {
                list[num] = mech->type;
            }
            num++;
        }
    }
    *count = num;
    return list != NULL && room < num ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slotID, CK_MECHANISM_TYPE_PTR pMechanismList,
                         CK_ULONG_PTR pulCount)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_mechanism_list(module, slotID, pMechanismList, pulCount);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

static bool is_in_hardware(void *ctx, const struct kgr_p11_object *object)
{
    bool *all = ctx;

    *all = object->info.custody != KGR_CUSTODY_SEALED;
    return *all;
}

static CK_RV get_mechanism_info(struct kgr_p11_module *module, CK_SLOT_ID slot,
                                CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    const struct kgr_p11_mechanism *mech = kgr_p11_mechanism_find(type);
    struct kgr_p11_token token;
    bool hardware;
    CK_RV rv;

    if (info == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    rv = read_token(module, slot, &token);
    if (rv == CKR_OK) {
        rv = kgr_p11_rv_slot(kgr_p11_keys_refresh(module));
    }
    if (rv != CKR_OK) {
        return rv;
    }
    if (mech == NULL || !kgr_p11_mechanism_works(module, mech, token.modes)) {
        return CKR_MECHANISM_INVALID;
    }
    hardware = token.resident;
    if (hardware) {
        kgr_p11_keys_each(module, NULL, is_in_hardware, &hardware);
    }
    memset(info, 0, sizeof(*info));
    info->ulMinKeySize = mech->min_key;
    info->ulMaxKeySize = mech->max_key;
    if (mech->record) {
        info->flags = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
    } else if (mech->kind == KGR_P11_CIPHER_KEY) {
        info->flags = CKF_ENCRYPT | CKF_DECRYPT;
    } else {
        info->flags = CKF_SIGN | CKF_VERIFY;
    }
    if (hardware) {
        info->flags |= CKF_HW;
    }
    return CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR pInfo)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = get_mechanism_info(module, slotID, type, pInfo);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

/* The token is not for writing; the standard wants to hear first of what else is in the way. */
static CK_RV init_token(struct kgr_p11_module *module, CK_SLOT_ID slot, const CK_UTF8CHAR *pin,
                        CK_ULONG pin_len, const CK_UTF8CHAR *label)
{
    struct kgr_p11_token token;
    size_t num_open = 0;
    size_t num_rw = 0;
    CK_RV rv;

    if (slot != KGR_P11_SLOT_ID) {
        return CKR_SLOT_ID_INVALID;
    }
    if (label == NULL || (pin == NULL && pin_len > 0)) {
        return CKR_ARGUMENTS_BAD;
    }
    rv = read_token(module, slot, &token);
    if (rv != CKR_OK) {
        return rv;
    }
    kgr_p11_session_count(&module->sessions, &num_open, &num_rw);
    return num_open > 0 ? CKR_SESSION_EXISTS : CKR_TOKEN_WRITE_PROTECTED;
}

CK_RV C_InitToken(CK_SLOT_ID slotID, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen,
                  CK_UTF8CHAR_PTR pLabel)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, slotID);

    if (rv != CKR_OK) {
        return rv;
    }
    rv = init_token(module, slotID, pPin, ulPinLen, pLabel);
    return kgr_p11_leave(module, __func__, slotID, rv);
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pReserved)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, 0);

    if (rv != CKR_OK) {
        return rv;
    }
    if (pSlot == NULL || pReserved != NULL) {
        return kgr_p11_leave(module, __func__, 0, CKR_ARGUMENTS_BAD);
    }
    rv = kgr_p11_watch_wait(module, (flags & CKF_DONT_BLOCK) == 0);
    if (rv == CKR_OK) {
        *pSlot = KGR_P11_SLOT_ID;
    }
    kgr_p11_trace(__func__, 0, rv);
    return rv;
}
