/* A sender of calls at a steady rate, as agents' clients are: it never waits. What the socket does not take is dropped and
 * counted, and leaves a hole in the numbers of the frames.
 *
 *   sender SOCKET RATE SECONDS BYTES CONNECTIONS PREFIX [answers]
 *
 * RATE: calls a second over all connections; 0: as fast as it can, waiting for the socket instead of dropping, SECONDS × 1000
 * calls in all. BYTES: of a call's frame. answers: each call is followed by its answer, of about 300 bytes. Every tenth call names
 * the task `open`, the others `t`.
 *
 * Ends each connection with a numbered ping and waits for its pong, so that every frame that was taken has been handled. Prints one
 * JSON object: frames written and dropped, calls and answers among those written, microseconds of the slowest write, seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST 64
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sender {
  int fd;
  long number;
  /* The rest of a frame of which the socket took a part. */
  char rest[4096];
  size_t left;
} senders[MOST];

static long written, dropped, calls, answers;
static double slowest;

static ssize_t give(struct sender *s, const char *bytes, size_t count) {
  double start = now();
  ssize_t sent = send(s->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
  double took = now() - start;
  if (took > slowest) slowest = took;
  if (sent < 0 && errno != EAGAIN) die("send");
  return sent < 0 ? 0 : sent;
}

static void wait_writable(struct sender *s) {
  struct pollfd p = {.fd = s->fd, .events = POLLOUT};
  if (poll(&p, 1, 30000) <= 0) die("the router has not read for 30 s");
}

/* Sends what is left of a frame; whether nothing is. */
static int finish(struct sender *s, int waits) {
  while (s->left > 0) {
    ssize_t sent = give(s, s->rest, s->left);
    memmove(s->rest, s->rest + sent, s->left - sent);
    s->left -= sent;
    if (s->left > 0 && !waits) return 0;
    if (s->left > 0) wait_writable(s);
  }
  return 1;
}

/* Whether the frame went out, or so much of it that the rest has to. */
static int put(struct sender *s, const char *frame, size_t count, int waits) {
  ssize_t sent = 0;
  s->number++;
  if (!finish(s, waits)) return dropped++, 0;
  while ((sent = give(s, frame, count)) == 0) {
    if (!waits) return dropped++, 0;
    wait_writable(s);
  }
  s->left = count - sent;
  memcpy(s->rest, frame + sent, s->left);
  written++;
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 7) return fprintf(stderr, "usage: sender SOCKET RATE SECONDS BYTES CONNECTIONS PREFIX [answers]\n"), 2;
  double rate = atof(argv[2]), seconds = atof(argv[3]);
  int bytes = atoi(argv[4]), count = atoi(argv[5]), with_answers = argc > 7;
  if (bytes < 200 || bytes > 4096 || count < 1 || count > MOST) return fprintf(stderr, "200 to 4,096 bytes, 1 to %d connections\n", MOST), 2;
  for (int i = 0; i < count; i++) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    senders[i].fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(senders[i].fd, (void *)&address, sizeof address)) die("connect");
  }
  static char text[4096], frame[8192];
  static const char words[] = "the importer stopped at row twelve of the file and said nothing more about it; ";
  for (int i = 0; i < bytes; i++) text[i] = words[i % (sizeof words - 1)];
  double start = now();
  long total = rate > 0 ? (long)(rate * seconds) : (long)(seconds * 1000);
  for (long i = 0; i < total; i++) {
    if (rate > 0) {
      double early = start + i / rate - now();
      if (early > 0.0002) usleep(early * 1e6);
    }
    struct sender *s = &senders[i % count];
    int head = snprintf(frame, sizeof frame, "{\"kind\":\"call\",\"call_id\":\"%s-%ld\",\"n\":%ld,\"task_type\":\"%s\",\"input\":\"", argv[6], i,
                        s->number + 1, i % 10 == 0 ? "open" : "t");
    int room = bytes - head - 3;
    int size = head + snprintf(frame + head, sizeof frame - head, "%.*s\"}\n", room, text);
    if (!put(s, frame, size, rate == 0)) continue;
    calls++;
    if (!with_answers) continue;
    size = snprintf(frame, sizeof frame, "{\"kind\":\"answer\",\"call_id\":\"%s-%ld\",\"n\":%ld,\"latency_ms\":812,\"output\":\"%.200s\"}\n", argv[6], i,
                    s->number + 1, text);
    if (put(s, frame, size, rate == 0)) answers++;
  }
  double took = now() - start;
  for (int i = 0; i < count; i++) {
    struct sender *s = &senders[i];
    int size = snprintf(frame, sizeof frame, "{\"kind\":\"ping\",\"n\":%ld}\n", s->number + 1);
    put(s, frame, size, 1);
    finish(s, 1);
    char reply[64];
    if (recv(s->fd, reply, sizeof reply, 0) <= 0) die("the pong");
    close(s->fd);
  }
  printf("{\"written\": %ld, \"dropped\": %ld, \"calls\": %ld, \"answers\": %ld, \"pings\": %d, \"slowest_us\": %.0f, \"seconds\": %.3f}\n", written, dropped,
         calls, answers, count, slowest * 1e6, took);
  return 0;
}
