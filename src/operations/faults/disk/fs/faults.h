#ifndef AJNA_FAULTS_H
#define AJNA_FAULTS_H

#include <stddef.h>

/*
 * The faults of one disk: Kibosh's six types (confluentinc/kibosh, fault.h), given as its control file is.
 * All functions may be called by any thread.
 */

/* What is about to be done; which faults concern it follows from that. */
enum disk_act {
    ACT_READ,
    ACT_WRITE,
    ACT_SYNC,
    /* A new name or a longer file: fails on a full disk as a write does. */
    ACT_GROW,
    /* Whatever else changes the disk and takes no space. */
    ACT_CHANGE,
};

/*
 * 0, or -EINVAL: nothing has changed then. Delayed acts go on at once. `*changes_reads`: what is read may differ from what was read
 * before.
 */
int faults_set(const char *text, size_t length, int *changes_reads);

/* As it was set; `room` bytes at most. Answers the length. */
size_t faults_text(char *to, size_t room);

/* Waits if the act is to be delayed. 0, or what it fails with (negative). */
int faults_before(enum disk_act act, const char *path);

/* Spoils what was read. Answers how much of it there is. */
size_t faults_spoil_read(const char *path, char *bytes, size_t size);

/*
 * What is to be written instead; NULL: the same. Otherwise to be freed, and `*size` of it is to be written, while the writer
 * is told that all was.
 */
char *faults_spoil_write(const char *path, const char *bytes, size_t *size);

/* Whether the disk is to say that it has no space. */
int faults_full(void);

#endif
