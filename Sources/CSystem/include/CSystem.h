#pragma once
// Headers that Swift's Glibc module does not carry, and calls that do not import into Swift (variadic,
// or with a prototype that does not type-check). See Sources/Posix for the only user.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

/// accept4(2) without the peer's address: the glibc prototype does not type-check in Swift.
int csystem_accept4(int fd, int flags);

/// prctl(2) is variadic, which Swift does not import.
int csystem_set_dumpable(int dumpable);

/// SO_PEERCRED: struct ucred is hidden behind _GNU_SOURCE.
int csystem_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid);

/// Names the calling thread, as `top -H` shows it; at most 15 bytes.
void csystem_name_thread(const char *name);
