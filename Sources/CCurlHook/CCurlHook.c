#define _GNU_SOURCE
#include "CCurlHook.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of libcurl's stable ABI (SONAME 4): its headers need not be installed to build this.
enum {
  OPTION_SSL_VERIFYPEER = 64,
  OPTION_SSL_VERIFYHOST = 81,
  OPTION_HTTP_VERSION = 84,
  OPTION_NOSIGNAL = 99,
  OPTION_PROTOCOLS = 181,
  OPTION_ERRORBUFFER = 10010,
  OPTION_CAINFO = 10065,
  OPTION_CAPATH = 10097,
  PROTOCOL_HTTPS = 1 << 1,
  HTTP_VERSION_1_1 = 2,
  MULTI_MAXCONNECTS = 6,
  MESSAGE_DONE = 1,
  ERROR_SIZE = 256,
};
struct message {
  int kind;
  void *easy;
  union {
    void *whatever;
    int result;
  } data;
};

typedef int (*setopt_function)(void *easy, int option, ...);
typedef int (*multi_setopt_function)(void *multi, int option, ...);
typedef int (*add_function)(void *multi, void *easy);
typedef struct message *(*read_function)(void *multi, int *left);
typedef const char *(*words_function)(int code);

static const char *trusted_file, *trusted_folder;
static long kept_connections = 1;
static atomic_int is_active;
// What libcurl writes into. All transfers of a session run on one serial queue, which also reads their results.
static char failure[ERROR_SIZE];
static char last_failure[ERROR_SIZE];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Without the real function nothing may go out: a transfer that is let through unprepared would not check anything.
static void *real(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) {
    fprintf(stderr, "level=error event=https_no_libcurl missing=%s\n", name);
    abort();
  }
  return function;
}

void curlhook_trust(const char *file, const char *folder) {
  trusted_file = file;
  trusted_folder = folder;
}

void curlhook_keep(int connections) { kept_connections = connections; }

int curlhook_is_active(void) { return atomic_load(&is_active); }

const char *curlhook_words(int code) {
  const char *words = ((words_function)real("curl_easy_strerror"))(code);
  return words && strcmp(words, "Unknown error") ? words : 0;
}

void curlhook_last_failure(char *buffer, size_t size) {
  pthread_mutex_lock(&lock);
  snprintf(buffer, size, "%s", last_failure);
  pthread_mutex_unlock(&lock);
}

/// In front of libcurl's: the last word before a transfer starts, whatever was set before.
int curl_multi_add_handle(void *multi, void *easy) {
  setopt_function setopt = (setopt_function)real("curl_easy_setopt");
  int failed = setopt(easy, OPTION_SSL_VERIFYPEER, 1L) | setopt(easy, OPTION_SSL_VERIFYHOST, 2L) |
               setopt(easy, OPTION_PROTOCOLS, (long)PROTOCOL_HTTPS) | setopt(easy, OPTION_NOSIGNAL, 1L);
  // A question has a connection of its own: one that hangs holds up no other, as streams of one connection could.
  failed |= setopt(easy, OPTION_HTTP_VERSION, (long)HTTP_VERSION_1_1);
  if (trusted_file || trusted_folder)
    failed |= setopt(easy, OPTION_CAINFO, trusted_file) | setopt(easy, OPTION_CAPATH, trusted_folder);
  // Its own buffer is taken from URLSession, which then falls back to the fixed words of the result code.
  failed |= setopt(easy, OPTION_ERRORBUFFER, failure);
  failed |= ((multi_setopt_function)real("curl_multi_setopt"))(multi, MULTI_MAXCONNECTS, kept_connections);
  if (failed) {
    fprintf(stderr, "level=error event=https_setopt_failed\n");
    abort();
  }
  atomic_store(&is_active, 1);
  return ((add_function)real("curl_multi_add_handle"))(multi, easy);
}

/// In front of libcurl's: keeps the sentence that explains a result which is not 0.
struct message *curl_multi_info_read(void *multi, int *left) {
  struct message *message = ((read_function)real("curl_multi_info_read"))(multi, left);
  if (message && message->kind == MESSAGE_DONE && message->data.result) {
    pthread_mutex_lock(&lock);
    memcpy(last_failure, failure, ERROR_SIZE - 1);
    pthread_mutex_unlock(&lock);
    failure[0] = 0;
  }
  return message;
}
