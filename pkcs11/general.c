/* SPDX-License-Identifier: BSD-2-Clause */

/* General-purpose functions: PKCS#11 3.0 section 5.4. The function lists are in function_list.c. */
#include "pkcs11/module.h"
#include "pkcs11/trace.h"

#include <string.h>

CK_RV C_Initialize(CK_VOID_PTR pInitArgs)
{
    CK_RV rv = kgr_p11_module_start(pInitArgs);

    kgr_p11_trace(__func__, 0, rv);
    return rv;
}

CK_RV C_Finalize(CK_VOID_PTR pReserved)
{
    CK_RV rv = pReserved == NULL ? kgr_p11_module_stop() : CKR_ARGUMENTS_BAD;

    kgr_p11_trace(__func__, 0, rv);
    return rv;
}

static CK_RV get_info(CK_INFO *info)
{
    if (info == NULL) {
        return CKR_ARGUMENTS_BAD;
    }
    memset(info, 0, sizeof(*info));
    info->cryptokiVersion.major = 3;
    kgr_p11_pad(info->manufacturerID, sizeof(info->manufacturerID), "KGR");
    kgr_p11_pad(info->libraryDescription, sizeof(info->libraryDescription),
                "KGR keys of node pairs");
    info->libraryVersion = kgr_p11_version(KGR_VERSION);
    return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO_PTR pInfo)
{
    struct kgr_p11_module *module = NULL;
    CK_RV rv = kgr_p11_enter(&module, __func__, 0);

    return rv != CKR_OK ? rv : kgr_p11_leave(module, __func__, 0, get_info(pInfo));
}
