#include "tests/support/hostile_session.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <utility>

namespace roost::support {
namespace {

constexpr size_t kChunk = 64 * 1024;
constexpr int32_t kProtocol3 = 3 << 16;
constexpr int32_t kSslRequest = 80877103;
constexpr int32_t kGssRequest = 80877104;

int32_t ReadInt32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<int32_t>(value);
}

// The text up to its end, which is taken off, too.
std::string TakeText(std::string_view& bytes) {
  const size_t end = std::min(bytes.find('\0'), bytes.size());
  std::string text(bytes.substr(0, end));
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  return text;
}

bool Holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string FirstWord(std::string_view sql) {
  std::string word;
  for (const char c : sql) {
    if (!std::isalpha(static_cast<unsigned char>(c))) break;
    word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return word;
}

bool GivesRows(std::string_view sql) {
  const std::string word = FirstWord(sql);
  return word == "SELECT" || word == "SHOW" || word == "VALUES";
}

bool AsksForRole(std::string_view sql) { return Holds(sql, "pg_is_in_recovery"); }

// How many parameters: the greatest number behind a $.
int ParametersOf(std::string_view sql) {
  int most = 0;
  for (size_t i = 0; i + 1 < sql.size(); ++i) {
    if (sql[i] == '$' && std::isdigit(static_cast<unsigned char>(sql[i + 1]))) {
      most = std::max(most, sql[i + 1] - '0');
    }
  }
  return most;
}

}  // namespace

// ---- bytes ----------------------------------------------------------------------------------------

std::string Int16(int value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string Int32(int64_t value) {
  return Int16(static_cast<int>(value >> 16 & 0xffff)) + Int16(static_cast<int>(value & 0xffff));
}

std::string Text(std::string_view text) { return std::string(text) + '\0'; }

std::string Announce(char type, int64_t length) { return std::string(1, type) + Int32(length); }

std::string Message(char type, std::string_view body) {
  return Announce(type, static_cast<int64_t>(body.size()) + 4).append(body);
}

std::string Authentication(int kind, std::string_view rest) {
  return Message('R', Int32(kind).append(rest));
}

std::string Parameter(std::string_view name, std::string_view value) {
  return Message('S', Text(name) + Text(value));
}

std::string Notification(std::string_view payload) {
  return Message('A', Int32(4711) + Text("door") + Text(payload));
}

std::string Trouble(std::string_view severity, std::string_view sqlstate, std::string_view words,
                    char type) {
  std::string body;
  for (const auto& [field, value] :
       {std::pair{'S', severity}, {'V', severity}, {'C', sqlstate}, {'M', words}}) {
    body += field + Text(value);
  }
  return Message(type, body + '\0');
}

std::string Description(uint32_t type) {
  return Message('T', Int16(1) + Text("n") + Int32(0) + Int16(0) + Int32(type) + Int16(4) +
                          Int32(-1) + Int16(0));
}

std::string Row(std::string_view value) {
  return Message('D', Int16(1) + Int32(static_cast<int64_t>(value.size())).append(value));
}

std::string Complete(std::string_view tag) { return Message('C', Text(tag)); }

std::string Ready(char transaction) { return Message('Z', {&transaction, 1}); }

// ---- sending --------------------------------------------------------------------------------------

HostileSession::HostileSession(int fd, int stop, const std::atomic<bool>& behaves,
                               const HostileMode* mode, Place place)
    : fd_(fd), stop_(stop), behaves_(behaves), mode_(mode), place_(place) {}

// True: the client's socket is ready. `milliseconds` < 0: as long as it takes.
bool HostileSession::WaitFor(short events, int milliseconds) {
  std::array<pollfd, 2> waits{{{fd_, events, 0}, {stop_, POLLIN, 0}}};
  while (poll(waits.data(), waits.size(), milliseconds) < 0 && errno == EINTR) {
  }
  if (waits[1].revents != 0) gone_ = true;
  return waits[0].revents != 0;
}

bool HostileSession::Send(std::string_view bytes) {
  while (!bytes.empty() && !gone_) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    if (sent < 0 && errno == EAGAIN) WaitFor(POLLOUT, -1);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) gone_ = true;
  }
  return !gone_;
}

bool HostileSession::SendSlowly(std::string_view bytes, std::chrono::milliseconds pause) {
  for (const char& byte : bytes) {
    if (!Send({&byte, 1})) return false;
    if (WaitFor(POLLRDHUP, static_cast<int>(pause.count()))) gone_ = true;
  }
  return !gone_;
}

bool HostileSession::SendFilled(std::string_view head, size_t count, char fill,
                                std::string_view tail) {
  const std::string chunk(std::min(count, kChunk), fill);
  bool sent = Send(head);
  while (sent && count > 0) {
    const size_t size = std::min(count, chunk.size());
    sent = Send({chunk.data(), size});
    count -= size;
  }
  return sent && Send(tail);
}

