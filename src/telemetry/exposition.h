// telemetry/exposition.h - the figures of pools as Prometheus' text, format 0.0.4.
//
// The names are those of OpenTelemetry's semantic conventions 1.44.0 where these have one
// (db_client_connection_...), else roost_.... HELP says what is counted and what is not. What is not
// measured has no series. Every series has the label roost_node, so that the files of two programs can
// lie in one folder.
//
// Threads:  any
// Blocks:   never, but for what the drain does
// Memory:   a buffer of the caller
#ifndef ROOST_TELEMETRY_EXPOSITION_H_
#define ROOST_TELEMETRY_EXPOSITION_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "base/json_writer.h"
#include "base/text.h"
#include "roost/pool.h"
#include "roost/stats.h"
#include "roost/status.h"

namespace roost::telemetry {

// One pool, as the exposition shows it.
struct PoolSample {
  std::string_view name{};
  std::string_view backend{};
  std::string_view target{};
  PoolSettings settings{};
  PoolDetails details{};
  // The longest wait of the last one to two minutes.
  Duration longest_wait{};
  // What is asked for its own figures; null: nobody.
  const Backend* source = nullptr;
};

// The program.
struct ProgramSample {
  std::string_view name{};
  std::string_view version{};
  bool healthy = false;
  int64_t started_unix_us = 0;
  uint64_t events = 0;
  // The moment of the samples.
  TimePoint now{};
  // What is asked for the program's own figures; null: nobody.
  const StatusSource* source = nullptr;
};

// Writes metrics: Family, then its samples.
class Exposition {
 public:
  // `out`: what goes to the drain at once. REQUIRES: at least 512 bytes.
  Exposition(std::span<char> out, internal::Drain drain, std::string_view node)
      : out_(out), drain_(drain), node_(node) {}

  // `name` with its unit; `type`: "gauge", "counter", "histogram".
  void Family(std::string_view name, std::string_view type, std::string_view help);
  struct Label {
    std::string_view name{};
    std::string_view value{};
  };
  using Labels = std::span<const Label>;
  void Sample(uint64_t value, Labels labels);
  void Sample(int64_t value, Labels labels);
  void Sample(Duration seconds, Labels labels);
  // Buckets of every second bound, the sum and the count.
  void Sample(const Histogram& spans, Labels labels);
  // Hands the rest to the drain.
  void Finish();

 private:
  void Begin(std::string_view suffix, Labels labels, std::string_view le = {});
  void Put(std::string_view text);
  void PutEscaped(std::string_view text, bool quotes);

  const std::span<char> out_;
  const internal::Drain drain_;
  const std::string_view node_;
  internal::BoundedText<127> family_;
  size_t used_ = 0;
};

// All of them.
void WriteExposition(Exposition& out, const ProgramSample& program,
                     std::span<const PoolSample> pools);

}  // namespace roost::telemetry

#endif  // ROOST_TELEMETRY_EXPOSITION_H_
