// Fails one system call of the program that it is preloaded into: the FAULT_AT-th FAULT_CALL (from 1) and those behind it, FAULT_TIMES
// in all (0: for ever), with errno FAULT_ERRNO; 0 makes it short instead. Only calls on files, folders and sockets count: an eventfd
// or an epoll set cannot fail like that. FAULT_FILE gets the number of calls seen, and of those failed, as two 8-byte integers.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *call;
static uint64_t first, times;
static int code;
static uint64_t *counts, none[2];

__attribute__((constructor)) static void start(void) {
  const char *at = getenv("FAULT_AT"), *many = getenv("FAULT_TIMES"), *number = getenv("FAULT_ERRNO"), *file = getenv("FAULT_FILE");
  counts = none;
  if (file) {
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    int fd = real(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, 16) == 0) {
      void *page = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (page != MAP_FAILED) counts = page;
    }
    if (fd >= 0) close(fd);
  }
  first = at ? strtoull(at, NULL, 10) : 0;
  times = many ? strtoull(many, NULL, 10) : 1;
  code = number ? atoi(number) : EIO;
  // Last: until now nothing counts.
  call = getenv("FAULT_CALL");
}

static int is_counted(int fd) {
  struct stat status;
  int before = errno;
  int known = fstat(fd, &status) == 0;
  errno = before;
  return !known || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode);
}

static int fires(const char *name) {
  if (!call || strcmp(call, name) != 0) return 0;
  uint64_t number = __atomic_add_fetch(&counts[0], 1, __ATOMIC_SEQ_CST);
  if (!first || number < first || (times && number >= first + times)) return 0;
  __atomic_add_fetch(&counts[1], 1, __ATOMIC_SEQ_CST);
  errno = code;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR_SHORT(name, fd, size) \
  if (is_counted(fd) && fires(name)) { \
    if (code) return -1; \
    if ((size) > 1) (size) /= 2; \
  }
#define FAIL(name) \
  if (code && fires(name)) return -1;

ssize_t write(int fd, const void *bytes, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = REAL(write);
  FAIL_OR_SHORT("write", fd, size)
  return real(fd, bytes, size);
}

ssize_t read(int fd, void *bytes, size_t size) {
  static ssize_t (*real)(int, void *, size_t);
  if (!real) real = REAL(read);
  FAIL_OR_SHORT("read", fd, size)
  return real(fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) {
  static ssize_t (*real)(int, void *, size_t, off_t);
  if (!real) real = REAL(pread);
  FAIL_OR_SHORT("pread", fd, size)
  return real(fd, bytes, size, at);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) { return pread(fd, bytes, size, at); }

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
  static ssize_t (*real)(int, const void *, size_t, int);
  if (!real) real = REAL(send);
  FAIL_OR_SHORT("send", fd, size)
  return real(fd, bytes, size, flags);
}

int fdatasync(int fd) {
  FAIL("fdatasync")
  return REAL(fdatasync)(fd);
}

int fsync(int fd) {
  FAIL("fsync")
  return REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size) {
  FAIL("ftruncate")
  return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int rename(const char *old, const char *new) {
  FAIL("rename")
  return REAL(rename)(old, new);
}

int unlink(const char *path) {
  FAIL("unlink")
  return REAL(unlink)(path);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  FAIL("accept")
  return REAL(accept4)(fd, address, length, flags);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;
  va_end(arguments);
  FAIL("open")
  return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return open(path, flags, mode);
}
