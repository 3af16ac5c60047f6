// include/roost/outbox.h - sends sealed rows of a local SQLite database to a server, each once in effect.
//
// The application stores rows in a table of its own, sealed, each with a number (seq) that grows and an
// epoch. An Outbox reads what was not sent, and carries it to an OutboxServer in batches of one round trip.
// At every new connection it asks the server up to which number it accounts for (the mark) and goes on from
// there. An answer that was lost costs no row and doubles none. Rows that the server had acknowledged and lost
// (a failover, a restore) are sent again, as far as they are kept here.
//
// A segment is a run of numbers of one epoch that is sent in strict order. After an outage the newest rows get
// a segment of their own, so that they go first and the backlog goes beside them. A number that has no row is
// accounted for, too, with the reason (OutboxWhy).
//
// The application's loop drives it: the loop calls Turn, waits for Descriptors() until the
// moment that Turn returned, and calls Turn again. Turn does one step: it asks whether the server has
// answered, or writes down what it said, or reads a batch. A lease of the local pool lasts for such a
// step and is never held while the server is waited for.
//
// What a failed call leads to, says its hand (OutboxHand). A server that is away is asked again after
// 1 s to 5 min, at random; one that refuses for its configuration every 5 min. The rows stay.
//
// Threads:  one, the loop's; the same for the OutboxServer
// Blocks:   Turn for the local database alone: OutboxOptions::local_wait for a connection and the
//           statements, and for a commit that was begun (of a new segment: a sync of the card). Start and Drain
//           until their time is up
// Memory:   taken by the constructor, see memory(); a batch allocates nothing. An error does
// Errors:   Start says what is wrong with the options or the database. Later ones are in OutboxStats, and
//           OutboxOptions::on_event is told of them
// Example:
//   constexpr roost::Sql kRows{"SELECT seq, epoch, t, 0, name, unit, value FROM reading "
//                              "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"};
//   constexpr roost::Sql kNewest{"SELECT max(seq) FROM reading"};
//   roost::Outbox outbox(pool, server, {.rows = kRows, .newest = kNewest}, {.epoch = epoch});
//   if (absl::Status status = outbox.Start(pool.In(10s)); !status.ok()) return status;
//   while (!stopped) {
//     const roost::TimePoint next = outbox.Turn(platform.Now());
//     std::array<roost::DescriptorWait, 8> waits;
//     const size_t count = std::min(outbox.Descriptors(waits), waits.size());
//     platform.WaitForDescriptors(std::span(waits).first(count), roost::Deadline::At(next));
//   }
//   return outbox.Drain(pool.In(2s));
#ifndef ROOST_OUTBOX_H_
#define ROOST_OUTBOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "roost/deadline.h"
#include "roost/platform.h"
#include "roost/pool.h"
#include "roost/statement.h"

