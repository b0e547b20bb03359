/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/routes.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

/* FNV-1a. Topics are random and this node's own choice: nobody else makes them collide. */
static size_t hash(const char *topic)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *topic != '\0'; topic++)
        h = (h ^ (uint8_t)*topic) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 32);
}

static struct kgr_route **bucket(const struct kgr_routes *routes, const char *topic)
{
    return &routes->buckets[hash(topic) & (routes->num_buckets - 1)];
}

void kgr_routes_deinit(struct kgr_routes *routes)
{
    for (size_t i = 0; i < routes->num_buckets; i++)
        while (routes->buckets[i] != NULL) {
            struct kgr_route *route = routes->buckets[i];

            routes->buckets[i] = route->next;
            free(route);
        }
    free(routes->buckets);
    *routes = (struct kgr_routes){0};
}

static enum kgr_error grow(struct kgr_routes *routes)
{
    struct kgr_routes grown = {
        .num_buckets = routes->num_buckets == 0 ? FIRST_BUCKETS : routes->num_buckets * 2,
        .num = routes->num,
    };

    grown.buckets = calloc(grown.num_buckets, sizeof(struct kgr_route *));
    if (grown.buckets == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = 0; i < routes->num_buckets; i++)
        while (routes->buckets[i] != NULL) {
            struct kgr_route *route = routes->buckets[i];
            struct kgr_route **at = bucket(&grown, route->topic);

            routes->buckets[i] = route->next;
            route->next = *at;
            *at = route;
        }
    free(routes->buckets);
    *routes = grown;
    return KGR_OK;
}

enum kgr_error kgr_routes_add(struct kgr_routes *routes, const char *topic,
                              const struct kgr_nid *peer, uint64_t generation)
{
    struct kgr_route *route;
    struct kgr_route **at;

    if (kgr_routes_find(routes, topic) != NULL)
        return KGR_ERR_EXISTS;
    if (strlen(topic) > KGR_TOPIC_TEXT_LEN)
        return KGR_ERR_INVALID;
    if (routes->num >= routes->num_buckets && grow(routes) != KGR_OK)
        return KGR_ERR_NO_MEMORY;
    route = calloc(1, sizeof(*route));
    if (route == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(route->topic, topic, strlen(topic) + 1);
    route->peer = *peer;
    route->generation = generation;
    at = bucket(routes, topic);
    route->next = *at;
    *at = route;
    routes->num++;
    return KGR_OK;
}

void kgr_routes_remove(struct kgr_routes *routes, const char *topic)
{
    struct kgr_route **at = routes->num == 0 ? NULL : bucket(routes, topic);

    for (; at != NULL && *at != NULL; at = &(*at)->next)
        if (strcmp((*at)->topic, topic) == 0) {
            struct kgr_route *route = *at;

            *at = route->next;
            routes->num--;
            free(route);
            return;
        }
}

const struct kgr_route *kgr_routes_find(const struct kgr_routes *routes, const char *topic)
{
    const struct kgr_route *route = routes->num == 0 ? NULL : *bucket(routes, topic);

    while (route != NULL && strcmp(route->topic, topic) != 0)
        route = route->next;
    return route;
}
