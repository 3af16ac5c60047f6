// backends/mysql/link.h - one MYSQL handle: begins calls of the library and goes on with them.
//
// A call runs on a stack of the library's until it would have to wait; then it is pending, and Advance or
// Finish goes on with it. One call at a time. A handle cannot be closed while a call is pending on it, so
// Close first makes that call fail.
//
// Threads:  one at a time
// Blocks:   Finish, up to its deadline; the others never
#ifndef ROOST_BACKENDS_MYSQL_LINK_H_
#define ROOST_BACKENDS_MYSQL_LINK_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "backends/mysql/handle_watch.h"
#include "backends/mysql/libmariadb.h"
#include "roost/platform.h"

namespace roost::mysql {

class Link {
 public:
  explicit Link(Platform& platform) : platform_(platform) {}
  ~Link() { Close(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // What a stack of the library's has: sign-in with TLS takes some 10 KB.
  static constexpr size_t kStackBytes = size_t{32} << 10;

  // What the server's certificate has to name; see HandleWatch.
  struct Checks {
    const char* certified = nullptr;
    bool any_name = false;
  };
  // Makes a handle that is not connected. `most`: the longest row, in bytes. False: there is no memory.
  // REQUIRES: lib outlives this.
  bool Make(const Libmariadb& lib, const Checks& checks, size_t most);
  // Takes the handle of `other`, which then has none.
  void Take(Link& other);
  // Gives the handle away, as any other of the library. REQUIRES: !pending().
  MYSQL* Release();
  // Says good-bye, if that does not wait. Ends what is pending.
  void Close();
  // Closes our descriptor of it and nothing else: the server hears nothing. The handle's memory stays.
  void Abandon();

  const Libmariadb& lib() const { return *lib_; }
  MYSQL* handle() const { return handle_; }
  bool open() const { return handle_ != nullptr; }
  // A server that runs a statement which it is still to prepare, and takes the values of many rows at a
  // time: MariaDB. REQUIRES: connected.
  bool IsMariadb() const;
  // OpeningWatch::refused_password. REQUIRES: made, and not taken.
  bool refused_password() const { return opening_->refused_password; }
  int descriptor() const { return lib_->mysql_get_socket(handle_); }
  // The port of our end, by when it was taken; 0: it has none.
  int local_port() const { return local_port_; }

  // ---- Calls. REQUIRES: open(), !pending() ----

  struct Login {
    const char* host = nullptr;    // an address
    const char* socket = nullptr;  // or this
    int port = 0;
    const char* user = nullptr;
    const char* password = nullptr;
    const char* database = nullptr;
  };
  void Connect(const Login& login);
  void Query(std::string_view sql);
  void FetchRow(MYSQL_RES* result);
  void NextResult();
  void AllowSeveralStatements(bool allow);
  void ResetSession();
  void Ping();
  void Prepare(MYSQL_STMT* statement, std::string_view sql);
  void Execute(MYSQL_STMT* statement);
  // Prepares and runs it, with what is bound, in one round trip. `sql` stays until the call has ended.
  // REQUIRES: IsMariadb(); `statement` was made anew.
  void PrepareAndExecute(MYSQL_STMT* statement, std::string_view sql);
  void Fetch(MYSQL_STMT* statement);
  void NextResult(MYSQL_STMT* statement);
  void CloseStatement(MYSQL_STMT* statement);

  // ---- A call that is pending ----

  bool pending() const { return waits_ != 0; }
  // What it waits for, on descriptor().
  IoEvents wanted() const;
  // Goes on as far as it can without waiting, and at most through some 1 MB.
  void Advance();
  // Goes on up to the deadline. False: it is still pending.
  bool Finish(Deadline deadline);
  // What the library answered to the last call, when it has ended: 0 is good, but for statements that
  // are fetched. FetchRow: 1 for a row.
  int code() const { return code_; }
  // The row of the last FetchRow.
  MYSQL_ROW row() const { return row_; }
  // Makes what is pending fail, by ending the link.
  void Break();
  // The server sent more than any answer has, and the link was ended for that: code() means nothing.
  bool overran() const { return overran_; }
  // The library read the length of a packet that is longer than it may be, and ended the link. It says of it what
  // it says of a link that broke, but for a field: 1 is a packet that is refused, 2 a link that has ended.
  bool refused_packet() const { return handle_->net.error == 1; }
  // What was wrong with the server's first packet. REQUIRES: made, and not taken.
  GreetingReader::Verdict greeting() const { return opening_->greeting.verdict(); }
  // After somebody else has used the handle.
  void Reclaim();

 private:
  enum class Call : uint8_t {
    kNone,
    kConnect,
    kQuery,
    kFetchRow,
    kNextResult,
    kSetOption,
    kReset,
    kPing,
    kPrepare,
    kExecute,
    kPrepareAndExecute,
    kFetch,
    kNextOfStatement,
    kCloseStatement,
    kClose,
  };
  void Began(Call call, int waits);
  int ContinueWith(int events);
  void Continue(int events);
  void TakeResult();
  size_t MostBytes() const;
  bool EndIfOverrun();
  IoEvents Wait(Deadline deadline);

  Platform& platform_;
  const Libmariadb* lib_ = nullptr;
  MYSQL* handle_ = nullptr;
  HandleWatch watch_;
  std::unique_ptr<OpeningWatch> opening_;
  size_t most_ = 0;
  MYSQL_STMT* statement_ = nullptr;
  MYSQL_RES* rows_ = nullptr;
  int local_port_ = 0;
  int waits_ = 0;
  int code_ = 0;
  // Where the library puts what it answers.
  MYSQL* connected_ = nullptr;
  MYSQL_ROW row_ = nullptr;
  int answer_ = 0;
  my_bool flag_ = 0;
  bool overran_ = false;
  Call call_ = Call::kNone;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_LINK_H_
