/* Users and groups, read from /etc/passwd and /etc/group: a static binary cannot load NSS modules. */
#ifndef KEEPER_IDENTITY_H
#define KEEPER_IDENTITY_H

#include "text.h"

#define GROUPS_MAX 256

/* Who a process runs as. */
struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    size_t group_count;
    char *name; /* NULL when the user has no name */
    char *home;
    char *shell;
};

enum identity_failure { IDENTITY_FOUND, IDENTITY_NO_USER, IDENTITY_NO_GROUP };

/* Finds `user` (name or number; empty: the caller's own) with primary group `group` (empty: the user's own) and
 * further groups. */
enum identity_failure identity_find(const char *user, const char *group, const struct words *more, struct identity *found);

#endif
