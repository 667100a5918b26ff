/* Users and groups; see identity.h. */
#include "identity.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNT_FILE_BYTES_MAX (16 * 1024 * 1024)
#define FIELDS_MAX 7

static bool is_number(const char *text) {
    if (*text == '\0') return false;
    for (; *text != '\0'; text++)
        if (!isdigit((unsigned char)*text)) return false;
    return true;
}

/* Calls `visit` with the fields of each line that has at least `fields_min`; stops when it answers true. */
static bool each_line(const char *path, size_t fields_min, bool (*visit)(char **fields, void *context), void *context) {
    char *content = read_whole_file(path, ACCOUNT_FILE_BYTES_MAX, NULL);
    if (content == NULL) return false;
    char *rest = content, *line;
    bool stopped = false;
    while (!stopped && (line = strsep(&rest, "\n")) != NULL) {
        char *fields[FIELDS_MAX] = {0};
        size_t count = 0;
        while (count < FIELDS_MAX && line != NULL) fields[count++] = strsep(&line, ":");
        if (count >= fields_min) stopped = visit(fields, context);
    }
    free(content);
    return stopped;
}

struct user_search {
    const char *name; /* NULL when looking for a number */
    uid_t uid;
    struct identity *found;
};

/* name:password:uid:gid:gecos:home:shell */
static bool match_user(char **fields, void *context) {
    struct user_search *search = context;
    if (!is_number(fields[2]) || !is_number(fields[3])) return false;
    bool same = search->name != NULL ? strcmp(fields[0], search->name) == 0 : parse_number(fields[2]) == search->uid;
    if (!same) return false;
    search->found->uid = (uid_t)parse_number(fields[2]);
    search->found->gid = (gid_t)parse_number(fields[3]);
    search->found->name = copy_text(fields[0]);
    search->found->home = copy_text(fields[5]);
    search->found->shell = copy_text(fields[6]);
    return true;
}

struct group_search {
    const char *name;
    gid_t gid;
};

/* name:password:gid:members */
static bool match_group(char **fields, void *context) {
    struct group_search *search = context;
    if (!is_number(fields[2]) || strcmp(fields[0], search->name) != 0) return false;
    search->gid = (gid_t)parse_number(fields[2]);
    return true;
}

static void add_group(struct identity *identity, gid_t gid) {
    for (size_t i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == gid) return;
    if (identity->group_count < GROUPS_MAX) identity->groups[identity->group_count++] = gid;
}

/* Adds the group when the user is one of its members; never stops, a user is in many. */
static bool collect_membership(char **fields, void *context) {
    struct identity *identity = context;
    if (!is_number(fields[2])) return false;
    char *members = fields[3], *member;
    while ((member = strsep(&members, ",")) != NULL)
        if (strcmp(member, identity->name) == 0) add_group(identity, (gid_t)parse_number(fields[2]));
    return false;
}

static bool find_group(const char *name, gid_t *gid) {
    if (is_number(name)) {
        *gid = (gid_t)parse_number(name);
        return true;
    }
    struct group_search search = {.name = name};
    if (!each_line("/etc/group", 3, match_group, &search)) return false;
    *gid = search.gid;
    return true;
}

static bool find_user(const char *user, struct identity *found) {
    bool by_number = *user == '\0' || is_number(user);
    uid_t uid = *user == '\0' ? geteuid() : (uid_t)parse_number(user);
    struct user_search search = {.name = by_number ? NULL : user, .uid = uid, .found = found};
    if (each_line("/etc/passwd", FIELDS_MAX, match_user, &search)) return true;
    if (!by_number) return false;
    found->uid = uid;
    found->gid = *user == '\0' ? getegid() : (gid_t)uid;
    return true;
}

enum identity_failure identity_find(const char *user, const char *group, const struct words *more, struct identity *found) {
    *found = (struct identity){0};
    if (!find_user(user == NULL ? "" : user, found)) return IDENTITY_NO_USER;
    if (group != NULL && *group != '\0' && !find_group(group, &found->gid)) return IDENTITY_NO_GROUP;
    add_group(found, found->gid);
    if (found->name != NULL) each_line("/etc/group", 4, collect_membership, found);
    for (size_t i = 0; i < more->count; i++) {
        gid_t gid;
        if (!find_group(more->items[i], &gid)) return IDENTITY_NO_GROUP;
        add_group(found, gid);
    }
    return IDENTITY_FOUND;
}
