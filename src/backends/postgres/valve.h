// backends/postgres/valve.h - lets libpq read a few kilobytes at a time, and counts them.
//
// Within one call libpq goes on reading a long message for as long as its socket has bytes, and
// believes any length that a message announces. A server that sends fast enough would keep it there
// beyond every deadline, up to 2 GB. No option of libpq bounds that. So the bytes are taken from the
// socket here, and for the time of the call the number of libpq's descriptor means a pair of
// sockets that holds just them. It is called until it has read all of them: nothing stays in the
// pair.
//
// Threads:  one at a time, the one that has the connection
// Blocks:   never
// Memory:   16 KB of stack; three descriptors from the first Enter to Shut
#ifndef ROOST_BACKENDS_POSTGRES_VALVE_H_
#define ROOST_BACKENDS_POSTGRES_VALVE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/postgres/libpq.h"

namespace roost::postgres {

class Valve {
 public:
  // The most bytes of one Enter.
  static constexpr size_t kMost = 16384;

  // What libpq writes while it reads: nothing, it is to keep all for its next write; or what the
  // valve sends on at Leave, which is for a few bytes.
  enum class Writes : bool { kKept, kSentOn };

  explicit Valve(Writes writes) : writes_(writes) {}
  ~Valve() { Shut(); }
  Valve(const Valve&) = delete;
  Valve& operator=(const Valve&) = delete;

  enum class State : uint8_t {
    kNothing,  // came; libpq need not be called
    kEntered,  // libpq reads what came, and no more; Leave has to follow
    kEnded,    // the server: libpq finds that by itself
    kFailed,   // the process has no descriptor left
  };
  struct Flow {
    State state = State::kNothing;
    size_t bytes = 0;
  };
  // Takes what the socket has into `room`, kMost bytes, and puts it before libpq.
  Flow Enter(const Libpq& pq, PGconn* handle, std::span<char, kMost> room);
  // libpq has not read all of it yet. REQUIRES: entered.
  bool HasLeft() const;
  // Sends on what libpq has written, and gives it its socket back, unless it has closed it. False:
  // the socket did not take what was written.
  bool Leave(const Libpq& pq, PGconn* handle);

  // How many bytes the socket has, up to `most` and kMost + 1; 0: none, or the end.
  static size_t Waiting(int fd, size_t most);
  // All of that for PQconsumeInput. False: it failed. Adds to `bytes` what came.
  bool Consume(const Libpq& pq, PGconn* handle, size_t& bytes);

  // Gives the descriptors back.
  void Shut();

 private:
  bool Open(int fd);
  bool SendOn() const;

  const Writes writes_;
  int fd_ = -1;     // libpq's number of the socket
  int real_ = -1;   // the socket
  int inner_ = -1;  // the pair: what libpq reads
  int outer_ = -1;
  uint64_t inner_inode_ = 0;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_VALVE_H_
