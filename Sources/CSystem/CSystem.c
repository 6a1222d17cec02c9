#define _GNU_SOURCE
#include "CSystem.h"
#include <pthread.h>

int csystem_accept4(int fd, int flags) { return accept4(fd, 0, 0, flags); }

int csystem_set_dumpable(int dumpable) { return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }

int csystem_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -1;
  *pid = peer.pid;
  *uid = peer.uid;
  *gid = peer.gid;
  return 0;
}

void csystem_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
