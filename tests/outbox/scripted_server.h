// tests/outbox/scripted_server.h - a server in memory that keeps the outbox's contract, and can fail in every
// way that a real one does.
//
// It checks each batch as a real one would: the sum of rows and gaps, the number after the mark, one clock,
// few names. A breach fails the test. Each ingest is one transaction, which a lossy failover or a restore can
// take back.
#ifndef ROOST_TESTS_OUTBOX_SCRIPTED_SERVER_H_
#define ROOST_TESTS_OUTBOX_SCRIPTED_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "roost/outbox.h"
#include "roost/platform.h"

namespace roost::outbox {

class ScriptedServer : public OutboxServer {
 public:
  // What becomes of a call.
  struct Fate {
    enum class Kind : uint8_t { kServed, kCutBefore, kCutAfter, kRefused };
    Kind kind = Kind::kServed;
    OutboxHand hand = OutboxHand::kWait;  // of kRefused and the cuts
    absl::Status status = absl::UnavailableError("connection refused");
    Duration takes{};  // 0: `latency`
    bool has_no_schema = false;
    Duration not_before{};
  };
  struct Key {
    int64_t epoch = 0;
    int64_t seq = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Call {
    bool is_hello = false;
    size_t asked = 0;
    OutboxSegment segment{};
    int64_t first = 0;
    int64_t last = 0;
    size_t rows = 0;
    int64_t backlog = 0;
    Micros oldest{};
    std::vector<OutboxGap> gaps{};
    TimePoint at{};
  };

  explicit ScriptedServer(Platform& platform) : platform_(platform) {}

  // ---- The script
  bool is_away = false;  // each call is cut before it is served
  Duration latency = std::chrono::milliseconds(20);
  Duration spread = std::chrono::seconds(10);
  uint32_t max_rows = 5000;
  int schema_version = kOutboxSchemaVersion;
  int clones = 0;
  bool isolates = true;              // bad rows into the table reject, as roost.ingest does
  std::set<double> bad_values;       // rows that are refused for their own sake
  size_t too_large_from = SIZE_MAX;  // rows
  Duration a_row{};                  // each row takes so long
  std::deque<Fate> fates;            // of the next calls, before the rules above
  std::function<void()> before_answer;

  // The next ingest meets a connection that has seen no hello.
  void Disconnect() {
    has_seen_hello_ = false;
    ++connection_;
  }
  // Its caller is gone, with the call that was under way.
  void Forget() { is_busy_ = false; }
  // Takes back the last `count` transactions, as a failover with unshipped log does. The nodes reconnect.
  void LoseLast(size_t count);
  size_t transactions() const { return done_.size(); }

  // ---- What it has
  const std::map<Key, double>& rows() const { return rows_; }
  std::optional<int64_t> MarkOf(const OutboxSegment& segment) const;
  // By epoch and first number.
  const std::map<std::pair<int64_t, int64_t>, int64_t>& marks() const { return marks_; }
  // Numbers that are told to have no row; by reason.
  int64_t gap_numbers() const;
  int64_t gap_numbers(OutboxWhy why) const { return gaps_[static_cast<size_t>(why)]; }
  const std::set<Key>& rejects() const { return rejects_; }
  // Of all segments: numbers up to the mark.
  int64_t accounted() const;
  std::vector<Call> calls;
  int rests = 0;
  int lost_calls = 0;  // that were cut
  // Breaches of the contract; empty: none.
  std::string breaches;

  // ---- OutboxServer
  void Hello(std::span<const OutboxSegment> asked, Deadline deadline) override;
  void Ingest(const OutboxBatch& batch, Deadline deadline) override;
  const Answer* Continue(TimePoint now) override;
  TimePoint next() const override { return done_at_; }
  size_t Descriptors(std::span<DescriptorWait> out) const override;
  uint64_t link_bytes() const override { return bytes_; }
  void Rest() override;

 private:
  struct Done {
    OutboxSegment segment{};
    std::optional<int64_t> mark_before{};
    std::vector<Key> rows{};
    std::vector<Key> rejects{};
    std::array<int64_t, kOutboxWhys> gaps{};
  };
  void Breach(const std::string& what) { breaches += what + "\n"; }
  Fate NextFate();
  void Begin(Deadline deadline, Duration takes);
  void Serve(const OutboxBatch& batch);
  void Store(const OutboxBatch& batch);

  Platform& platform_;
  bool has_seen_hello_ = false;
  uint64_t connection_ = 1;
  bool is_busy_ = false;
  TimePoint done_at_{};
  Answer answer_;
  std::vector<OutboxMark> marks_of_answer_;
  uint64_t bytes_ = 0;
  std::map<std::pair<int64_t, int64_t>, int64_t> marks_;
  std::map<Key, double> rows_;
  std::set<Key> rejects_;
  std::array<int64_t, kOutboxWhys> gaps_{};
  std::vector<Done> done_;
};

}  // namespace roost::outbox

#endif  // ROOST_TESTS_OUTBOX_SCRIPTED_SERVER_H_
