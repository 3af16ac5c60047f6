// backends/mysql/greeting.h - the first packet of a server, looked at before libmariadb reads it. Pure.
//
// A server says one packet and then waits. What comes behind it would stay in libmariadb's buffer: it would
// be taken for answers from inside of TLS, although nobody has proved anything by then.
#ifndef ROOST_BACKENDS_MYSQL_GREETING_H_
#define ROOST_BACKENDS_MYSQL_GREETING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost::mysql {

class GreetingReader {
 public:
  // The longest payload. libmariadb reads some 40 bytes behind a packet that is too short, which its
  // first buffer of 8 KiB has.
  static constexpr size_t kMost = 4096;

  enum class Verdict : uint8_t {
    kGood,      // so far
    kTooLong,   // no greeting has that many bytes
    kProgress,  // a report of progress: libmariadb asks for a version that it has not read yet
    kMore,      // something follows the packet
  };

  // The next bytes. The first verdict that is not good stays.
  Verdict Take(std::string_view bytes);
  Verdict verdict() const { return verdict_; }

 private:
  Verdict Judge() const;

  std::array<unsigned char, 7> begin_{};  // the length, the number, and three bytes of the payload
  size_t taken_ = 0;
  Verdict verdict_ = Verdict::kGood;
};

// What was wrong, for a person. REQUIRES: not kGood.
std::string_view WhatIsWrong(GreetingReader::Verdict verdict);

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_GREETING_H_
