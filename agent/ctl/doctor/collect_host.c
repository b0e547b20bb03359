/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/doctor/collect.h"

#include <ctype.h>
#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "agent/ctl/doctor/child.h"

#define AGENT_SOCKET "/run/kgr/agent.sock"
#define AGENT_CONFIG "/etc/kgr/agent.conf"
#define GROUPS_MAX   256

static void look_at_socket(struct kgr_host_facts *host, const struct kgr_ctl *ctl)
{
    const char *path = ctl->options->socket;

    if (path == NULL)
        path = secure_getenv("KGR_AGENT");
    if (path == NULL || path[0] == '\0')
        path = AGENT_SOCKET;
    (void)snprintf(host->socket, sizeof(host->socket), "%s", path);
    host->socket_exists = access(path, F_OK) == 0;
    host->socket_usable = access(path, R_OK | W_OK) == 0;
}

static void look_at_user(struct kgr_host_facts *host)
{
    const struct passwd *user = getpwuid(geteuid());
    const struct group *group;
    gid_t list[GROUPS_MAX];
    int num = getgroups(GROUPS_MAX, list);

    if (user != NULL)
        (void)snprintf(host->user, sizeof(host->user), "%s", user->pw_name);
    else
        (void)snprintf(host->user, sizeof(host->user), "uid %lu", (unsigned long)geteuid());
    group = getgrnam("kgr");
    host->group_exists = group != NULL;
    if (group == NULL)
        return;
    host->in_group = geteuid() == 0 || getegid() == group->gr_gid;
    for (int i = 0; i < num; i++)
        host->in_group = host->in_group || list[i] == group->gr_gid;
}

/* kgr-agent beside kgrctl, or where it is installed; looking it up in $PATH would not find an sbin. */
static bool find_agent(char *out, size_t cap)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/usr/local/sbin",
                                          "/usr/local/bin"};
    char self[KGR_FACT_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len > 0) {
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        (void)snprintf(out, cap, "%.*s/kgr-agent", (int)(cap - 16), self);
        if (access(out, X_OK) == 0)
            return true;
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(folders); i++) {
        (void)snprintf(out, cap, "%s/kgr-agent", folders[i]);
        if (access(out, X_OK) == 0)
            return true;
    }
    return false;
}

static void take_mistakes(struct kgr_host_facts *host, const char *text)
{
    size_t len = strcspn(text, "\n");

    (void)snprintf(host->config_mistake, sizeof(host->config_mistake), "%.*s",
                   (int)(len < sizeof(host->config_mistake) ? len : sizeof(host->config_mistake)),
                   text);
    for (const char *p = text; *p != '\0'; p++)
        host->config_mistakes += *p == '\n';
    if (host->config_mistakes == 0)
        host->config_mistakes = 1;
}

static void check_configuration(struct kgr_host_facts *host, const char *program)
{
    const char *const argv[] = {program, "--config", host->config, "--check", NULL};
    int code = 0;
    char *text = kgr_child_run(argv, &code);

    if (text == NULL)
        return;
    if (code == 0)
        host->config_fact = KGR_CONFIG_GOOD;
    else if (strstr(text, "ermission denied") ==
             NULL) { /* what only the agent may read, others cannot judge */
        host->config_fact = KGR_CONFIG_WRONG;
        take_mistakes(host, text);
    }
    free(text);
}

static void look_at_configuration(struct kgr_facts *facts, const struct kgr_ctl *ctl)
{
    struct kgr_host_facts *host = &facts->host;
    const char *path = ctl->options->config;
    char program[KGR_FACT_PATH_MAX];

    if (path == NULL && facts->agent.err == KGR_OK && facts->agent.diagnosis.config[0] != '\0')
        path = facts->agent.diagnosis.config;
    if (path == NULL)
        path = AGENT_CONFIG;
    (void)snprintf(host->config, sizeof(host->config), "%s", path);
    host->config_fact = KGR_CONFIG_UNKNOWN;
    if (!find_agent(program, sizeof(program)))
        return;
    if (access(path, F_OK) != 0)
        host->config_fact = KGR_CONFIG_ABSENT;
    else if (access(path, R_OK) == 0)
        check_configuration(host, program);
}

static void look_at_state(struct kgr_host_facts *host, const char *folder)
{
    struct statvfs fs;
    struct stat st;

    if (folder[0] == '\0')
        return;
    host->state_exists = stat(folder, &st) == 0;
    /* Whoever may not look into the folder above cannot tell whether it is there. */
    host->state_known = host->state_exists || geteuid() == 0;
    if (!host->state_exists)
        return;
    host->state_mode = st.st_mode & 07777;
    host->state_free = statvfs(folder, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

/* Whether a file descriptor of the process is a TPM without a resource manager: /dev/tpm0 and the like. */
static bool has_raw_tpm(const char *pid)
{
    char path[300], target[64];
    struct dirent *entry;
    bool has = false;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    dir = opendir(path);
    if (dir == NULL)
        return false;
    while (!has && (entry = readdir(dir)) != NULL) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

        if (len <= 0)
            continue;
        target[len] = '\0';
        has = strncmp(target, "/dev/tpm", 8) == 0 && isdigit((unsigned char)target[8]);
    }
    (void)closedir(dir);
    return has;
}

static void read_name(char *out, size_t cap, const char *pid)
{
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    file = fopen(path, "re");
    out[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(out, (int)cap, file) != NULL)
        out[strcspn(out, "\n")] = '\0';
    (void)fclose(file);
}

/* Processes of others are seen by root only. */
static void look_at_tpm_users(struct kgr_host_facts *host)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    if (proc == NULL)
        return;
    while (host->tpm_user[0] == '\0' && (entry = readdir(proc)) != NULL) {
        char name[32];

        if (!isdigit((unsigned char)entry->d_name[0]) || !has_raw_tpm(entry->d_name))
            continue;
        read_name(name, sizeof(name), entry->d_name);
        /* Ours, and the resource manager in user space. */
        if (strcmp(name, "kgr-agent") != 0 && strcmp(name, "kgr-ks") != 0 &&
            strcmp(name, "tpm2-abrmd") != 0)
            (void)snprintf(host->tpm_user, sizeof(host->tpm_user), "%s (pid %.20s)", name,
                           entry->d_name);
    }
    (void)closedir(proc);
}

void kgr_collect_host(struct kgr_facts *facts, const struct kgr_ctl *ctl)
{
    struct kgr_host_facts *host = &facts->host;

    look_at_socket(host, ctl);
    look_at_user(host);
    look_at_configuration(facts, ctl);
    look_at_state(host, facts->agent.diagnosis.state);
    look_at_tpm_users(host);
    host->wall_s = (int64_t)time(NULL);
}