void HostileSession::Flood(std::string_view message) {
  std::string chunk;
  while (chunk.size() < kChunk) chunk += message;
  while (Send(chunk)) {
  }
}

void HostileSession::FloodOf(std::string (*make)(uint64_t number)) {
  std::string chunk;
  for (uint64_t number = 0; !gone_;) {
    chunk.clear();
    while (chunk.size() < kChunk) chunk += make(number++);
    Send(chunk);
  }
}

void HostileSession::FloodSlowly(std::string_view message, std::chrono::milliseconds pause) {
  while (SendSlowly(message, pause)) {
  }
}

void HostileSession::FloodNoise() {
  std::string chunk(kChunk, '\0');
  uint32_t state = 1;
  do {
    for (char& byte : chunk) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<char>(state >> 24);
    }
  } while (Send(chunk));
}

void HostileSession::Hold() {
  while (!gone_) {
    if (WaitFor(POLLIN, -1)) Fill();
    buffer_.clear();
  }
}

void HostileSession::Close() { gone_ = true; }

void HostileSession::Reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  gone_ = true;
}

void HostileSession::HalfClose() {
  shutdown(fd_, SHUT_WR);
  Hold();
}

void HostileSession::GoOnAfterError() {
  switch (place_) {
    case Place::kAccept:
    case Place::kTls:
    case Place::kStartup:
    case Place::kSignedIn:
      return Close();
    case Place::kRole:
    case Place::kOnConnect:
    case Place::kSimple:
    case Place::kSync:
      Send(Ready(transaction_));
      return;
    case Place::kIdle:
    case Place::kAnywhere:
      return;
    case Place::kParse:
    case Place::kDescribe:
    case Place::kBind:
    case Place::kExecute:
    case Place::kRowAgain:
    case Place::kOneAgain:
    case Place::kBegin:
    case Place::kCommit:
    case Place::kRollback:
    case Place::kDiscard:
    case Place::kPing:
      skipping_ = true;
      return;
  }
}

// ---- receiving ------------------------------------------------------------------------------------

// More bytes of the client into buffer_.
bool HostileSession::Fill() {
  std::array<char, 4096> bytes;
  const ssize_t size = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size > 0) buffer_.append(bytes.data(), static_cast<size_t>(size));
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) gone_ = true;
  return !gone_;
}

// The start-up packet and SSLRequest have no type in front.
bool HostileSession::ReceiveUntyped() {
  const auto size = [this] { return static_cast<size_t>(ReadInt32(buffer_)); };
  while (buffer_.size() < 4 || buffer_.size() < size()) {
    WaitFor(POLLIN, -1);
    if (gone_ || !Fill()) return false;
  }
  received_ = {.body = buffer_.substr(4, size() - 4)};
  buffer_.erase(0, size());
  return true;
}

bool HostileSession::Receive() {
  const auto size = [this] { return 1 + static_cast<size_t>(ReadInt32(buffer_.substr(1, 4))); };
  while (buffer_.size() < 5 || buffer_.size() < size()) {
    if (gone_) return false;
    WaitFor(POLLIN, -1);
    if (gone_ || !Fill()) return false;
  }
  received_ = {.type = buffer_[0], .body = buffer_.substr(5, size() - 5)};
  buffer_.erase(0, size());
  return true;
}

// Up to the start-up packet. False: there will be none, or the client has been treated badly.
bool HostileSession::ReceiveStartup() {
  while (ReceiveUntyped()) {
    const int32_t code = ReadInt32(received_.body);
    if (code == kProtocol3) return true;
    if (code != kSslRequest && code != kGssRequest) return false;  // somebody wants to cancel
    const bool due = place_ == Place::kTls && mode_ != nullptr && !behaves_;
    answer_ = "N";
    if (due && code == kSslRequest) {
      mode_->act(*this);
    } else {
      Answer();
    }
  }
  return false;
}

// ---- the answers of a server without faults -------------------------------------------------------

std::string HostileSession::StartupAnswer() const {
  std::string answer;
  for (const auto& [name, value] : {std::pair{"server_version", "15.6"},
                                    {"server_encoding", "UTF8"},
                                    {"client_encoding", "UTF8"},
                                    {"application_name", "roostpool"},
                                    {"is_superuser", "off"},
                                    {"session_authorization", "node"},
                                    {"DateStyle", "ISO, MDY"},
                                    {"IntervalStyle", "postgres"},
                                    {"TimeZone", "UTC"},
                                    {"integer_datetimes", "on"},
                                    {"standard_conforming_strings", "on"}}) {
    answer += Parameter(name, value);
  }
  if (place_ != Place::kRole) {  // a pooler passes neither on, and the client has to ask
    answer +=
        Parameter("in_hot_standby", "off") + Parameter("default_transaction_read_only", "off");
  }
  return answer + Message('K', Int32(4711) + Int32(815)) + Ready();
}