#pragma GCC visibility push(default)
namespace roost {

namespace outbox {
class Sender;
}  // namespace outbox

// ---- The local database ---------------------------------------------------------------------------

// The tables that an Outbox keeps in the local database, for SqliteOptions::schema (or a Migration):
//
//   segment       epoch, lo, hi (NULL: open-ended), sent (what the server is believed to have), acked (the
//                 greatest `sent` ever: up to it rows may be deleted without a gap)
//   gap           epoch, lo, hi, why, sent: who deletes a row that was not acknowledged notes it here, in the
//                 same transaction; why as of OutboxWhy
//   reject        epoch, seq, state, why, tries: rows that were set aside (OutboxHand::kSetAside)
//   outbox_state  counters
extern const char kOutboxSchema[];

// The application's table, as statements for the local pool. REQUIRES: a row is sealed
// (Durability::kSealed) before it is seen; one becomes visible after every row of a lower number; no number
// is given out twice in an epoch; all rows of an epoch are neighbours in the order of their numbers.
struct OutboxSource {
  // $1 after, $2 last, $3 most: the rows with after < seq <= last, by seq, LIMIT most. Columns: seq,
  // epoch, time (Micros), clock (0: it was set; 1: corrected later; 2: the time is not known), name, unit,
  // value (REAL, finite).
  Sql rows;
  // Gives one row: the greatest seq, or NULL.
  Sql newest;
};

// Why a number has no row.
enum class OutboxWhy : uint8_t {
  // No row ever had it.
  kUnused = 0,
  // In the table gap: the row was deleted unacknowledged, because the store was full, for its age, to thin
  // out.
  kFull = 1,
  kAge = 2,
  kThin = 3,
  // Acknowledged once and then deleted here; the server has lost it.
  kSettled = 4,
  // In the table reject: the server does not take it for its own sake.
  kSetAside = 5,
};
inline constexpr size_t kOutboxWhys = 6;

// ---- What is sent ---------------------------------------------------------------------------------

// One row of a batch.
struct OutboxRow {
  // Its number.
  int64_t seq = 0;
  // Milliseconds since 1970 UTC.
  int64_t ms = 0;
  double value = 0;
  // Its name and unit: OutboxBatch::names[place].
  uint8_t place = 0;
};

// A name and its unit, once in a batch.
struct OutboxName {
  // As the rows have them.
  std::string_view name;
  std::string_view unit;
};

// Of the numbers lo to hi, so many have no row for this reason. A batch has one record of each reason, or none.
struct OutboxGap {
  // The reason, the range, and how many of its numbers.
  OutboxWhy why = OutboxWhy::kUnused;
  int64_t lo = 0;
  int64_t hi = 0;
  int64_t numbers = 0;
};

// The name of a segment: its epoch and its first number.
struct OutboxSegment {
  // Of the rows.
  int64_t epoch = 0;
  // The first number.
  int64_t lo = 0;
  // The same segment.
  friend bool operator==(const OutboxSegment&, const OutboxSegment&) = default;
};

// The numbers first to last of a segment: each is a row or counted in a gap. All rows have one clock
// (OutboxSource::rows). There may be no rows.
struct OutboxBatch {
  // Whose numbers these are.
  OutboxSegment segment{};
  // The numbers.
  int64_t first = 0;
  int64_t last = 0;
  // Of all rows.
  uint8_t clock = 0;
  // By seq.
  std::span<const OutboxRow> rows{};
  // Up to 255, in the order in which they come up.
  std::span<const OutboxName> names{};
  // By their reason.
  std::span<const OutboxGap> gaps{};
  // How many numbers wait after it, of all segments, and the time of the oldest of them; 0: not known.
  int64_t backlog = 0;
  Micros oldest{};
};

// Up to which number the server accounts for a segment. No value: it has no mark of it.
struct OutboxMark {
  // The one that was asked for.
  OutboxSegment segment{};
  // The last number.
  std::optional<int64_t> seq{};
};

// ---- Who carries it -------------------------------------------------------------------------------

// What an Outbox does about a call that failed.
enum class OutboxHand : uint8_t {
  kNone,
  // The call lost a race: the same once more at once, then as kWait.
  kAgain,
  // The server is away or full: later, see OutboxOptions::back_off_max.
  kWait,
  // The server's configuration refuses every row: every OutboxOptions::hold_every, or at Outbox::Retry.
  kHold,
  // A row of the batch is refused for its own sake, and the server does not say which: the batch is sent in
  // halves until the row is found. It goes into the table reject: at most 20 rows, and one more for each 100
  // that the server takes. Beyond that it is kHold.
  kSetAside,
  // The batch is too large: half of it. A row that is too large by itself is set aside.
  kTooLarge,
};

// Carries calls to the server, one at a time: Hello or Ingest begins one, Continue ends it. outbox::PoolServer
// is the one over a roost::Pool; tests script theirs.
class OutboxServer {
 public:
  // What a hello says.
  struct HelloAnswer {
    // Of the schema on the server. REQUIRES: a newer one takes the calls of an older one.
    int schema_version = 0;
    // The server's clock; 0: not known.
    Micros server_time{};
    // Over how long the nodes spread their first attempts after an outage.
    Duration spread{};
    // The most rows of a batch; 0: it does not say.
    uint32_t max_rows = 0;
    // How often another machine was met under this node's name.
    int clones = 0;
    // One for each segment that was asked for, in that order.
    std::span<const OutboxMark> marks{};
  };
  // What an ingest says.
  struct IngestAnswer {
    // Up to which number the server accounts for the segment. The batch's last: all of it is stored. Another:
    // the batch was not taken, because it does not follow the mark.
    int64_t mark = 0;
    // Rows that the server took and set aside by itself.
    uint32_t rejected = 0;
  };
  // The end of a call.
  struct Answer {
    // Not OK: `hand` says what to do.
    absl::Status status{};
    OutboxHand hand = OutboxHand::kNone;
    // Of an ingest that was not sent, because the connection is a new one and needs a hello first.
    bool needs_hello = false;
    // The call may have happened.
    bool is_unknown = false;
    // Of kHold: the server lacks the tables and functions.
    bool has_no_schema = false;
    // The server is full: how long the next attempt has to wait.
    Duration not_before{};
    // Tells one connection from another. The pages of one hello have to come by the same; 0: not told.
    uint64_t connection = 0;
    HelloAnswer hello{};
    IngestAnswer ingest{};
  };

