/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/judge.h"

/* The ways in for strangers: the provider of OpenSSL and the module of PKCS#11. */

static void judge_provider(struct kgr_findings *out, const struct kgr_door_facts *doors)
{
    if (!doors->openssl_ran)
        kgr_finding_unknown(out, "provider", "there is no command openssl to ask");
    else if (doors->provider_active)
        kgr_finding_ok(out, "provider", "active by %s", doors->openssl_conf);
    else if (doors->provider_named && !doors->provider_installed)
        kgr_finding_fail(out, "provider", KGR_ERR_CONFIG,
                         "install kgr.so (package kgr-openssl), or take its section out",
                         "%s names it, and there is no kgr.so where OpenSSL looks",
                         doors->openssl_conf);
    else if (doors->provider_named)
        kgr_finding_fail(out, "provider", KGR_ERR_CONFIG,
                         "activate = 1 in its section, which providers = and openssl_conf = must "
                         "lead to (man kgr-openssl)",
                         "%s names it, and it is not active", doors->openssl_conf);
    else if (doors->provider_installed)
        kgr_finding_warn(out, "provider",
                         "add .include /etc/ssl/kgr.cnf at its end, or set OPENSSL_CONF",
                         "kgr.so is installed, and %s does not name it", doors->openssl_conf);
    else
        kgr_finding_ok(out, "provider", "not installed");
}

static void judge_module(struct kgr_findings *out, const struct kgr_door_facts *doors)
{
    if (doors->module_file[0] != '\0' && doors->module_exists)
        kgr_finding_ok(out, "module", "registered by %s", doors->module_file);
    else if (doors->module_file[0] != '\0')
        kgr_finding_fail(out, "module", KGR_ERR_CONFIG,
                         "install libkgr-pkcs11.so (package kgr-pkcs11), or remove that file",
                         "%s names %s, which is not there", doors->module_file, doors->module_path);
    else if (doors->module_installed)
        kgr_finding_warn(out, "module",
                         "put kgr.module into /usr/share/p11-kit/modules (man kgr-pkcs11)",
                         "libkgr-pkcs11.so is installed, and p11-kit does not know it");
    else
        kgr_finding_ok(out, "module", "not installed");
}

void kgr_judge_doors(struct kgr_findings *out, const struct kgr_facts *facts)
{
    judge_provider(out, &facts->doors);
    judge_module(out, &facts->doors);
}