std::string HostileSession::Execute(const std::string& sql) {
  const std::string word = FirstWord(sql);
  if (sql.empty()) return Message('I');
  if (AsksForRole(sql)) return Row("false off") + Complete("SELECT 1");
  if (GivesRows(sql)) return Row() + Complete("SELECT 1");
  if (word == "BEGIN") transaction_ = 'T';
  if (word == "COMMIT" || word == "ROLLBACK") transaction_ = 'I';
  if (word == "INSERT") return Complete("INSERT 0 1");
  return Complete(word == "DISCARD" ? "DISCARD ALL" : word);
}

// Of the statement or portal that the message names.
std::string HostileSession::Describe() const {
  const bool statement = received_.body.starts_with('S');
  std::string answer;
  if (statement) {
    const int count = ParametersOf(text_);
    std::string types = Int16(count);
    for (int i = 0; i < count; ++i) types += Int32(20);
    answer = Message('t', types);
  }
  const uint32_t type = AsksForRole(text_) ? 25 : 23;
  return answer + (GivesRows(text_) ? Description(type) : Message('n'));
}

// Takes down what the message means for those that follow.
std::string HostileSession::RightAnswer() {
  std::string_view body = received_.body;
  switch (received_.type) {
    case 'Q': {
      text_ = latest_ = TakeText(body);
      const std::string head = GivesRows(text_) ? Description(AsksForRole(text_) ? 25 : 23) : "";
      const std::string answer = Execute(text_);
      return head + answer + Ready(transaction_);
    }
    case 'P': {
      const std::string name = TakeText(body);
      text_ = prepared_[name] = TakeText(body);
      return Message('1');
    }
    case 'B':
      TakeText(body);
      text_ = current_ = prepared_[TakeText(body)];
      return Message('2');
    case 'D':
      body.remove_prefix(std::min<size_t>(1, body.size()));
      text_ = received_.body.starts_with('S') ? prepared_[TakeText(body)] : current_;
      return Describe();
    case 'E':
      text_ = latest_ = current_;
      if (Holds(current_, kMark)) ++marked_runs_;
      return Execute(current_);
    case 'C':
      return Message('3');
    case 'S':
      text_ = latest_;
      return Ready(transaction_);
    default:
      return "";
  }
}

bool HostileSession::IsDue() const {
  if (mode_ == nullptr || behaves_) return false;
  const char type = received_.type;
  const bool marked = Holds(text_, kMark);
  switch (place_) {
    case Place::kRole:
      return type == 'Q' && AsksForRole(text_);
    case Place::kOnConnect:
    case Place::kSimple:
      return type == 'Q' && marked;
    case Place::kParse:
      return type == 'P' && marked;
    case Place::kDescribe:
      return type == 'D' && marked;
    case Place::kBind:
      return type == 'B' && marked;
    case Place::kExecute:
      return type == 'E' && marked;
    case Place::kRowAgain:
    case Place::kOneAgain:
      return type == 'E' && marked && marked_runs_ > 1;
    case Place::kSync:
      return type == 'S' && marked;
    case Place::kBegin:
      return type == 'E' && text_.starts_with("BEGIN");
    case Place::kCommit:
      return type == 'E' && text_ == "COMMIT";
    case Place::kRollback:
      return type == 'E' && text_ == "ROLLBACK";
    case Place::kDiscard:
      return type == 'E' && text_.starts_with("DISCARD");
    case Place::kPing:
      return type == 'E' && text_.empty();
    case Place::kIdle:
      return (type == 'S' || type == 'Q') && Holds(text_, kRestMark);
    case Place::kAccept:
    case Place::kTls:
    case Place::kStartup:
    case Place::kSignedIn:
    case Place::kAnywhere:
      break;
  }
  return false;
}

// ---- the session ----------------------------------------------------------------------------------

bool HostileSession::TakeTurn() {
  if (gone_ || !Receive() || received_.type == 'X') return false;
  if (skipping_ && received_.type != 'S') return true;
  if (std::exchange(skipping_, false) && transaction_ == 'T') transaction_ = 'E';
  answer_ = RightAnswer();
  if (!IsDue()) return Answer();
  if (place_ == Place::kIdle) {
    if (!Answer()) return false;
    answer_.clear();
  }
  mode_->act(*this);
  return !gone_;
}

void HostileSession::Serve() {
  const auto due = [this](Place place) { return place_ == place && mode_ != nullptr && !behaves_; };
  if (due(Place::kAccept)) {
    mode_->act(*this);
    return;
  }
  if (!ReceiveStartup()) return;
  answer_ = Authentication(0) + StartupAnswer();
  if (due(Place::kSignedIn)) {
    Send(Authentication(0));
    answer_ = StartupAnswer();
  }
  if (due(Place::kStartup) || due(Place::kSignedIn)) {
    mode_->act(*this);
  } else {
    Answer();
  }
  while (TakeTurn()) {
  }
}

}  // namespace roost::support
