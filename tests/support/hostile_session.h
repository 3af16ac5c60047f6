// tests/support/hostile_session.h - one client of a HostilePostgres, for the modes.
//
// Threads:  one, the session's own
// Blocks:   everything that sends or receives, until the client or the server ends
// Memory:   64 KB
#ifndef ROOST_TESTS_SUPPORT_HOSTILE_SESSION_H_
#define ROOST_TESTS_SUPPORT_HOSTILE_SESSION_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "tests/support/hostile_postgres.h"

namespace roost::support {

// ---- The bytes of protocol 3 ----------------------------------------------------------------------

std::string Int16(int value);
std::string Int32(int64_t value);
std::string Text(std::string_view text);  // with its end
// A message of the server, and only its head with any length.
std::string Message(char type, std::string_view body = {});
std::string Announce(char type, int64_t length);

std::string Authentication(int kind, std::string_view rest = {});
std::string Parameter(std::string_view name, std::string_view value);
std::string Notification(std::string_view payload);
// ErrorResponse, or NoticeResponse with type 'N'.
std::string Trouble(std::string_view severity, std::string_view sqlstate, std::string_view words,
                    char type = 'E');
// One column, "n", of the type with this number.
std::string Description(uint32_t type = 23);
std::string Row(std::string_view value = "1");
std::string Complete(std::string_view tag);
std::string Ready(char transaction = 'I');

// What the client has sent.
struct Received {
  char type = 0;  // 0: the start-up packet, or SSLRequest
  std::string body{};
};

class HostileSession {
 public:
  // `stop`: a descriptor that is readable when the server ends.
  HostileSession(int fd, int stop, const std::atomic<bool>& behaves, const HostileMode* mode,
                 Place place);

  // The whole session, to the end of the client.
  void Serve();

  // ---- What a mode does. False: the client or the server has ended. ----
  bool Send(std::string_view bytes);
  // A byte, a pause, a byte.
  bool SendSlowly(std::string_view bytes, std::chrono::milliseconds pause);
  // `head`, then `count` times `fill`, then `tail`: one message too large to be made.
  bool SendFilled(std::string_view head, size_t count, char fill, std::string_view tail);
  // The same again and again until the client goes.
  void Flood(std::string_view message);
  // What `make` gives for 0, 1, 2, ...: each is another.
  void FloodOf(std::string (*make)(uint64_t number));
  void FloodSlowly(std::string_view message, std::chrono::milliseconds pause);
  // Bytes of no meaning, always the same ones.
  void FloodNoise();
  // Says nothing more until the client goes.
  void Hold();
  void Close();      // by FIN
  void Reset();      // by RST
  void HalfClose();  // FIN, and then as Hold
  // What a server without faults would say now. At kIdle nothing.
  const std::string& answer() const { return answer_; }
  bool Answer() { return Send(answer_); }
  // After an error: what a server does with the rest of the exchange.
  void GoOnAfterError();
  // The text that the client has sent: SQL, or the SASL message.
  const std::string& text() const { return text_; }
  // The next message of the client. False: none will come.
  bool Receive();
  const Received& received() const { return received_; }
  void set_transaction(char state) { transaction_ = state; }

 private:
  bool WaitFor(short events, int milliseconds);
  bool Fill();
  bool ReceiveUntyped();
  bool ReceiveStartup();
  bool TakeTurn();
  bool IsDue() const;
  std::string StartupAnswer() const;  // behind AuthenticationOk
  std::string RightAnswer();
  std::string Describe() const;
  std::string Execute(const std::string& sql);

  const int fd_;
  const int stop_;
  const std::atomic<bool>& behaves_;
  const HostileMode* const mode_;
  const Place place_;

  bool gone_ = false;
  std::string buffer_{};
  Received received_{};
  std::string text_{};
  std::string answer_{};
  std::map<std::string, std::string> prepared_{};  // SQL by name
  std::string current_{};                          // the SQL of the portal
  std::string latest_{};                           // the SQL that was run last
  int marked_runs_ = 0;                            // of what holds kMark
  char transaction_ = 'I';
  bool skipping_ = false;  // to the end of an exchange that has failed
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_HOSTILE_SESSION_H_
