/* What a process does to the files below one folder: counted, logged, refused, or cut short by SIGKILL.

   Loaded with LD_PRELOAD; does nothing until `fault_root` names the folder. Calls are counted from `fault_arm` on, over all
   threads, and made one at a time. The log is what a model of a disk is fed with (disk.py): the bytes of every write in
   the order of the calls, and what was synced when. Files are named by their inodes, so only calls that change a folder
   have names in them. What is written through a mapping cannot be seen; no store keeps in one what has to last. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The same numbers are in disk.py and in shim.py. */
enum { WRITE = 1, SYNC, TRUNCATE, CREATE, RENAME, UNLINK, LINK, MKDIR, RMDIR, NOTE };
enum { COUNT, KILL_BEFORE, KILL_WITHIN, REFUSE, SPOIL };
enum { GO, REFUSED, LAST, SPOILT }; /* a spoilt write can be read back, and is not on the disk */
enum { FILES = 65536, PLAIN = 1, SYNCED = 2 };

struct head {
    uint32_t operation, synced;
    int64_t inode, number; /* the offset, or the length of a truncated file */
    uint32_t first, second; /* lengths of what follows: the data or a name, another name */
};

static char root[4096];
static size_t root_length;
static unsigned char tracked[FILES];
static int mode, error, log_file = -1;
static unsigned kinds;
static long count, target;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...)                                                                    \
    static result (*real)(__VA_ARGS__);                                                            \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) &&
           (path[root_length] == '/' || !path[root_length]);
}

static void record(int operation, int synced, int64_t inode, int64_t number, const void *first, size_t length,
                   const char *second) {
    REAL(ssize_t, write, int, const void *, size_t);
    size_t other = second ? strlen(second) : 0;
    struct head head = {operation, synced, inode, number, length, other};
    if (log_file < 0) return;
    if (real(log_file, &head, sizeof head) < 0 || real(log_file, first, length) < 0 || (other && real(log_file, second, other) < 0))
        abort();
}

/* Called with the lock held, which `leave` gives back. */
static int enter(int operation) {
    pthread_mutex_lock(&one_at_a_time);
    if (!(kinds >> operation & 1)) return GO;
    count++;
    if (mode == KILL_BEFORE && count == target) die();
    if (mode == KILL_WITHIN && count == target) return LAST;
    if (mode == REFUSE && count >= target) return REFUSED;
    if (mode == SPOIL && count == target) return operation == WRITE ? SPOILT : REFUSED;
    return GO;
}

static void leave(int how) {
    if (how == LAST) die();
    pthread_mutex_unlock(&one_at_a_time);
    if (how == REFUSED || how == SPOILT) errno = error;
}

/* What a test calls. */

void fault_root(const char *path) {
    snprintf(root, sizeof root, "%s", path);
    root_length = strlen(root);
}

void fault_arm(int new_mode, long new_target, unsigned new_kinds, int new_error) {
    pthread_mutex_lock(&one_at_a_time);
    mode = new_mode, target = new_target, kinds = new_kinds, error = new_error, count = 0;
    pthread_mutex_unlock(&one_at_a_time);
}

long fault_count(void) { return count; }

void fault_log(const char *path) {
    REAL(int, open64, const char *, int, ...);
    log_file = real(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

void fault_note(const char *text) {
    pthread_mutex_lock(&one_at_a_time);
    record(NOTE, 0, 0, 0, text, strlen(text), NULL);
    pthread_mutex_unlock(&one_at_a_time);
}

/* Opening and closing. */

static int64_t inode_of(int number) {
    struct stat status;
    return fstat(number, &status) ? 0 : (int64_t)status.st_ino;
}

static int64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : (int64_t)status.st_ino;
}

static int opened(int (*real)(int, const char *, int, ...), int folder, const char *path, int flags, mode_t access) {
    if (!below(path)) return real(folder, path, flags, access);
    int created = (flags & O_CREAT) && !inode_at(path);
    int how = created ? enter(CREATE) : GO, number = -1;
    if (how != REFUSED) {
        number = real(folder, path, flags, access);
        if (number >= 0 && number < FILES) tracked[number] = flags & O_DSYNC ? SYNCED : PLAIN;
        if (number >= 0 && created) record(CREATE, 0, inode_of(number), 0, path, strlen(path), NULL);
        else if (number >= 0 && flags & O_TRUNC) record(TRUNCATE, 0, inode_of(number), 0, "", 0, NULL);
    }
    if (created) leave(how);
    return number;
}

#define ACCESS                                                                                     \
    mode_t access = 0;                                                                             \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        access = va_arg(rest, mode_t);                                                             \
        va_end(rest);                                                                              \
    }
#define OPEN                                                                                       \
    static int (*real)(int, const char *, int, ...);                                               \
    if (!real) real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64")

