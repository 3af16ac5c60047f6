// telemetry/journal.h - entries with fields of their own for systemd's journal, by its native protocol: one datagram
// for each entry.
//
// libsystemd would do the same and bring 0.9 MB of itself and its libraries into a node, which does without.
//
// Threads:  any
// Blocks:   never: what does not fit into the journal's queue is dropped and counted
// Memory:   one descriptor; an entry has 2 KiB
// Errors:   Send returns whether the journal has the entry
#ifndef ROOST_TELEMETRY_JOURNAL_H_
#define ROOST_TELEMETRY_JOURNAL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"

namespace roost::telemetry {

// One entry. A field whose value has a line end in it is written with its length, so that a value cannot forge a
// field; a value that there is no room for is cut, and a field without room for its name is left out.
class JournalEntry {
 public:
  static constexpr size_t kBytes = 2048;

  // `name`: capitals, digits and '_', by systemd.journal-fields(7).
  void Add(std::string_view name, std::string_view value);
  void Add(std::string_view name, uint64_t value);
  std::string_view bytes() const { return {bytes_.data(), size_}; }

 private:
  void Append(std::string_view text);

  std::array<char, kBytes> bytes_;
  size_t size_ = 0;
};

class JournalSocket {
 public:
  static constexpr char kPath[] = "/run/systemd/journal/socket";

  explicit JournalSocket(std::string_view path = kPath);
  ~JournalSocket();
  JournalSocket(const JournalSocket&) = delete;
  JournalSocket& operator=(const JournalSocket&) = delete;

  // False: the journal is not there, or its queue is full.
  bool Send(const JournalEntry& entry);
  // Entries that could not be sent.
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  const internal::BoundedText<107> path_;  // of a socket, by unix(7)
  const int fd_;
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_JOURNAL_H_
