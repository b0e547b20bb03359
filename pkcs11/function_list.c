/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * C_GetFunctionList, C_GetInterfaceList and C_GetInterface: PKCS#11 3.0 sections 5.4.4 to 5.4.6.
 * They work before C_Initialize.
 */
#include "pkcs11/cryptoki.h"

#include "agent/base/attr.h"

#include <string.h>

/* NSS's list of all functions, in the standard's order, expands to their names. */
#define CK_PKCS11_FUNCTION_INFO(name) name,
#define CK_PKCS11_3_0                 1

static CK_FUNCTION_LIST_3_0 list_3_0 = {
    {3, 0},
#include <pkcs11f.h>
};

#define CK_PKCS11_2_0_ONLY 1

static CK_FUNCTION_LIST list_2_40 = {
    {2, 40},
#include <pkcs11f.h>
};

#undef CK_PKCS11_FUNCTION_INFO

static CK_UTF8CHAR standard_name[] = "PKCS 11";

/* The default first. No flag: after fork the child initialises anew (not CKF_INTERFACE_FORK_SAFE). */
static CK_INTERFACE interfaces[] = {
    {standard_name, &list_3_0, 0},
    {standard_name, &list_2_40, 0},
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList)
{
    if (ppFunctionList == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    *ppFunctionList = &list_2_40;
    return CKR_OK;
}

CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount)
{
    CK_ULONG room;

    if (pulCount == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    room = *pulCount;
    *pulCount = KGR_ARRAY_LEN(interfaces);
    if (pInterfacesList == NULL) {
        return CKR_OK;
    }
    if (room < KGR_ARRAY_LEN(interfaces)) {
        return CKR_BUFFER_TOO_SMALL;
    }
    memcpy(pInterfacesList, interfaces, sizeof(interfaces));
    return CKR_OK;
}

CK_RV C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion,
                     CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags)
{
    if (ppInterface == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(interfaces); i++) {
        const CK_VERSION *version = interfaces[i].pFunctionList;

        if ((pInterfaceName == NULL ||
             strcmp((const char *)pInterfaceName, (const char *)standard_name) == 0) &&
            (pVersion == NULL ||
             (pVersion->major == version->major && pVersion->minor == version->minor)) &&
            (interfaces[i].flags & flags) == flags) {
            *ppInterface = &interfaces[i];
            return CKR_OK;
        }
    }
    return CKR_ARGUMENTS_BAD;
}
