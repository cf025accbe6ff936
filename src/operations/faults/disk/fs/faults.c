#define _GNU_SOURCE
#include "faults.h"
#include "json.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_FAULTS 32
#define MAX_TEXT 65536
#define MAX_DELAY_MS 600000

enum fault_type { UNREADABLE, READ_DELAY, UNWRITABLE, WRITE_DELAY, READ_CORRUPT, WRITE_CORRUPT };
static const char *const TYPE_NAMES[] = { "unreadable", "read_delay", "unwritable",
                                          "write_delay", "read_corrupt", "write_corrupt" };
#define TYPES (sizeof TYPE_NAMES / sizeof *TYPE_NAMES)

/* Kibosh's numbers. */
enum corruption { ZERO = 1000, RAND = 1001, ZERO_SEQ = 1100, RAND_SEQ = 1101, DROP = 1200 };
static const struct { const char *name; enum corruption mode; } MODES[] = {
    { "zero", ZERO }, { "rand", RAND }, { "zero_seq", ZERO_SEQ }, { "rand_seq", RAND_SEQ }, { "drop", DROP },
};

struct fault {
    enum fault_type type;
    char *prefix, *suffix;
    int code;
    long delay_ms;
    double fraction;
    enum corruption mode;
    /* So many times, then everything is dropped; negative: without end. */
    long count;
};