  virtual ~OutboxServer() = default;
  // Asks for the marks of 0 to kMostAsked segments, and makes the connection one that has seen a hello.
  // REQUIRES of Hello and Ingest: no call is under way, but for one that an earlier Outbox left behind when it
  // ended, which is given up; what they are given stays valid until Continue has ended the call.
  static constexpr size_t kMostAsked = 32;
  virtual void Hello(std::span<const OutboxSegment> asked, Deadline deadline) = 0;
  // Sends a batch.
  virtual void Ingest(const OutboxBatch& batch, Deadline deadline) = 0;
  // Goes on with the call, without waiting. Null: it has not ended. REQUIRES: the call ends soon after its
  // deadline; the answer is valid until the next call begins.
  virtual const Answer* Continue(TimePoint now) = 0;
  // When Continue wants to be called, besides when a descriptor is ready.
  virtual TimePoint next() const = 0;
  // The descriptors that a call waits for; returns how many there are.
  virtual size_t Descriptors(std::span<DescriptorWait> out) const = 0;
  // Bytes sent and received so far, with what TLS and TCP add where that is known. Grows.
  virtual uint64_t link_bytes() const = 0;
  // The next call is not due yet: a lease can go back to its pool.
  virtual void Rest() = 0;

 protected:
  OutboxServer() = default;
  OutboxServer(const OutboxServer&) = delete;
  OutboxServer& operator=(const OutboxServer&) = delete;
};

// The version of the server's schema that this was made for. A server of a lower one is held
// (State::kHeld) until it is brought up.
inline constexpr int kOutboxSchemaVersion = 1;

// ---- The outbox -----------------------------------------------------------------------------------

// What it does at the moment.
enum class OutboxState : uint8_t {
  // Everything is sent, or lingers.
  kIdle,
  kSending,
  // The server is away; a next attempt has its time.
  kWaiting,
  // The server refuses for its configuration.
  kHeld,
  // The month's bytes are used up: one batch of fresh rows a minute.
  kBudget,
  // The server lacks the tables and functions, and was not seen to have them.
  kNoSchema,
};

// "idle", "sending", "waiting", "held", "budget", "no schema".
std::string_view Name(OutboxState state);

// Something that a person may want to know, told once for each change.
struct OutboxEvent {
  // What happened.
  enum class Kind : uint8_t {
    // The state is another one; `status` says why it is kWaiting, kHeld or kNoSchema. kSending and kIdle
    // are one here.
    kState,
    // The server lost numbers that it had acknowledged: its mark went from `from` to `to`; they are sent
    // again.
    kRewound,
    // The row `from` was set aside; `status` says why.
    kSetAside,
    // The local database could not be used; `status` says why. Told once until it works again.
    kLocal,
    // The server's name for this node is also used by another machine; `to` says how often.
    kCloned,
  };
  Kind kind = Kind::kState;
  OutboxState state = OutboxState::kIdle;
  OutboxSegment segment{};
  int64_t from = 0;
  int64_t to = 0;
  absl::Status status{};
};

// Who is told. REQUIRES: the function, which runs inside of Turn and Drain, does not call the Outbox.
struct OutboxCallback {
  // Null: nobody.
  void (*function)(void* context, const OutboxEvent& event) = nullptr;
  // Passed to the function.
  void* context = nullptr;
};

// Which rows go first after an outage.
enum class OutboxOrder : uint8_t {
  // The newest; the backlog goes beside them.
  kFreshFirst,
  // All in their order.
  kOldestFirst,
};

// What an Outbox is made with. Start refuses what is out of range (kInvalidArgument).
struct OutboxOptions {
  // Epoch of the rows that this run stores. 1 or more.
  int64_t epoch = 0;
  // The most rows of a batch; decides the memory. 1 to 5000. The size in use begins at 100, doubles when a full
  // batch took less than a quarter of call_timeout, and halves when one took longer than that.
  int batch = 500;
  // How long a row waits for others, so that a batch is worth its round trip. 0 to 1 h.
  Duration linger = std::chrono::seconds(5);
  OutboxOrder order = OutboxOrder::kFreshFirst;
  // With kFreshFirst: how old the oldest waiting row is, at a hello, to make a backlog. 1 s to 1 day.
  Duration fresh_after = std::chrono::seconds(60);
  // A call that takes longer has failed. 1 s to 10 min.
  Duration call_timeout = std::chrono::seconds(30);
  // From the second failure in a row on, the next attempt waits at random between back_off_min and a ceiling
  // that doubles with each up to back_off_max. After an hour it waits back_off_max, or up to a tenth longer.
  // 100 ms to 1 h.
  Duration back_off_min = std::chrono::seconds(1);
  Duration back_off_max = std::chrono::minutes(5);
  // Between two attempts at a server that refuses for its configuration. 1 s to 1 day.
  Duration hold_every = std::chrono::minutes(5);
  // The first attempt after an outage waits up to this, at random, until the server has said another span
  // (HelloAnswer::spread), which is remembered. 0 to 1 h.
  Duration spread = std::chrono::seconds(10);
  // Where random waits begin; of what differs between the nodes of a site. 0: Platform::Random().
  uint64_t seed = 0;
  // Bytes a second on the link, on the average; 64 KiB may go in one go. 0: no bound; else 256 to 10^9.
  int64_t bytes_per_second = 0;
  // Bytes a month on the link, by the server's clock. 0: no bound; else 100,000 or more. Beyond it one batch of
  // fresh rows goes a minute.
  int64_t bytes_per_month = 0;
  // The day on which the month begins. 1 to 28.
  int budget_day = 1;
  // How long a step waits for the local pool and runs statements there. 1 ms to 10 s.
  Duration local_wait = std::chrono::milliseconds(50);
  OutboxCallback on_event{};
};

// One snapshot.
struct OutboxStats {
  // What it does.
  OutboxState state = OutboxState::kIdle;
  // Why it is kWaiting, kHeld or kNoSchema, or what the local database said last; else OK.
  absl::Status reason;
  // Numbers that the server does not account for yet, of all segments. Those that retention gave up count
  // until the server was told.
  int64_t waiting = 0;
  // Of the oldest row that waits, by the wall clock; a row whose time is not known counts from when it was
  // seen.
  Duration oldest_age{};
  // Segments that are not finished.
  int segments = 0;
  // Since Start: rows that the server acknowledged, and how many of them went more than once.
  uint64_t sent_rows = 0;
  uint64_t resent_rows = 0;
  // On the link, since Start, and in this month of the budget (0 without one).
  uint64_t sent_bytes = 0;
  uint64_t month_bytes = 0;
  // Calls by how they ended. A batch that the server had already, or not from there on, is `moved`.
  uint64_t hellos = 0;
  uint64_t batches_ok = 0;
  uint64_t batches_moved = 0;
  uint64_t batches_again = 0;
  uint64_t batches_wait = 0;
  uint64_t batches_held = 0;
  uint64_t batches_set_aside = 0;
  uint64_t batches_too_large = 0;
  // Of those that failed: the call may have happened.
  uint64_t batches_unknown = 0;
  // How often a mark had gone back.
  uint64_t rewinds = 0;
  // Numbers without a row that the server was told of, by OutboxWhy.
  std::array<uint64_t, kOutboxWhys> gap_numbers{};
  // Rows that the server set aside, or that were set aside here.
  uint64_t rejected_rows = 0;
  // When the server acknowledged last, by this machine's wall clock; 0: not since Start.
  Micros last_ack{};
  // The most rows of a batch, at present.
  int batch_rows = 0;
  // Of the last call that succeeded.
  Duration round_trip{};
  // How far the server's clock is ahead of this machine's, as of the last hello.
  std::optional<Duration> server_clock_offset;
  // How long until all is sent, at the rates of the last minute. Duration::max(): it does not get less, or it
  // is not known yet.
  Duration drained_in = Duration::max();
  // When the next attempt is due, while kWaiting, kHeld or kNoSchema.
  TimePoint next_try{};
};

// Neither copied nor moved.
class Outbox {
 public:
  // REQUIRES: all outlive this. `local` is a pool over a SqliteBackend whose schema has kOutboxSchema.
  // `platform` is the pool's.
  Outbox(Pool& local, OutboxServer& server, const OutboxSource& source,
         const OutboxOptions& options, Platform& platform = NativePlatform());
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Takes up what the database has. OK: Turn may be called. kInvalidArgument: an option, which the message
  // names, or a statement of the source. Else the local database, and Start may be called again.
  absl::Status Start(Deadline deadline);
  // Does one step. Returns when it wants to be called again, besides when a descriptor is ready: `now`
  // means at once. REQUIRES: Start returned OK; `now` comes from the platform's Now().
  TimePoint Turn(TimePoint now);
  // The descriptors to wait for; returns how many there are.
  size_t Descriptors(std::span<DescriptorWait> out) const;
  // Rows were sealed: the next Turn looks for them, so call it. Without this they are looked for every
  // OutboxOptions::linger (every second, where that is shorter).
  void RowsSealed();
  // Tries now what waits or is held. For an operator who has cured the cause. Call Turn after it.
  void Retry();
  // For a shutdown: sends what waits, without lingering, and writes the counters down. Turns and waits by
  // itself, until `deadline` at most. OK: all is sent. kDeadlineExceeded: time is up. The error of the server: a
  // call failed. The message says how much waits; it stays, and is sent after the next Start.
  absl::Status Drain(Deadline deadline);
  // One snapshot. REQUIRES: `now` comes from the platform's Now().
  OutboxStats stats(TimePoint now) const;
  // Bytes that this takes in all: at most 32 KiB for 500 rows.
  size_t memory() const;

 private:
  std::unique_ptr<outbox::Sender> sender_;
};

}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_OUTBOX_H_
