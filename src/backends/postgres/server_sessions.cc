#include "backends/postgres/server_sessions.h"

#include <algorithm>

#include "base/duration.h"
#include "base/text.h"

namespace roost::postgres {

using internal::MutexLock;

struct ServerSessions::Session {
  PoolShare pool;
  std::string server;  // empty: none there yet
  std::string key;
  std::optional<Farewell> farewell;  // it was given up
  bool given_up = false;
  int64_t given_up_unix_micros = 0;
  bool busy = false;  // a thread is inside of the farewell
};

namespace {

// While another thread is inside.
constexpr Duration kGlance = std::chrono::milliseconds(5);

}  // namespace

// ---- a place ------------------------------------------------------------------------------------

ServerSessions::Place& ServerSessions::Place::operator=(Place&& from) noexcept {
  if (this != &from) {
    Leave();
    all_ = std::exchange(from.all_, nullptr);
    it_ = from.it_;
  }
  return *this;
}

void ServerSessions::Place::Leave() {
  if (all_ == nullptr) return;
  ServerSessions& all = *std::exchange(all_, nullptr);
  MutexLock lock(all.mu_);
  all.sessions_.erase(it_);
}

void ServerSessions::Place::KeepKey(std::string key) {
  if (all_ == nullptr) return;
  MutexLock lock(all_->mu_);
  it_->key = std::move(key);
}

void ServerSessions::Place::End(const Libpq& pq, PGconn* handle, State state, Farewell::Peer peer,
                                Platform& platform) {
  ServerSessions& all = *std::exchange(all_, nullptr);
  const TimePoint now = platform.Now();
  // A handle that blocks would wait until the socket took its good-bye.
  pq.PQsetnonblocking(handle, 1);
  const bool given_up = state == State::kGivenUp;
  {
    MutexLock lock(all.mu_);
    it_->given_up = given_up;
    it_->given_up_unix_micros = platform.UnixMicros();
    Farewell::Terms terms{.peer = peer, .longest = Farewell::kLongestAtRest};
    if (given_up) terms = {.key = std::move(it_->key), .peer = peer};
    it_->farewell.emplace(pq, handle, std::move(terms), now);
    all.ending_.fetch_add(1);
  }
  all.Continue(now);
}

// ---- all of them --------------------------------------------------------------------------------

ServerSessions::ServerSessions() = default;
ServerSessions::~ServerSessions() { Clear(); }

void ServerSessions::Clear() {
  Sessions dropped;
  MutexLock lock(mu_);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto next = std::next(it);
    if (it->farewell.has_value()) dropped.splice(dropped.end(), sessions_, it);
    it = next;
  }
  ending_ = 0;
}

ServerSessions::Place ServerSessions::Add(const PoolShare& pool) {
  Sessions one(1);
  one.front().pool = pool;
  const auto it = one.begin();
  MutexLock lock(mu_);
  sessions_.splice(sessions_.end(), one);
  return {*this, it};
}

int ServerSessions::CountBeside(const Session& session) const {
  const auto is_beside = [&session](const Session& other) {
    return other.pool.pool == session.pool.pool && other.server == session.server;
  };
  return static_cast<int>(std::ranges::count_if(sessions_, is_beside));
}

bool ServerSessions::Enter(Place& place, std::string_view server) {
  MutexLock lock(mu_);
  Session& session = *place.it_;
  session.server = server;
  if (session.pool.capacity == 0 || CountBeside(session) <= session.pool.capacity) return true;
  session.server.clear();
  return false;
}

ServerSessions::Sessions::iterator ServerSessions::FindDue(TimePoint now, TimePoint& next) {
  next = TimePoint::max();
  for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
    if (!it->farewell.has_value()) continue;
    if (!it->busy && it->farewell->due() <= now) return it;
    next = std::min(next, it->busy ? now + kGlance : it->farewell->due());
  }
  return sessions_.end();
}

// Each step moves its own time on, so that this ends.
TimePoint ServerSessions::Continue(TimePoint now) {
  if (ending_.load(std::memory_order_relaxed) == 0) return TimePoint::max();
  for (;;) {
    Sessions::iterator session;
    {
      MutexLock lock(mu_);
      TimePoint next;
      session = FindDue(now, next);
      if (session == sessions_.end()) return next;
      session->busy = true;
    }
    const bool ended = session->farewell->Advance(now);
    Sessions gone;  // its descriptors are closed without the lock
    MutexLock lock(mu_);
    session->busy = false;
    if (!ended) continue;
    gone.splice(gone.end(), sessions_, session);
    ending_.fetch_sub(1);
  }
}

absl::Status ServerSessions::Hindrance(const void* pool) const {
  if (ending_.load(std::memory_order_relaxed) == 0) return absl::OkStatus();
  int count = 0;
  int64_t since = 0;
  {
    MutexLock lock(mu_);
    for (const Session& session : sessions_) {
      const bool hinders = session.given_up && session.pool.pool == pool &&
                           CountBeside(session) >= session.pool.capacity;
      if (!hinders) continue;
      if (count++ == 0 || session.given_up_unix_micros < since) {
        since = session.given_up_unix_micros;
      }
    }
  }
  if (count == 0) return absl::OkStatus();
  internal::TextLine text;
  text.Add(count, count == 1 ? " session given up still runs" : " sessions given up still run",
           " at the server since ", internal::TimeOfDay{since});
  return absl::DeadlineExceededError(text.c_str());
}

}  // namespace roost::postgres
