/*
 * A disk that fails on request: a file system that passes everything on to a directory, except what its faults say.
 *
 *     faulty-disk <mount point> <directory>
 *
 * Stays in the foreground; SIGTERM unmounts. Faults are read from and written to `kibosh_control` at its root, which is in
 * no listing. The page cache is the kernel's, so that files can be mapped; it is dropped when faults change.
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL "/kibosh_control"
#define MAX_CONTROL 65536
/* Each delayed act takes a thread, and the control file needs one more. */
#define MAX_THREADS 256

static int backing = -1;
static struct fuse *fuse;

/* ---- open files ---- */

/* The control file has none: its handle is NULL. */
struct handle {
    int fd;
    char *path;
    struct handle *before, *after;
};

static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handle *handles;

static struct handle *handle_of(const struct fuse_file_info *info)
{
    return (struct handle *)(uintptr_t)info->fh;
}

static int is_control(const char *path)
{
    return path != NULL && strcmp(path, CONTROL) == 0;
}

/* Paths below the mount point, as calls that end in `at` take them. */
static const char *below(const char *path)
{
    return path[1] == '\0' ? "." : path + 1;
}

static int answer(int result)
{
    return result == -1 ? -errno : result;
}

static int keep_handle(int fd, const char *path, struct fuse_file_info *info)
{
    struct handle *handle = malloc(sizeof *handle);
    char *copy = strdup(path);
    if (handle == NULL || copy == NULL) {
        free(handle);
        free(copy);
        close(fd);
        return -ENOMEM;
    }
    pthread_mutex_lock(&handles_lock);
    *handle = (struct handle){ fd, copy, NULL, handles };
    if (handles != NULL)
        handles->before = handle;
    handles = handle;
    pthread_mutex_unlock(&handles_lock);
    info->fh = (uintptr_t)handle;
    return 0;
}

/* Faults go by the name a file has now; renaming a directory renames what is open in it. */
static void rename_handles(const char *from, const char *to)
{
    size_t length = strlen(from);
    pthread_mutex_lock(&handles_lock);
    for (struct handle *each = handles; each != NULL; each = each->after) {
        if (strncmp(each->path, from, length) != 0 || (each->path[length] != '\0' && each->path[length] != '/'))
            continue;
        char *renamed;
        /* The old name is not freed: an act that goes on may be looking at it. Names are few and short. */
        if (asprintf(&renamed, "%s%s", to, each->path + length) != -1)
            each->path = renamed;
    }
    pthread_mutex_unlock(&handles_lock);
}

/* What the kernel remembers of open files may be what faults would have changed. Others are read anew when opened. */
static void drop_caches(void)
{
    size_t length = 0, at = 0;
    pthread_mutex_lock(&handles_lock);
    for (const struct handle *each = handles; each != NULL; each = each->after)
        length++;
    char **paths = calloc(length + 1, sizeof *paths);
    for (const struct handle *each = handles; each != NULL && paths != NULL; each = each->after)
        paths[at++] = strdup(each->path);
    pthread_mutex_unlock(&handles_lock);
    while (paths != NULL && at-- > 0) {
        if (paths[at] != NULL)
            fuse_invalidate_path(fuse, paths[at]);
        free(paths[at]);
    }
    free(paths);
}

/* ---- names ---- */

/* Of an open file there is no path: it may have been deleted. Without a handle it is the control file. */
static const char *name_of(const char *path, const struct fuse_file_info *info)
{
    if (info == NULL)
        return path;
    return handle_of(info) == NULL ? CONTROL : handle_of(info)->path;
}

static int disk_getattr(const char *path, struct stat *found, struct fuse_file_info *info)
{
    if (is_control(name_of(path, info))) {
        char text[MAX_CONTROL];
        *found = (struct stat){ .st_mode = S_IFREG | 0600, .st_nlink = 1, .st_uid = geteuid(), .st_gid = getegid() };
        found->st_size = (off_t)faults_text(text, sizeof text);
        return 0;
    }
    if (info != NULL)
        return answer(fstat(handle_of(info)->fd, found));
    return answer(fstatat(backing, below(path), found, AT_SYMLINK_NOFOLLOW));
}

static int disk_readlink(const char *path, char *to, size_t room)
{
    ssize_t length = readlinkat(backing, below(path), to, room - 1);
    if (length == -1)
        return -errno;
    to[length] = '\0';
    return 0;
}

static int disk_mkdir(const char *path, mode_t mode)
{
    int failed = faults_before(ACT_GROW, path);
    return failed ? failed : answer(mkdirat(backing, below(path), mode));
}

static int disk_unlink(const char *path)
{
    if (is_control(path))
        return -EPERM;
    int failed = faults_before(ACT_CHANGE, path);
    return failed ? failed : answer(unlinkat(backing, below(path), 0));
}

static int disk_rmdir(const char *path)
{
    int failed = faults_before(ACT_CHANGE, path);
    return failed ? failed : answer(unlinkat(backing, below(path), AT_REMOVEDIR));
}