struct faults {
    size_t length;
    struct fault each[MAX_FAULTS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Delayed acts wait on it: they are let go when faults change. */
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct faults *current;
static unsigned long generation;
static char *current_text;
/* So that a disk without faults costs nothing. */
static atomic_int any;

static void prepare(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    srand48((long)time(NULL));
}

/* ---- reading them ---- */

static int number_in(const struct json *object, const char *name, double from, double to, double *found)
{
    const struct json *member = json_member(object, name);
    if (member == NULL)
        return 1;
    if (member->kind != JSON_NUMBER || !(member->number >= from && member->number <= to))
        return 0;
    *found = member->number;
    return 1;
}

static int text_in(const struct json *object, const char *name, const char *otherwise, char **found)
{
    const struct json *member = json_member(object, name);
    if (member != NULL && member->kind != JSON_STRING)
        return 0;
    *found = strdup(member == NULL ? otherwise : member->text);
    return *found != NULL;
}

static int mode_in(const struct json *object, enum corruption *found)
{
    const struct json *member = json_member(object, "mode");
    for (size_t at = 0; member != NULL && at < sizeof MODES / sizeof *MODES; at++)
        if (member->kind == JSON_NUMBER ? member->number == MODES[at].mode
                                        : member->kind == JSON_STRING && strcmp(member->text, MODES[at].name) == 0) {
            *found = MODES[at].mode;
            return 1;
        }
    return 0;
}

static int needs(const struct json *object, const char *name)
{
    return json_member(object, name) != NULL;
}

static int read_fault(const struct json *object, struct fault *fault)
{
    const struct json *type = json_member(object, "type");
    size_t at = 0;
    if (type == NULL || type->kind != JSON_STRING)
        return 0;
    while (at < TYPES && strcmp(TYPE_NAMES[at], type->text) != 0)
        at++;
    if (at == TYPES)
        return 0;
    fault->type = (enum fault_type)at;
    double code = EIO, delay_ms = 0, count = -1;
    fault->fraction = 1;
    if (!text_in(object, "prefix", "", &fault->prefix) || !text_in(object, "suffix", "", &fault->suffix) ||
        !number_in(object, "code", -4095, 4095, &code) || !number_in(object, "delay_ms", 0, MAX_DELAY_MS, &delay_ms) ||
        !number_in(object, "fraction", 0, 1, &fault->fraction) || !number_in(object, "count", -1e9, 1e9, &count))
        return 0;
    fault->code = code < 0 ? (int)-code : (int)code;
    fault->delay_ms = (long)delay_ms;
    fault->count = (long)count;
    switch (fault->type) {
    case UNREADABLE: case UNWRITABLE: return fault->code > 0;
    case READ_DELAY: case WRITE_DELAY: return needs(object, "delay_ms");
    default: return mode_in(object, &fault->mode);
    }
}

static void free_faults(struct faults *faults)
{
    for (size_t at = 0; faults != NULL && at < faults->length; at++) {
        free(faults->each[at].prefix);
        free(faults->each[at].suffix);
    }
    free(faults);
}

static struct faults *read_faults(const struct json *root)
{
    const struct json *list = json_member(root, "faults");
    struct faults *faults = calloc(1, sizeof *faults);
    /* Kibosh takes an object without `faults` for none. */
    if (faults == NULL || root->kind != JSON_OBJECT || (list != NULL && list->kind != JSON_ARRAY)) {
        free(faults);
        return NULL;
    }
    for (const struct json *each = list == NULL ? NULL : list->first; each != NULL; each = each->next)
        /* Counted before it is known to be good: what it has is freed with the others. */
        if (faults->length == MAX_FAULTS || !read_fault(each, &faults->each[faults->length++])) {
            free_faults(faults);
            return NULL;
        }
    return faults;
}

static int concern_reads(const struct faults *faults)
{
    for (size_t at = 0; faults != NULL && at < faults->length; at++) {
        enum fault_type type = faults->each[at].type;
        if (type == UNREADABLE || type == READ_DELAY || type == READ_CORRUPT)
            return 1;
    }
    return 0;
}

int faults_set(const char *text, size_t length, int *changes_reads)
{
    pthread_once(&once, prepare);
    if (length > MAX_TEXT)
        return -EINVAL;
    struct json *root = json_parse(text, length);
    struct faults *faults = root == NULL ? NULL : read_faults(root);
    json_free(root);
    char *kept = faults == NULL ? NULL : strndup(text, length);
    if (kept == NULL) {
        free_faults(faults);
        return -EINVAL;
    }
    pthread_mutex_lock(&lock);
    struct faults *before = current;
    *changes_reads = concern_reads(before) || concern_reads(faults);
    char *text_before = current_text;
    current = faults;
    current_text = kept;
    generation++;
    atomic_store(&any, faults->length > 0);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    free_faults(before);
    free(text_before);
    return 0;
}

size_t faults_text(char *to, size_t room)
{
    pthread_mutex_lock(&lock);
    const char *text = current_text == NULL ? "{\"faults\":[]}\n" : current_text;
    size_t length = strlen(text) < room ? strlen(text) : room;
    memcpy(to, text, length);
    pthread_mutex_unlock(&lock);
    return length;
}

/* ---- doing them; all with the lock held ---- */

static int matches(const struct fault *fault, const char *path)
{
    size_t length = strlen(path), suffix = strlen(fault->suffix);
    return strncmp(path, fault->prefix, strlen(fault->prefix)) == 0 && suffix <= length &&
           strcmp(path + length - suffix, fault->suffix) == 0;
}

static int takes_space(enum disk_act act)
{
    return act == ACT_WRITE || act == ACT_GROW;
}

static int concerns(const struct fault *fault, enum disk_act act)
{
    switch (fault->type) {
    case UNREADABLE: case READ_DELAY:
        return act == ACT_READ;
    case UNWRITABLE:
        /* A full disk still syncs, renames and deletes; a broken one does nothing. */
        return fault->code == ENOSPC || fault->code == EDQUOT ? takes_space(act) : act != ACT_READ;
    case WRITE_DELAY:
        return act == ACT_WRITE || act == ACT_SYNC;
    default:
        return 0;
    }
}

static struct fault *first_of(enum fault_type type, const char *path)
{
    for (size_t at = 0; current != NULL && at < current->length; at++)
        if (current->each[at].type == type && matches(&current->each[at], path))
            return &current->each[at];
    return NULL;
}

static void wait_changed(long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    unsigned long since = generation;
    while (generation == since && pthread_cond_timedwait(&changed, &lock, &until) == 0)
        ;
}

int faults_before(enum disk_act act, const char *path)
{
    if (!atomic_load(&any))
        return 0;
    int answer = 0;
    long delay_ms = 0;
    pthread_mutex_lock(&lock);
    for (size_t at = 0; at < current->length && answer == 0; at++) {
        const struct fault *fault = &current->each[at];
        if (!concerns(fault, act) || !matches(fault, path))
            continue;
        if (fault->type == UNREADABLE || fault->type == UNWRITABLE)
            answer = -fault->code;
        else if (drand48() <= fault->fraction && fault->delay_ms > delay_ms)
            delay_ms = fault->delay_ms;
    }
    if (delay_ms > 0)
        wait_changed(delay_ms);
    pthread_mutex_unlock(&lock);
    return answer;
}

/* Answers how much is left. */
static size_t spoil(struct fault *fault, char *bytes, size_t size)
{
    if (fault->count > 0)
        fault->count--;
    else if (fault->count == 0) {
        fault->mode = DROP;
        fault->fraction = 1;
    }
    size_t spared = size - (size_t)(fault->fraction * (double)size);
    switch (fault->mode) {
    case DROP:
        return spared;
    case ZERO_SEQ:
        memset(bytes + spared, 0, size - spared);
        return size;
    case RAND_SEQ:
        for (size_t at = spared; at < size; at++)
            bytes[at] = (char)lrand48();
        return size;
    default:
        for (size_t at = 0; at < size; at++)
            if (drand48() <= fault->fraction)
                bytes[at] = fault->mode == ZERO ? 0 : (char)lrand48();
        return size;
    }
}

size_t faults_spoil_read(const char *path, char *bytes, size_t size)
{
    if (!atomic_load(&any))
        return size;
    pthread_mutex_lock(&lock);
    struct fault *fault = first_of(READ_CORRUPT, path);
    if (fault != NULL)
        size = spoil(fault, bytes, size);
    pthread_mutex_unlock(&lock);
    return size;
}

char *faults_spoil_write(const char *path, const char *bytes, size_t *size)
{
    if (!atomic_load(&any))
        return NULL;
    char *instead = NULL;
    pthread_mutex_lock(&lock);
    struct fault *fault = first_of(WRITE_CORRUPT, path);
    /* One byte more: of nothing malloc may answer NULL. */
    if (fault != NULL && (instead = malloc(*size + 1)) != NULL) {
        memcpy(instead, bytes, *size);
        *size = spoil(fault, instead, *size);
    }
    pthread_mutex_unlock(&lock);
    return instead;
}

int faults_full(void)
{
    int full = 0;
    pthread_mutex_lock(&lock);
    for (size_t at = 0; current != NULL && at < current->length; at++)
        full |= current->each[at].type == UNWRITABLE &&
                (current->each[at].code == ENOSPC || current->each[at].code == EDQUOT);
    pthread_mutex_unlock(&lock);
    return full;
}
