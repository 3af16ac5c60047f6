// backends/mysql/handle_watch.h - looks on while libmariadb reads and writes for one of our handles.
//
// The library calls back behind each of its reads and writes, on the thread of the call. That is used to
//   - look at the greeting before the library does,
//   - put the host's name in place of the address, and take back a check of certificates that nobody wants,
//   - make a socket non-blocking again, which the library makes block (CONC-594),
//   - leave the library's stack in the midst of a TLS handshake, where it would wait in poll(2) without end,
//   - end a link without TLS whose server wants the password under a key that it sends itself,
//   - and leave it each kStretch bytes: it goes on for as long as a server sends, past every deadline.
//
// The library offers no call that leaves its stack. But it leaves it by itself wherever a read finds
// nothing. So Leave has it read one packet that we make up, which is not there at the first look.
//
// Threads:  the one that is in the call
// Blocks:   never
#ifndef ROOST_BACKENDS_MYSQL_HANDLE_WATCH_H_
#define ROOST_BACKENDS_MYSQL_HANDLE_WATCH_H_

#include <mysql.h>

// ma_pvio.h wants mysql.h before it.
#include <ma_pvio.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/mysql/greeting.h"
#include "backends/mysql/libmariadb.h"

namespace roost::mysql {

// While a handle connects.
struct OpeningWatch {
  GreetingReader greeting;
  bool answered = false;  // the client has said something: the greeting is over
  // The library has asked for the server's key, to send the password under it, on a link without TLS. Then
  // the link is ended: whoever stands in the middle has such a key, too.
  bool refused_password = false;
  // The library's own functions for the socket, and those with our way to wait in place of poll.
  PVIO_METHODS* original = nullptr;
  PVIO_METHODS stepwise{};
};

// Its address must not change while the handle is watched.
struct HandleWatch {
  // How much is read before the library's stack is left.
  static constexpr size_t kStretch = size_t{64} << 10;

  // What the server's certificate has to name, where the library was given an address to connect to;
  // null: what the library was given.
  const char* certified = nullptr;
  const Libmariadb* lib = nullptr;
  OpeningWatch* opening = nullptr;
  // Of the call that is under way.
  size_t bytes = 0;
  size_t stretch = 0;
  // The certificate may name another host. The library is told to verify all the same, because it sends a
  // user's name and proof in plain text to a server without TLS otherwise (MDEV-28634); the watch takes
  // that back when TLS begins.
  bool any_name = false;
  // The stack was left, and nothing has to be waited for.
  bool left = false;
  // The link was ended by us: the call is to fail, and its stack is not left any more.
  bool broken = false;
  // How far Leave has got.
  bool leaving = false;
  bool looked = false;
  uint8_t made_up = 0;  // bytes of the packet that was made up
  // A statement that is prepared by the call that runs it: its text; itself, until the server has taken it;
  // and the functions of the protocol that the handle has otherwise.
  std::string_view sql{};
  MYSQL_STMT* unprepared = nullptr;
  const st_mariadb_methods* methods = nullptr;
};

// Behind a read (mode 0) or a write of the library, on any of the process's handles.
void OnReadOrWrite(int mode, MYSQL* handle, const unsigned char* data, size_t size);

// The library's own functions of the protocol, but for the two that send a run and read its answer: these do
// the same for the preparing of HandleWatch::unprepared first.
st_mariadb_methods WithPrepare(const st_mariadb_methods& own);

// Before a connect: `handle` is watched from now on, and gives a server that asks for a file of this
// machine (LOAD DATA LOCAL) nothing.
void PrepareHandle(const Libmariadb& lib, MYSQL* handle, HandleWatch& watch);
// From now on the handle is as any other of the library, but for the files.
void ForgetHandle(const Libmariadb& lib, MYSQL* handle);
// The connect has ended, well or not.
void EndOpening(MYSQL* handle, OpeningWatch& opening);
// After somebody else has used the handle: it does not block again.
void UnblockHandle(MYSQL* handle);
// Whether the last answer says what a transaction is like, which it does where one begins, and where one ends
// that START TRANSACTION began (session_track_transaction_info). Once for each answer.
bool TakeTransactionMark(const Libmariadb& lib, MYSQL* handle);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_HANDLE_WATCH_H_
