// tests/bench/sync_clock.c - preloaded into a program that uses SQLite: writes when each sync of a
// write-ahead log ended into the file that SYNC_CLOCK names, one monotonic time in ns a line.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int IsLog(int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 4) return 0;
  return memcmp(path + length - 4, "-wal", 4) == 0;
}

static int Sync(const char* name, int fd) {
  int (*const real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  const int result = real(fd);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const char* const file = getenv("SYNC_CLOCK");
  if (result != 0 || file == NULL || !IsLog(fd)) return result;
  const int out = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (out < 0) abort();
  if (dprintf(out, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec) < 0) abort();
  close(out);
  return result;
}

int fsync(int fd) { return Sync("fsync", fd); }
int fdatasync(int fd) { return Sync("fdatasync", fd); }
