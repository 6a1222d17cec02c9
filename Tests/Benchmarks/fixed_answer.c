// A model server that always says the same after a fixed time, and a client that costs next to nothing: what is left of a
// call's time beyond the raw client's is the asker's own.
//
//   fixed_answer serve MICROSECONDS FILE      one thread, keep-alive; prints LISTENING PORT; answers every POST with FILE
//   fixed_answer ask PORT COUNT IN_FLIGHT FILE    posts FILE; prints one line a call: its time in microseconds
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most = 4096, room = 1 << 18 };

struct peer {
  int fd;
  size_t used;
  int64_t since;
  char *in;
};

static struct peer peers[most];
static char answer[room], head[256], everything[room + 256];
static size_t total;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  size_t size = fread(answer, 1, sizeof answer, file);
  if (size == sizeof answer) {
    fputs("the file is too large\n", stderr);
    exit(1);
  }
  fclose(file);
  return size;
}

// The end of the message at the front of the buffer, 0 while it is not whole.
static size_t whole(const char *in, size_t used) {
  const char *end = memmem(in, used, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t length = 0;
  for (const char *line = in; line < end; line = (const char *)memchr(line, '\n', end + 2 - line) + 1)
    if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, 0, 10);
  size_t size = end + 4 - in + length;
  return used >= size ? size : 0;
}

static void send_all(int fd, const char *data, size_t size) {
  while (size) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    data += n;
    size -= n;
  }
}

static void enter(int epoll, int fd) {
  int on = 1;
  if (fd >= most) exit(1);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!peers[fd].in && !(peers[fd].in = malloc(room))) exit(1);
  peers[fd].fd = fd;
  peers[fd].used = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

// Reads what is there; false at the end of the connection.
static int take(struct peer *p) {
  if (p->used == room) return 0;
  ssize_t n = recv(p->fd, p->in + p->used, room - p->used, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (n <= 0) return 0;
  p->used += n;
  return 1;
}

static void drop(struct peer *p, size_t size) {
  p->used -= size;
  memmove(p->in, p->in + size, p->used);
}

static void serve(int64_t wait_ns) {
  // The wait is the same for all, so what came first is due first.
  static struct { int fd; int64_t due; } line[most];
  unsigned first = 0, last = 0;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 512)) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("LISTENING %d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct timespec left, *until = 0;
    if (first != last) {
      int64_t ns = line[first % most].due - now();
      if (ns < 0) ns = 0;
      left = (struct timespec){ns / 1000000000, ns % 1000000000};
      until = &left;
    }
    int count = epoll_pwait2(epoll, events, 64, until, 0);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int peer = accept4(listener, 0, 0, 0);
        if (peer >= 0) enter(epoll, peer);
        continue;
      }
      struct peer *p = &peers[fd];
      if (!take(p)) {
        close(fd);
        p->fd = -1;
        continue;
      }
      size_t size = whole(p->in, p->used);
      if (!size) continue;
      drop(p, size);
      line[last % most].fd = fd;
      line[last++ % most].due = now() + wait_ns;
    }
    for (int64_t at = now(); first != last && line[first % most].due <= at; first++) {
      struct peer *p = &peers[line[first % most].fd];
      if (p->fd >= 0) send_all(p->fd, everything, total);
    }
  }
}

static void ask(int port, int count, int in_flight) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event events[64];
  int epoll = epoll_create1(0), asked = 0, answered = 0;
  for (; asked < in_flight && asked < count; asked++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    enter(epoll, fd);
    peers[fd].since = now();
    send_all(fd, everything, total);
  }
  while (answered < count) {
    int ready = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      struct peer *p = &peers[events[i].data.fd];
      if (!take(p)) exit(1);
      size_t size = whole(p->in, p->used);
      if (!size) continue;
      printf("%.1f\n", (now() - p->since) / 1e3);
      answered++;
      drop(p, size);
      if (asked < count) {
        asked++;
        p->since = now();
        send_all(p->fd, everything, total);
      }
    }
  }
}

int main(int argc, char **argv) {
  int is_server = argc == 4 && !strcmp(argv[1], "serve"), is_client = argc == 6 && !strcmp(argv[1], "ask");
  if (!is_server && !is_client) return 2;
  size_t size = read_file(argv[argc - 1]);
  snprintf(head, sizeof head, "%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
           is_server ? "HTTP/1.1 200 OK" : "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1", size);
  total = strlen(head) + size;
  memcpy(everything, head, strlen(head));
  memcpy(everything + strlen(head), answer, size);
  if (is_server) serve(atoll(argv[2]) * 1000);
  ask(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
}
