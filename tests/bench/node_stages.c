// tests/bench/node_stages.c - preloaded into roost-node (LD_PRELOAD), tells what memory it has at
// moments that cannot be seen from outside: before main ("start"), before its first database is
// opened ("pool made"), and when its loop sleeps for the first time ("database open"). Appends
// "STAGE,RSS,PRIVATE_DIRTY" in KiB to the file that NODE_STAGES names.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sqlite3;
typedef int (*Open)(const char*, struct sqlite3**, int, const char*);
typedef int (*Poll)(struct pollfd*, nfds_t, const struct timespec*, const sigset_t*);

// The number after `name` in the kernel's account, which ends with the buffer.
static long Field(const char* account, const char* name) {
  const char* const at = strstr(account, name);
  return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

// Without the heap: that is what is measured.
static void Tell(const char* stage) {
  const char* const path = getenv("NODE_STAGES");
  char account[4096] = "";
  const int in = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  if (path == NULL || in < 0) return;
  const ssize_t got = read(in, account, sizeof account - 1);
  close(in);
  if (got <= 0) return;
  char line[128];
  const int size = snprintf(line, sizeof line, "%s,%ld,%ld\n", stage, Field(account, "\nRss:"),
                            Field(account, "\nPrivate_Dirty:"));
  const int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (out < 0) return;
  if (write(out, line, (size_t)size) != size) abort();
  close(out);
}

int sqlite3_open_v2(const char* path, struct sqlite3** db, int flags, const char* vfs) {
  static Open real;
  if (real == NULL) {
    *(void**)&real = dlsym(RTLD_NEXT, "sqlite3_open_v2");
    Tell("pool made");
  }
  return real(path, db, flags, vfs);
}

int ppoll(struct pollfd* waits, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
  static Poll real;
  if (real == NULL) {
    *(void**)&real = dlsym(RTLD_NEXT, "ppoll");
    Tell("database open");
  }
  return real(waits, count, timeout, mask);
}

__attribute__((constructor)) static void Begin(void) { Tell("start"); }