static int disk_symlink(const char *target, const char *path)
{
    int failed = faults_before(ACT_GROW, path);
    return failed ? failed : answer(symlinkat(target, backing, below(path)));
}

static int disk_link(const char *from, const char *to)
{
    if (is_control(from) || is_control(to))
        return -EPERM;
    int failed = faults_before(ACT_GROW, to);
    return failed ? failed : answer(linkat(backing, below(from), backing, below(to), 0));
}

static int disk_rename(const char *from, const char *to, unsigned int flags)
{
    if (is_control(from) || is_control(to))
        return -EPERM;
    int failed = faults_before(ACT_CHANGE, from);
    if (failed)
        return failed;
    if (renameat2(backing, below(from), backing, below(to), flags) == -1)
        return -errno;
    if (flags == 0)
        rename_handles(from, to);
    return 0;
}

static int change_fails(const char *name)
{
    return is_control(name) ? -EPERM : faults_before(ACT_CHANGE, name);
}

static int disk_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    int failed = change_fails(name_of(path, info));
    if (failed)
        return failed;
    return answer(info != NULL ? fchmod(handle_of(info)->fd, mode) : fchmodat(backing, below(path), mode, 0));
}

static int disk_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *info)
{
    int failed = change_fails(name_of(path, info));
    if (failed)
        return failed;
    return answer(info != NULL ? fchown(handle_of(info)->fd, user, group)
                               : fchownat(backing, below(path), user, group, AT_SYMLINK_NOFOLLOW));
}

static int disk_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    const char *name = name_of(path, info);
    if (is_control(name))
        return 0;
    int failed = change_fails(name);
    if (failed)
        return failed;
    return answer(info != NULL ? futimens(handle_of(info)->fd, times)
                               : utimensat(backing, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int disk_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    const char *name = name_of(path, info);
    /* `> kibosh_control` of a shell. */
    if (is_control(name))
        return 0;
    int failed = change_fails(name);
    if (failed)
        return failed;
    if (info != NULL)
        return answer(ftruncate(handle_of(info)->fd, size));
    int fd = openat(backing, below(path), O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return -errno;
    int result = answer(ftruncate(fd, size));
    close(fd);
    return result;
}

static int disk_opendir(const char *path, struct fuse_file_info *info)
{
    int fd = openat(backing, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd == -1 ? -errno : keep_handle(fd, path, info);
}

static int disk_readdir(const char *path, void *to, fuse_fill_dir_t fill, off_t from, struct fuse_file_info *info,
                        enum fuse_readdir_flags flags)
{
    (void)path, (void)from, (void)flags;
    int failed = faults_before(ACT_READ, handle_of(info)->path);
    if (failed)
        return failed;
    /* A descriptor of its own: each listing begins at the beginning. */
    int fd = openat(handle_of(info)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd == -1 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        failed = -errno;
        if (fd != -1)
            close(fd);
        return failed;
    }
    const struct dirent *each;
    while ((each = readdir(folder)) != NULL) {
        struct stat found = { .st_ino = each->d_ino, .st_mode = (mode_t)each->d_type << 12 };
        if (fill(to, each->d_name, &found, 0, 0) != 0)
            break;
    }
    closedir(folder);
    return 0;
}

static int disk_statfs(const char *path, struct statvfs *found)
{
    (void)path;
    if (fstatvfs(backing, found) == -1)
        return -errno;
    if (faults_full())
        found->f_bfree = found->f_bavail = 0;
    return 0;
}

/* ---- content ---- */

static int open_at(const char *path, int flags, mode_t mode, struct fuse_file_info *info)
{
    if (flags & O_DIRECT)
        return -EINVAL;
    /* The kernel says where each write goes, also of a file that is appended to. */
    int fd = openat(backing, below(path), (flags & ~(O_APPEND | O_NOFOLLOW)) | O_CLOEXEC, mode);
    return fd == -1 ? -errno : keep_handle(fd, path, info);
}

static int disk_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    int failed = faults_before(ACT_GROW, path);
    return failed ? failed : open_at(path, info->flags | O_CREAT, mode, info);
}

static int disk_open(const char *path, struct fuse_file_info *info)
{
    if (is_control(path)) {
        info->direct_io = 1;
        info->fh = 0;
        return 0;
    }
    return open_at(path, info->flags, 0, info);
}

static int disk_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    struct handle *handle = handle_of(info);
    if (handle == NULL)
        return 0;
    pthread_mutex_lock(&handles_lock);
    if (handle->before == NULL)
        handles = handle->after;
    else
        handle->before->after = handle->after;
    if (handle->after != NULL)
        handle->after->before = handle->before;
    pthread_mutex_unlock(&handles_lock);
    close(handle->fd);
    free(handle->path);
    free(handle);
    return 0;
}

static int read_control(char *to, size_t size, off_t from)
{
    char text[MAX_CONTROL];
    size_t length = faults_text(text, sizeof text);
    if (from < 0 || (size_t)from >= length)
        return 0;
    size_t part = length - (size_t)from < size ? length - (size_t)from : size;
    memcpy(to, text + from, part);
    return (int)part;
}

static int disk_read(const char *path, char *to, size_t size, off_t from, struct fuse_file_info *info)
{
    (void)path;
    const struct handle *handle = handle_of(info);
    if (handle == NULL)
        return read_control(to, size, from);
    int failed = faults_before(ACT_READ, handle->path);
    if (failed)
        return failed;
    size_t done = 0;
    while (done < size) {
        ssize_t part = pread(handle->fd, to + done, size - done, from + (off_t)done);
        if (part == -1)
            return -errno;
        if (part == 0)
            break;
        done += (size_t)part;
    }
    return (int)faults_spoil_read(handle->path, to, done);
}

static int write_all(int fd, const char *bytes, size_t size, off_t from)
{
    for (size_t done = 0; done < size;) {
        ssize_t part = pwrite(fd, bytes + done, size - done, from + (off_t)done);
        if (part == -1)
            return -errno;
        done += (size_t)part;
    }
    return 0;
}

static int disk_write(const char *path, const char *bytes, size_t size, off_t from, struct fuse_file_info *info)
{
    (void)path;
    const struct handle *handle = handle_of(info);
    if (handle == NULL) {
        int changes_reads = 0;
        int failed = from != 0 ? -EINVAL : faults_set(bytes, size, &changes_reads);
        /* It waits for writes that are under way: for ever, when these are slow and only they are to be. */
        if (changes_reads)
            drop_caches();
        return failed ? failed : (int)size;
    }
    int failed = faults_before(ACT_WRITE, handle->path);
    if (failed)
        return failed;
    size_t left = size;
    char *instead = faults_spoil_write(handle->path, bytes, &left);
    failed = write_all(handle->fd, instead == NULL ? bytes : instead, left, from);
    free(instead);
    return failed ? failed : (int)size;
}

static int disk_fsync(const char *path, int only_data, struct fuse_file_info *info)
{
    (void)path;
    const struct handle *handle = handle_of(info);
    if (handle == NULL)
        return 0;
    int failed = faults_before(ACT_SYNC, handle->path);
    return failed ? failed : answer(only_data ? fdatasync(handle->fd) : fsync(handle->fd));
}

static int disk_fallocate(const char *path, int mode, off_t from, off_t length, struct fuse_file_info *info)
{
    (void)path;
    const struct handle *handle = handle_of(info);
    if (handle == NULL)
        return -EOPNOTSUPP;
    int failed = faults_before(ACT_GROW, handle->path);
    return failed ? failed : answer(fallocate(handle->fd, mode, from, length));
}

static void *disk_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    /* An open file that is deleted stays what it is: the handle knows it, no name is needed. */
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    return NULL;
}

