// telemetry/status_state.h - what a StatusServer is made of, and what it answers.
//
// Threads:  Serve is done by one thread at a time; the others come back later
// Blocks:   see status.h
// Memory:   in the StatusServer
#ifndef ROOST_TELEMETRY_STATUS_STATE_H_
#define ROOST_TELEMETRY_STATUS_STATE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "base/json_writer.h"
#include "base/text.h"
#include "roost/internal/mutex.h"
#include "roost/status.h"
#include "telemetry/event_ring.h"
#include "telemetry/exposition.h"
#include "telemetry/status_socket.h"
#include "telemetry/window.h"

namespace roost::telemetry {

// The format of the answer to "status". It changes only when a member changes its meaning.
inline constexpr int kLiveFormat = 1;

class StatusState {
 public:
  explicit StatusState(const StatusOptions& options);

  const absl::Status& status() const { return status_; }
  absl::Status BoxStatus() const;
  std::string_view path() const { return socket_.path(); }
  void Add(const Pool& pool);
  void Add(const StatusSource& source) { source_ = &source; }
  absl::Status WriteMetrics(std::string_view path);
  void Say(Health health, std::string_view text);
  TimePoint Serve(TimePoint now);
  int Descriptors(std::span<DescriptorWait> out);
  void OnEvent(const Event& event);

 private:
  using SaidText = internal::BoundedText<120>;
  struct Watched {
    const Pool* pool = nullptr;
    Window window;
  };
  // What an answer is made from, on the stack of Serve.
  struct Said {
    Health health{};
    SaidText text;
    TimePoint at{};
    bool said = false;
  };

  // True in the child of a fork.
  bool IsInherited() const;
  int64_t BootMicros(TimePoint at) const;
  void WriteHead();
  Said TakeSaid();
  void TurnWindows(TimePoint now);
  void Answer(std::string_view verb, TimePoint now, AnswerStream& stream);
  void WriteStatus(TimePoint now, internal::JsonWriter& json);
  void WritePool(TimePoint now, Watched& watched, internal::JsonWriter& json);
  void WriteEvents(TimePoint now, internal::JsonWriter& json);
  using Samples = std::array<PoolSample, StatusServer::kMaxPools>;
  // REQUIRES: the thread serves.
  ProgramSample TakeSamples(TimePoint now, Samples& samples);
  void AnswerMetrics(TimePoint now, internal::Drain drain);

  Platform& platform_;
  const uint32_t fork_generation_;
  const TimePoint started_;
  const int64_t started_unix_us_;  // kept, so that it changes with a new start alone
  internal::BoundedText<56> name_;
  StatusSocket socket_;  // under serving_, but for box(), which is constant
  absl::Status status_;  // behind the socket, which it is of
  EventRing ring_;
  std::array<Watched, StatusServer::kMaxPools> pools_{};
  size_t pool_count_ = 0;
  const StatusSource* source_ = nullptr;

  internal::Mutex serving_;  // held by the thread that serves
  internal::Mutex said_mu_;
  Said said_ ABSL_GUARDED_BY(said_mu_);
  BoxHead head_ ABSL_GUARDED_BY(said_mu_);
};

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_STATUS_STATE_H_
