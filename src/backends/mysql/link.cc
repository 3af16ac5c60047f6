#include "backends/mysql/link.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace roost::mysql {
namespace {

constexpr int kAnyEvent = MYSQL_WAIT_READ | MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT;
// A call whose link has ended fails within a few turns.
constexpr int kTurnsToFail = 256;
// "The statement that was prepared last", for the server.
constexpr unsigned long kLastPrepared = 0xFFFFFFFF;
// Turns of one Advance, each of which reads at most HandleWatch::kStretch.
constexpr int kTurns = 16;

// The most bytes that a call may read, beside those of a row. Sign-in takes less than one kilobyte; a
// result of 4096 columns, each with a long name, takes 2 MB, which libmariadb holds at once.
constexpr size_t kMostAtSignIn = size_t{128} << 10;
constexpr size_t kMostOfHead = size_t{2} << 20;
// What is read ahead of the rows that follow, and reports of progress.
constexpr size_t kAhead = size_t{32} << 10;

int EventsOf(IoEvents seen) {
  if (seen.hung_up) return MYSQL_WAIT_READ | MYSQL_WAIT_WRITE;
  return (seen.readable ? MYSQL_WAIT_READ : 0) | (seen.writable ? MYSQL_WAIT_WRITE : 0);
}

// Bytes that came before the end can still be read, and the library would.
void DropWhatCame(int fd) {
  std::array<char, 4096> room;
  if (fd < 0) return;
  while (recv(fd, room.data(), room.size(), MSG_DONTWAIT) > 0) {
  }
}

int FindLocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  in_port_t port = 0;
  if (address.ss_family == AF_INET) {
    port = reinterpret_cast<const sockaddr_in&>(address).sin_port;
  } else if (address.ss_family == AF_INET6) {
    port = reinterpret_cast<const sockaddr_in6&>(address).sin6_port;
  }
  return ntohs(port);
}

}  // namespace

bool Link::Make(const Libmariadb& lib, const Checks& checks, size_t most) {
  lib_ = &lib;
  handle_ = lib.mysql_init(nullptr);
  if (handle_ == nullptr) return false;
  most_ = most;
  overran_ = false;
  opening_ = std::make_unique<OpeningWatch>();
  watch_ = {.certified = checks.certified, .opening = opening_.get(), .any_name = checks.any_name};
  PrepareHandle(lib, handle_, watch_);
  const size_t stack = kStackBytes;
  return lib.mysql_optionsv(handle_, MYSQL_OPT_NONBLOCK, &stack) == 0;
}

void Link::Take(Link& other) {
  Close();
  lib_ = other.lib_;
  handle_ = std::exchange(other.handle_, nullptr);
  waits_ = std::exchange(other.waits_, 0);
  call_ = std::exchange(other.call_, Call::kNone);
  most_ = other.most_;
  overran_ = other.overran_;
  watch_ = {};
  if (handle_ == nullptr) return;
  PrepareHandle(*lib_, handle_, watch_);
  local_port_ = FindLocalPort(descriptor());
}

MYSQL* Link::Release() {
  ForgetHandle(*lib_, handle_);
  return std::exchange(handle_, nullptr);
}

void Link::Break() {
  if (!pending()) return;
  watch_.broken = true;
  const int fd = descriptor();
  if (fd >= 0) shutdown(fd, SHUT_RDWR);
  DropWhatCame(fd);
  for (int turn = 0; pending() && turn < kTurnsToFail; ++turn) Continue(kAnyEvent);
}

void Link::Reclaim() {
  UnblockHandle(handle_);
  watch_.bytes = 0;
}

void Link::Close() {
  if (handle_ == nullptr) return;
  Break();
  if (!pending()) {
    UnblockHandle(handle_);
    Began(Call::kClose, lib_->mysql_close_start(handle_));
    Break();
  }
  // A call that cannot be ended keeps the handle's memory; this must not happen.
  handle_ = nullptr;
  waits_ = 0;
}

