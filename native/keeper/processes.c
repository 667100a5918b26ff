/* The processes of a unit; see processes.h. */
#include "processes.h"

#include "protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT_BYTES_MAX (4 * 1024 * 1024)
#define DEPTH_MAX 4096
#define LISTED_CHILDREN_BYTES_MAX (1024 * 1024)

void pids_add(struct pids *pids, pid_t pid) {
    if (pids->count == pids->capacity) {
        pids->capacity = pids->capacity == 0 ? 32 : pids->capacity * 2;
        pids->items = realloc(pids->items, pids->capacity * sizeof *pids->items);
        if (pids->items == NULL) abort();
    }
    pids->items[pids->count++] = pid;
}

bool pids_have(const struct pids *pids, pid_t pid) {
    for (size_t i = 0; i < pids->count; i++)
        if (pids->items[i] == pid) return true;
    return false;
}

void pids_clear(struct pids *pids) {
    free(pids->items);
    *pids = (struct pids){0};
}

bool process_look(pid_t pid, struct process *process) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = read(fd, line, sizeof line - 1);
    close(fd);
    if (length <= 0) return false;
    line[length] = '\0';
    /* The name stands in brackets and may hold brackets itself: the last one ends it. */
    char *name = strchr(line, '('), *end = strrchr(line, ')');
    if (name == NULL || end == NULL) return false;
    *end = '\0';
    *process = (struct process){.pid = pid};
    snprintf(process->name, sizeof process->name, "%s", name + 1);
    unsigned long long start;
    int parent;
    if (sscanf(end + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &process->state, &parent, &start) != 3)
        return false;
    process->parent = parent;
    process->start_ticks = start;
    return true;
}

bool process_is_below(pid_t pid, pid_t ancestor) {
    struct process process;
    for (int depth = 0; depth < DEPTH_MAX && pid > 1 && process_look(pid, &process); depth++) {
        if (process.parent == ancestor) return true;
        pid = process.parent;
    }
    return false;
}

struct table {
    struct process *items;
    size_t count;
    size_t capacity;
};

static void read_table(struct table *table) {
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        pid_t pid = (pid_t)parse_number(entry->d_name);
        struct process process;
        if (pid <= 0 || !process_look(pid, &process)) continue;
        if (table->count == table->capacity) {
            table->capacity = table->capacity == 0 ? 256 : table->capacity * 2;
            table->items = realloc(table->items, table->capacity * sizeof *table->items);
            if (table->items == NULL) abort();
        }
        table->items[table->count++] = process;
    }
    if (directory != NULL) closedir(directory);
}

/* Adds every process below those in `family` until there are no more; zombies are followed but not told apart here. */
static void add_children(const struct table *table, struct pids *family) {
    for (size_t added = 1; added > 0;) {
        added = 0;
        for (size_t i = 0; i < table->count; i++) {
            const struct process *process = &table->items[i];
            if (!pids_have(family, process->parent) || pids_have(family, process->pid)) continue;
            pids_add(family, process->pid);
            added++;
        }
    }
}

static void keep_living(const struct table *table, const struct pids *family, pid_t without, struct pids *found) {
    for (size_t i = 0; i < table->count; i++) {
        const struct process *process = &table->items[i];
        bool dead = process->state == 'Z' || process->state == 'X';
        if (!dead && process->pid != without && pids_have(family, process->pid)) pids_add(found, process->pid);
    }
}

/* Adds the children of one thread, which the kernel lists in a file (CONFIG_PROC_CHILDREN). */
static void add_listed_children(const char *path, struct pids *family) {
    char *content = read_whole_file(path, LISTED_CHILDREN_BYTES_MAX, NULL);
    if (content == NULL) return;
    char *rest = content, *number;
    while ((number = strsep(&rest, " ")) != NULL) {
        pid_t pid = (pid_t)parse_number(number);
        if (pid > 0 && !pids_have(family, pid)) pids_add(family, pid);
    }
    free(content);
}

static void add_children_of_threads(pid_t pid, struct pids *family) {
    char path[64], children[128];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (parse_number(entry->d_name) == 0) continue;
        snprintf(children, sizeof children, "%s/%.16s/children", path, entry->d_name);
        add_listed_children(children, family);
    }
    if (directory != NULL) closedir(directory);
}

/* Follows the kernel's lists of children. A list may lack a process when a sibling ends while it is read (proc(5)), hence
 * two rounds; what even they miss is found by the next signal, and a stop ends only when wait(2) knows of no child. */
static void processes_below_by_lists(pid_t ancestor, struct pids *found) {
    struct pids family = {0};
    pids_add(&family, ancestor);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < family.count; i++) add_children_of_threads(family.items[i], &family);
    for (size_t i = 1; i < family.count; i++) {
        struct process process;
        if (process_look(family.items[i], &process) && process.state != 'Z' && process.state != 'X') pids_add(found, process.pid);
    }
    pids_clear(&family);
}

void processes_below(pid_t ancestor, struct pids *found) {
    char children[64];
    snprintf(children, sizeof children, "/proc/%d/task/%d/children", ancestor, ancestor);
    if (access(children, R_OK) == 0) {
        processes_below_by_lists(ancestor, found);
        return;
    }
    struct table table = {0};
    struct pids family = {0};
    read_table(&table);
    pids_add(&family, ancestor);
    add_children(&table, &family);
    keep_living(&table, &family, ancestor, found);
    pids_clear(&family);
    free(table.items);
}

static bool carries_mark(pid_t pid, const char *assignment) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    size_t length;
    char *content = read_whole_file(path, ENVIRONMENT_BYTES_MAX, &length);
    if (content == NULL) return false;
    bool carries = false;
    for (char *at = content; !carries && at < content + length; at += strlen(at) + 1) carries = strcmp(at, assignment) == 0;
    free(content);
    return carries;
}

void processes_marked(const char *mark, pid_t ancestor, struct pids *found) {
    struct table table = {0};
    struct pids own = {0}, family = {0};
    char *assignment = format_text("%s=%s", MARK_VARIABLE, mark);
    read_table(&table);
    pids_add(&own, ancestor);
    add_children(&table, &own);
    for (size_t i = 0; i < table.count; i++) {
        pid_t pid = table.items[i].pid;
        if (!pids_have(&own, pid) && carries_mark(pid, assignment)) pids_add(&family, pid);
    }
    if (family.count > 0) add_children(&table, &family);
    keep_living(&table, &family, ancestor, found);
    free(assignment);
    pids_clear(&own);
    pids_clear(&family);
    free(table.items);
}

bool process_signal(pid_t pid, int signal_number) {
    if (kill(pid, signal_number) < 0) return errno != ESRCH;
    if (signal_number != SIGKILL && signal_number != SIGCONT && signal_number != 0) kill(pid, SIGCONT);
    return true;
}