static const struct fuse_operations OPERATIONS = {
    .init = disk_init,
    .getattr = disk_getattr,
    .readlink = disk_readlink,
    .mkdir = disk_mkdir,
    .unlink = disk_unlink,
    .rmdir = disk_rmdir,
    .symlink = disk_symlink,
    .link = disk_link,
    .rename = disk_rename,
    .chmod = disk_chmod,
    .chown = disk_chown,
    .utimens = disk_utimens,
    .truncate = disk_truncate,
    .opendir = disk_opendir,
    .readdir = disk_readdir,
    .releasedir = disk_release,
    .statfs = disk_statfs,
    .create = disk_create,
    .open = disk_open,
    .release = disk_release,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
    .fsyncdir = disk_fsync,
    .fallocate = disk_fallocate,
};

static int failed_with(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int serve(const char *mount_point)
{
    struct fuse_loop_config *loop = fuse_loop_cfg_create();
    if (loop == NULL || fuse_mount(fuse, mount_point) != 0)
        return failed_with(mount_point);
    fuse_set_signal_handlers(fuse_get_session(fuse));
    fuse_loop_cfg_set_max_threads(loop, MAX_THREADS);
    fuse_loop_cfg_set_idle_threads(loop, 16);
    int ended = fuse_loop_mt(fuse, loop);
    fuse_unmount(fuse);
    fuse_loop_cfg_destroy(loop);
    return ended < 0;
}

int main(int count, char *arguments[])
{
    if (count != 3) {
        fprintf(stderr, "usage: faulty-disk <mount point> <directory>\n");
        return 2;
    }
    /* Files have the modes their makers ask for. */
    umask(0);
    backing = open(arguments[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (backing == -1)
        return failed_with(arguments[2]);
    char options[] = "fsname=ajna-faulty-disk,default_permissions";
    char *mounting[] = { arguments[0], "-o", options, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(3, mounting);
    fuse = fuse_new(&args, &OPERATIONS, sizeof OPERATIONS, NULL);
    return fuse == NULL ? failed_with("fuse") : serve(arguments[1]);
}