int open(const char *path, int flags, ...) { OPEN; ACCESS; return opened(real, AT_FDCWD, path, flags, access); }
int open64(const char *path, int flags, ...) { OPEN; ACCESS; return opened(real, AT_FDCWD, path, flags, access); }
int __open_2(const char *path, int flags) { OPEN; return opened(real, AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { OPEN; return opened(real, AT_FDCWD, path, flags, 0); }
int openat(int folder, const char *path, int flags, ...) { OPEN; ACCESS; return opened(real, folder, path, flags, access); }
int openat64(int folder, const char *path, int flags, ...) { OPEN; ACCESS; return opened(real, folder, path, flags, access); }

int close(int number) {
    REAL(int, close, int);
    if (number >= 0 && number < FILES) tracked[number] = 0;
    return real(number);
}

/* Files. */

static int watched(int number) { return number >= 0 && number < FILES && tracked[number]; }

static ssize_t written(int number, const struct iovec *parts, int many, off_t offset, int moves) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    int how = enter(WRITE);
    size_t whole = 0, length, done = 0;
    ssize_t result = -1;
    for (int i = 0; i < many; i++) whole += parts[i].iov_len;
    length = how == LAST ? whole / 2 : whole;
    if (how != REFUSED) {
        if (moves) offset = lseek(number, 0, SEEK_CUR);
        result = 0;
        for (int i = 0; i < many && done < length; i++) {
            size_t size = parts[i].iov_len < length - done ? parts[i].iov_len : length - done;
            result = real(number, parts[i].iov_base, size, offset + done);
            if (result < 0) break;
            record(WRITE, how != SPOILT && tracked[number] == SYNCED, inode_of(number), offset + done, parts[i].iov_base, result, NULL);
            done += result;
            if ((size_t)result < size) break;
        }
        if (result >= 0 || done) result = how == SPOILT ? -1 : (ssize_t)done;
        if (moves && result > 0) lseek(number, offset + result, SEEK_SET);
    }
    leave(how);
    return result;
}

ssize_t write(int number, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    struct iovec part = {(void *)data, size};
    return watched(number) ? written(number, &part, 1, 0, 1) : real(number, data, size);
}

ssize_t writev(int number, const struct iovec *parts, int many) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return watched(number) ? written(number, parts, many, 0, 1) : real(number, parts, many);
}

ssize_t pwrite64(int number, const void *data, size_t size, off_t offset) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    struct iovec part = {(void *)data, size};
    return watched(number) ? written(number, &part, 1, offset, 0) : real(number, data, size, offset);
}

ssize_t pwritev64(int number, const struct iovec *parts, int many, off_t offset) {
    REAL(ssize_t, pwritev64, int, const struct iovec *, int, off_t);
    return watched(number) ? written(number, parts, many, offset, 0) : real(number, parts, many, offset);
}

ssize_t pwrite(int number, const void *data, size_t size, off_t offset) { return pwrite64(number, data, size, offset); }
ssize_t pwritev(int number, const struct iovec *parts, int many, off_t offset) { return pwritev64(number, parts, many, offset); }

/* Whoever is refused these writes instead, which can be seen. */
ssize_t sendfile64(int to, int from, off_t *offset, size_t size) {
    REAL(ssize_t, sendfile64, int, int, off_t *, size_t);
    if (!watched(to)) return real(to, from, offset, size);
    errno = EINVAL;
    return -1;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) { return sendfile64(to, from, offset, size); }

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *offset, size_t size, unsigned flags) {
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!watched(to)) return real(from, at, to, offset, size, flags);
    errno = EINVAL;
    return -1;
}

#define SYNCING(name)                                                                              \
    int name(int number) {                                                                         \
        REAL(int, name, int);                                                                      \
        if (!watched(number)) return real(number);                                                 \
        int how = enter(SYNC), result = how == REFUSED ? -1 : real(number);                        \
        if (!result) record(SYNC, 0, inode_of(number), 0, "", 0, NULL);                            \
        leave(how);                                                                                \
        return result;                                                                             \
    }
SYNCING(fsync)
SYNCING(fdatasync)

int ftruncate64(int number, off_t length) {
    REAL(int, ftruncate64, int, off_t);
    if (!watched(number)) return real(number, length);
    int how = enter(TRUNCATE), result = how == REFUSED ? -1 : real(number, length);
    if (!result) record(TRUNCATE, 0, inode_of(number), length, "", 0, NULL);
    leave(how);
    return result;
}

int truncate64(const char *path, off_t length) {
    REAL(int, truncate64, const char *, off_t);
    if (!below(path)) return real(path, length);
    int how = enter(TRUNCATE), result = how == REFUSED ? -1 : real(path, length);
    if (!result) record(TRUNCATE, 0, inode_at(path), length, "", 0, NULL);
    leave(how);
    return result;
}

int ftruncate(int number, off_t length) { return ftruncate64(number, length); }
int truncate(const char *path, off_t length) { return truncate64(path, length); }

/* Names. */

#define NAMING(name, operation)                                                                    \
    int name(const char *path) {                                                                   \
        REAL(int, name, const char *);                                                             \
        if (!below(path)) return real(path);                                                       \
        int how = enter(operation), result = how == REFUSED ? -1 : real(path);                     \
        if (!result) record(operation, 0, 0, 0, path, strlen(path), NULL);                         \
        leave(how);                                                                                \
        return result;                                                                             \
    }
NAMING(unlink, UNLINK)
NAMING(rmdir, RMDIR)

#define MOVING(name, operation)                                                                    \
    int name(const char *from, const char *to) {                                                   \
        REAL(int, name, const char *, const char *);                                               \
        if (!below(to)) return real(from, to);                                                     \
        int how = enter(operation), result = how == REFUSED ? -1 : real(from, to);                 \
        if (!result) record(operation, 0, 0, 0, from, strlen(from), to);                           \
        leave(how);                                                                                \
        return result;                                                                             \
    }
MOVING(rename, RENAME)
MOVING(link, LINK)

int mkdir(const char *path, mode_t access) {
    REAL(int, mkdir, const char *, mode_t);
    if (!below(path)) return real(path, access);
    int how = enter(MKDIR), result = how == REFUSED ? -1 : real(path, access);
    if (!result) record(MKDIR, 0, inode_at(path), 0, path, strlen(path), NULL);
    leave(how);
    return result;
}
