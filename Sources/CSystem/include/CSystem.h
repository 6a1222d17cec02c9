#pragma once
// Headers that Swift's Glibc module does not carry. See Sources/Posix for the only user.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

/// accept4(2) without the peer's address: the glibc prototype does not type-check in Swift.
int csystem_accept4(int fd, int flags);
