/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/service/parts.h"

/* pin: whether an application's user knows the PIN of the PKCS#11 token. */

void kgr_service_pin(struct kgr_service *service, const struct kgr_server_request *request)
{
    uint32_t uid = (uint32_t)request->peer.uid;
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_pin_try(&service->pin, uid, request->body, kgr_clock_boot_ms(), &diag);

    if (err == KGR_OK) {
        kgr_service_ok(service, request->call, kgr_slice(NULL, 0));
        return;
    }
    if (err == KGR_ERR_NOT_AUTHORIZED)
        kgr_warn("pin_refused", "uid=%u", uid);
    kgr_server_fail(service->server, request->call, err, diag.text);
}