void Link::Abandon() {
  if (handle_ == nullptr) return;
  const int fd = descriptor();
  handle_ = nullptr;
  waits_ = 0;
  if (fd >= 0) close(fd);
}

bool Link::IsMariadb() const {
  unsigned long more = 0;
  lib_->mariadb_get_infov(handle_, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &more);
  return (handle_->server_capabilities & CLIENT_MYSQL) == 0 &&
         (more & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

// ---- calls --------------------------------------------------------------------------------------

void Link::Connect(const Login& login) {
  Began(Call::kConnect, lib_->mysql_real_connect_start(
                            &connected_, handle_, login.host, login.user, login.password,
                            login.database, static_cast<unsigned>(login.port), login.socket, 0));
}

void Link::Query(std::string_view sql) {
  Began(Call::kQuery, lib_->mysql_real_query_start(&answer_, handle_, sql.data(), sql.size()));
}

void Link::FetchRow(MYSQL_RES* result) {
  rows_ = result;
  Began(Call::kFetchRow, lib_->mysql_fetch_row_start(&row_, result));
}

void Link::NextResult() {
  Began(Call::kNextResult, lib_->mysql_next_result_start(&answer_, handle_));
}

void Link::AllowSeveralStatements(bool allow) {
  Began(Call::kSetOption,
        lib_->mysql_set_server_option_start(
            &answer_, handle_,
            allow ? MYSQL_OPTION_MULTI_STATEMENTS_ON : MYSQL_OPTION_MULTI_STATEMENTS_OFF));
}

void Link::ResetSession() {
  Began(Call::kReset, lib_->mysql_reset_connection_start(&answer_, handle_));
}

void Link::Ping() { Began(Call::kPing, lib_->mysql_ping_start(&answer_, handle_)); }

void Link::Prepare(MYSQL_STMT* statement, std::string_view sql) {
  statement_ = statement;
  Began(Call::kPrepare,
        lib_->mysql_stmt_prepare_start(&answer_, statement, sql.data(), sql.size()));
}

void Link::Execute(MYSQL_STMT* statement) {
  statement_ = statement;
  Began(Call::kExecute, lib_->mysql_stmt_execute_start(&answer_, statement));
}

// The library's own function for that (mariadb_stmt_execute_direct) would wait.
void Link::PrepareAndExecute(MYSQL_STMT* statement, std::string_view sql) {
  statement_ = statement;
  watch_.sql = sql;
  watch_.unprepared = statement;
  watch_.methods = std::exchange(handle_->methods, &lib_->with_prepare);
  statement->state = MYSQL_STMT_PREPARED;  // so that the library runs it
  statement->stmt_id = kLastPrepared;
  Began(Call::kPrepareAndExecute, lib_->mysql_stmt_execute_start(&answer_, statement));
}

void Link::Fetch(MYSQL_STMT* statement) {
  statement_ = statement;
  Began(Call::kFetch, lib_->mysql_stmt_fetch_start(&answer_, statement));
}

void Link::NextResult(MYSQL_STMT* statement) {
  statement_ = statement;
  Began(Call::kNextOfStatement, lib_->mysql_stmt_next_result_start(&answer_, statement));
}

void Link::CloseStatement(MYSQL_STMT* statement) {
  statement_ = statement;
  Began(Call::kCloseStatement, lib_->mysql_stmt_close_start(&flag_, statement));
}

// ---- going on -----------------------------------------------------------------------------------

void Link::Began(Call call, int waits) {
  call_ = call;
  waits_ = waits;
  if (waits_ == 0) TakeResult();
}

int Link::ContinueWith(int events) {
  switch (call_) {
    case Call::kConnect:
      return lib_->mysql_real_connect_cont(&connected_, handle_, events);
    case Call::kQuery:
      return lib_->mysql_real_query_cont(&answer_, handle_, events);
    case Call::kFetchRow:
      return lib_->mysql_fetch_row_cont(&row_, rows_, events);
    case Call::kNextResult:
      return lib_->mysql_next_result_cont(&answer_, handle_, events);
    case Call::kSetOption:
      return lib_->mysql_set_server_option_cont(&answer_, handle_, events);
    case Call::kReset:
      return lib_->mysql_reset_connection_cont(&answer_, handle_, events);
    case Call::kPing:
      return lib_->mysql_ping_cont(&answer_, handle_, events);
    case Call::kPrepare:
      return lib_->mysql_stmt_prepare_cont(&answer_, statement_, events);
    case Call::kExecute:
    case Call::kPrepareAndExecute:
      return lib_->mysql_stmt_execute_cont(&answer_, statement_, events);
    case Call::kFetch:
      return lib_->mysql_stmt_fetch_cont(&answer_, statement_, events);
    case Call::kNextOfStatement:
      return lib_->mysql_stmt_next_result_cont(&answer_, statement_, events);
    case Call::kCloseStatement:
      return lib_->mysql_stmt_close_cont(&flag_, statement_, events);
    case Call::kClose:
      return lib_->mysql_close_cont(handle_, events);
    case Call::kNone:
      break;
  }
  return 0;
}

void Link::Continue(int events) {
  waits_ = ContinueWith(events);
  if (waits_ == 0) TakeResult();
}

void Link::TakeResult() {
  EndIfOverrun();
  watch_.bytes = 0;
  if (call_ == Call::kConnect) EndOpening(handle_, *opening_);
  switch (std::exchange(call_, Call::kNone)) {
    case Call::kConnect:
      code_ = connected_ != nullptr ? 0 : 1;
      return;
    case Call::kFetchRow:
      code_ = row_ != nullptr ? 1 : 0;
      return;
    case Call::kCloseStatement:
      code_ = flag_ != 0 ? 1 : 0;
      return;
    case Call::kPrepareAndExecute:
      handle_->methods = std::exchange(watch_.methods, nullptr);
      if (std::exchange(watch_.unprepared, nullptr) != nullptr) {
        statement_->state = MYSQL_STMT_INITTED;  // there is nothing to close at the server
        statement_->stmt_id = 0;
      }
      watch_.sql = {};
      code_ = answer_;
      return;
    case Call::kClose:
    case Call::kNone:
      code_ = 0;
      return;
    default:
      code_ = answer_;
  }
}

size_t Link::MostBytes() const {
  switch (call_) {
    case Call::kFetchRow:
    case Call::kFetch:
      return most_ + kAhead;
    case Call::kQuery:
    case Call::kNextResult:
    case Call::kPrepare:
    case Call::kExecute:
    case Call::kNextOfStatement:
      return std::min(most_, kMostOfHead) + kAhead;
    case Call::kPrepareAndExecute:  // two heads
      return 2 * std::min(most_, kMostOfHead) + kAhead;
    default:
      return kMostAtSignIn;
  }
}

bool Link::EndIfOverrun() {
  if (watch_.bytes > MostBytes()) overran_ = true;
  return overran_;
}

IoEvents Link::wanted() const {
  if (watch_.left) return {.writable = true};  // at once
  return {.readable = (waits_ & MYSQL_WAIT_READ) != 0,
          .writable = (waits_ & MYSQL_WAIT_WRITE) != 0};
}

IoEvents Link::Wait(Deadline deadline) {
  if (watch_.left) return {.readable = true};  // it waits for nothing
  return platform_.WaitForDescriptor(descriptor(), wanted(), deadline);
}

void Link::Advance() {
  for (int turn = 0; pending() && turn < kTurns; ++turn) {
    if (EndIfOverrun()) return Break();
    const IoEvents seen = Wait(Deadline::Past());
    if (!seen.any()) return;
    Continue(EventsOf(seen));
  }
}

// A server that goes on talking does not prolong anybody's deadline.
bool Link::Finish(Deadline deadline) {
  while (pending()) {
    if (EndIfOverrun()) {
      Break();
      return true;
    }
    const IoEvents seen = Wait(deadline);
    if (!seen.any()) return false;
    Continue(EventsOf(seen));
    if (pending() && deadline.HasPassed(platform_.Now())) return false;
  }
  return true;
}

}  // namespace roost::mysql
