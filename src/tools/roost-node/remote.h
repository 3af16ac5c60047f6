// tools/roost-node/remote.h - the node's remote database: a second pool, which the node's own loop
// maintains, and a row every heartbeat.
//
// The loop never waits for a server. Opening goes on in steps (Pool::Tick), the acquire stands in
// line without a thread (PendingAcquire), and a statement has kWithin, once a heartbeat. A server
// that is away is tried again with growing pauses; a heartbeat that it missed is not made up for,
// and its number is missing in the table.
//
// Threads:  one: the loop's
// Blocks:   Turn for at most kWithin, when a heartbeat is sent; Close up to its deadline
// Memory:   the pool; libpq or libmariadb is loaded by Start and takes from the heap, with each
//           heartbeat, too
// Errors:   Start: the address is wrong; everything later is state and messages
#ifndef ROOST_TOOLS_ROOST_NODE_REMOTE_H_
#define ROOST_TOOLS_ROOST_NODE_REMOTE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "roost/async.h"
#include "roost/observer.h"
#include "roost/pool.h"
#include "roost/profile.h"
#include "telemetry/node_status.h"
#include "tools/common/text.h"
#include "tools/roost-node/heartbeat_sql.h"
#include "tools/roost-node/messages.h"

namespace roost::tools {

// What a heartbeat says of the node.
struct Heartbeat {
  Duration uptime{};
  uint64_t taken = 0;
  uint64_t sealed = 0;
  uint64_t waiting = 0;  // the backlog
  uint64_t dropped = 0;
  bool has_schema = true;  // the server has the schema roost, as far as is known
};

class Remote final : private Observer {
 public:
  // The longest that a turn of the loop waits for the server: some round trips of a mobile link.
  static constexpr Duration kWithin = std::chrono::seconds(1);

  struct Settings {
    std::string uri{};            // may hold a password
    std::string password_file{};  // see PostgresOptions
    std::string name{};           // of the node
    std::string version{};
    uint32_t epoch = 0;  // of this run
    Duration heartbeat{};
    std::string address_file{};  // see PostgresOptions
    std::string
        token_file{};  // the heartbeat goes to the schema roost, where there is one; empty: to a table
    Observer* events = nullptr;    // hears the pool's events, too; null: none
    bool events_are_told = false;  // `events` tells people when the pool is away, and back
  };
  // REQUIRES: `platform` and `messages` outlive this.
  Remote(const Settings& settings, Platform& platform, Messages& messages);
  ~Remote() override;

  // Begins to connect. kInvalidArgument: the address is wrong. Anything else that goes wrong may
  // pass and is OK here.
  absl::Status Start();

  // A turn of the loop: maintains the pool and sends the heartbeat that is due.
  void Turn(TimePoint now, const Heartbeat& heartbeat);
  // When the next turn is wanted at the latest, and the descriptors that want it earlier: those of
  // the pool and an event. Returns how many were put into `out`.
  static constexpr size_t kMostDescriptors = 3;
  TimePoint next() const;
  size_t Descriptors(std::span<DescriptorWait> out) const;

  void Close(Deadline deadline);

  void ToStatus(telemetry::RemoteStatus& status) const;
  const Pool& pool() const { return pool_; }
  // For what is sent besides the heartbeat; `wake` rings the loop, from any thread.
  Pool& pool() { return pool_; }
  WakeCallback wake() {
    return {.function = [](void* self) { static_cast<Remote*>(self)->Signal(); }, .context = this};
  }
  // The latest heartbeat was confirmed.
  bool is_up() const { return state_ == State::kUp; }
  // "up", or "away since 40 s: connection refused; next try in 3 s"
  TextLine Text(TimePoint now) const;
  // Grows when the state changes.
  uint64_t changes() const { return changes_; }

 private:
  // The loop stands in line and goes on with its work meanwhile, so the tries go on, too.
  struct Profile : profiles::RaspberryPiRemote {
    static constexpr WhenAway kWhenAway = WhenAway::kWait;
  };
  // kUp: the latest heartbeat was confirmed.
  enum class State : uint8_t { kConnecting, kUp, kRefusing, kAway };
  static const char* Name(State state);

  void OnEvent(const Event& event) override;
  void Signal();
  void Request(TimePoint now);
  void Send(TimePoint now, const Heartbeat& heartbeat);
  absl::Status Insert(Lease& lease, const Heartbeat& heartbeat);
  absl::Status Beat(Lease& lease, const Heartbeat& heartbeat);
  void OnFailure(TimePoint now, State state, const absl::Status& why);
  std::string_view WithoutTarget(std::string_view message) const;
  void SetState(State state, TimePoint now, const absl::Status& why);

  const Settings settings_;
  Platform& platform_;
  Messages& messages_;
  const HeartbeatSql& sql_;
  const int event_;
  const std::unique_ptr<Backend> backend_;
  PoolFor<Profile> pool_;
  AcquireQueue queue_;
  PendingAcquire acquire_;

  State state_ = State::kConnecting;
  TimePoint since_;
  uint64_t changes_ = 0;
  uint32_t told_causes_ = 0;  // of this state: a bit for each code
  bool closing_ = false;      // what ends now is no news
  absl::Status first_error_;  // of the first open, for Start
  TextLine last_error_;
  TimePoint error_at_{};
  TimePoint next_try_ = TimePoint::min();

  int64_t seq_ = 0;                         // of the heartbeat that is due or was sent last
  TimePoint next_beat_ = TimePoint::min();  // when the next one becomes due
  TimePoint retry_at_ =
      TimePoint::max();  // of the one that is due; max: none is, or it is asked for
  Duration retry_pause_{};
  bool due_ = false;
  bool granted_ = false;
  TimePoint next_tick_ = TimePoint::min();
  TimePoint next_run_ = TimePoint::max();
  uint64_t sent_ = 0;
  uint64_t failed_ = 0;
  TimePoint sent_at_ = TimePoint::min();
};

}  // namespace roost::tools

#endif  // ROOST_TOOLS_ROOST_NODE_REMOTE_H_
