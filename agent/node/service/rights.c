/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/audit.h"
#include "agent/node/service/parts.h"

/* Who may do what (docs/access.md). */

/* access_of counts the caller's rights of now; NULL when the client is gone. */
static struct kgr_access *access_of(const struct kgr_service *service, struct kgr_call call)
{
    struct kgr_principal *principal = kgr_server_principal(service->server, call);

    return principal == NULL ? NULL : kgr_principal_access(principal);
}

static bool allows(const struct kgr_access *access, const struct kgr_nid *peer,
                   enum kgr_right right)
{
    return peer == NULL ? kgr_access_some(access, right)
                        : kgr_access_allows(access, peer->s, right);
}

bool kgr_service_allows(const struct kgr_service *service, struct kgr_call call,
                        const struct kgr_nid *peer, enum kgr_right right)
{
    struct kgr_access *access = access_of(service, call);
    bool allowed = access != NULL && allows(access, peer, right);

    kgr_access_unref(access);
    return allowed;
}

bool kgr_service_may_use(const struct kgr_service *service, struct kgr_call call,
                         const struct kgr_nid *peer)
{
    struct kgr_access *access = access_of(service, call);
    uint32_t rights = access == NULL ? 0 : kgr_access_rights(access, peer->s);

    kgr_access_unref(access);
    return (rights & ~(KGR_RIGHT_BIT(KGR_RIGHT_LIST) | KGR_RIGHT_BIT(KGR_RIGHT_MANAGE))) != 0;
}

void kgr_service_deny(struct kgr_service *service, struct kgr_call call, uint16_t op,
                      const struct kgr_nid *peer, enum kgr_right right)
{
    struct kgr_access *access = access_of(service, call);
    const char *name = peer == NULL ? NULL : peer->s;
    struct kgr_diag diag = {{0}};

    if (access == NULL)
        return;
    (void)kgr_access_refuse(&diag, access, name, right);
    kgr_node_audit_refusal(service->node, (uint32_t)kgr_access_uid(access), op, name, diag.text);
    kgr_access_unref(access);
    if (kgr_bucket_take(&service->access_log, kgr_clock_boot_ms()))
        kgr_warn("access_refused", "right=%s peer=%s reason=\"%s\"", kgr_right_names[right],
                 name == NULL ? "" : name, diag.text);
    kgr_server_fail(service->server, call, KGR_ERR_ACCESS, diag.text);
}

bool kgr_service_may(struct kgr_service *service, const struct kgr_server_request *request,
                     const struct kgr_nid *peer, enum kgr_right right)
{
    if (kgr_service_allows(service, request->call, peer, right))
        return true;
    kgr_service_deny(service, request->call, request->op, peer, right);
    return false;
}

bool kgr_service_is_fair(size_t mine, size_t all)
{
    return mine + 1 <= all - all / 4;
}

bool kgr_service_same_user(const struct kgr_service *service, struct kgr_call a, struct kgr_call b)
{
    struct kgr_access *first = access_of(service, a), *second = access_of(service, b);
    bool same = first != NULL && second != NULL && kgr_access_uid(first) == kgr_access_uid(second);

    kgr_access_unref(first);
    kgr_access_unref(second);
    return same;
}
