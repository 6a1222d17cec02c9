#pragma once
// Headers that Swift's Glibc module does not carry, and calls that do not import into Swift (variadic,
// or with a prototype that does not type-check). See Sources/Posix for the only user.
#include <malloc.h>
#include <spawn.h>
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

/// Sends one byte and, with it, a descriptor over a Unix socket (SCM_RIGHTS), without waiting or SIGPIPE; the CMSG macros
/// do not import. Returns as sendmsg(2).
ssize_t csystem_send_descriptor(int socket, int fd);

/// Receives what csystem_send_descriptor sent; the descriptor is closed on exec. Returns as recvmsg(2); *fd is -1 where
/// none came.
ssize_t csystem_receive_descriptor(int socket, int *fd);

/// posix_spawn_file_actions_addclosefrom_np(3), which is hidden behind _GNU_SOURCE.
int csystem_spawn_close_from(posix_spawn_file_actions_t *actions, int from);

/// Names the calling thread, as `top -H` shows it; at most 15 bytes.
void csystem_name_thread(const char *name);
