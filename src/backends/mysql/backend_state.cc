#include "backends/mysql/backend_state.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace roost::mysql {

using internal::MutexLock;

namespace {

// Of MysqlOptions::max_result_bytes.
constexpr int kLeastResult = 64 * 1024;
constexpr int kMostResult = 1 << 30;
// Sessions that are to be ended; their server ends the others by its own limits.
constexpr size_t kMostFarewells = 32;
// How many of them have a connection at a time.
constexpr int kFarewellsAtOnce = 2;
// How long the end of a session is tried, from its being given up on; and how soon again.
constexpr Duration kFarewellTime = std::chrono::seconds(10);
constexpr Duration kFarewellPause = std::chrono::milliseconds(250);

}  // namespace

// ---- the end of a session -----------------------------------------------------------------------

Farewell::Farewell(BackendState& backend, const Session& session)
    : backend_(backend),
      session_(session),
      deadline_(Deadline::After(session.platform->Now(), kFarewellTime)) {}

TimePoint Farewell::Continue(TimePoint now) {
  if (deadline_.HasPassed(now)) return TimePoint::max();
  if (now < not_before_) return not_before_;
  if (!attempt_.has_value()) {
    attempt_.emplace(
        backend_,
        OpenRequest{
            .platform = session_.platform, .deadline = deadline_, .tcp_timers = session_.timers},
        session_.given_up);
    if (!attempt_->Start().ok()) return TimePoint::max();
    attempt_->GoTo(session_.endpoint);
  }
  const absl::StatusOr<Step> step = attempt_->Advance(now);
  if (absl::IsResourceExhausted(step.status())) {
    // The session itself may be what fills the server.
    attempt_.reset();
    return not_before_ = now + kFarewellPause;
  }
  if (!step.ok() || step->done) return TimePoint::max();
  // Nobody waits for its descriptor.
  return now + std::chrono::milliseconds(5);
}

// ---- what the connections share -----------------------------------------------------------------

BackendState::BackendState(const MysqlOptions& options, backends::LookUpFunction look_up)
    : options_(options), resolver_(std::move(look_up)), addresses_(options.address_file) {}

BackendState::~BackendState() {
  farewells_.clear();  // which calls libmariadb
}

absl::Status BackendState::Load() {
  if (lib_.loaded()) return absl::OkStatus();
  absl::Status status = lib_.Load(&LoadLibmariadb);
  if (!status.ok()) return status;
  addresses_.Load();
  return status;
}

absl::StatusOr<std::shared_ptr<const Settings>> BackendState::Read() {
  if (options_.max_result_bytes < kLeastResult || options_.max_result_bytes > kMostResult) {
    return absl::InvalidArgumentError("max_result_bytes may be 65536 to 1073741824");
  }
  absl::StatusOr<Settings> settings = ReadSettings(options_);
  if (!settings.ok()) return settings.status();
  absl::Status status = Load();
  if (!status.ok()) return status;
  endpoints_.SetCount(static_cast<int>(settings->endpoints.size()));
  return std::make_shared<const Settings>(*std::move(settings));
}

void BackendState::EndSession(const Farewell::Session& session) {
  auto farewell = std::make_unique<Farewell>(*this, session);
  MutexLock lock(mu_);
  if (farewells_.size() < kMostFarewells) farewells_.push_back(std::move(farewell));
}

// They are taken out for as long as they talk to their servers.
TimePoint BackendState::Continue(TimePoint now) {
  std::vector<std::unique_ptr<Farewell>> farewells;
  {
    MutexLock lock(mu_);
    if (farewells_.empty()) return TimePoint::max();
    farewells.swap(farewells_);
  }
  TimePoint next = TimePoint::max();
  int at_once = 0;
  std::erase_if(farewells, [&](const std::unique_ptr<Farewell>& each) {
    if (at_once == kFarewellsAtOnce) return false;
    const TimePoint wanted = each->Continue(now);
    next = std::min(next, wanted);
    if (wanted != TimePoint::max()) ++at_once;
    return wanted == TimePoint::max();
  });
  MutexLock lock(mu_);
  farewells_.insert(farewells_.begin(), std::make_move_iterator(farewells.begin()),
                    std::make_move_iterator(farewells.end()));
  return next;
}

}  // namespace roost::mysql
