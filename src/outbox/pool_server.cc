// outbox/pool_server.cc - roost/outbox_server.h: a lease, a hello, batches.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "base/text.h"
#include "outbox/batch_values.h"
#include "outbox/hands.h"
#include "outbox/link_meter.h"
#include "outbox/server_sql.h"
#include "roost/async.h"
#include "roost/outbox_server.h"

namespace roost::outbox {
namespace {

using internal::Concat;

constexpr size_t kLongestToken = 256;
constexpr size_t kMostRows = 5000;
// Of an answer, beside what was bound, where the link does not count.
constexpr uint64_t kBytesOfAnswer = 100;

// The first line of a small file, without blanks at its end. No value: it cannot be read.
std::optional<std::string> FirstLine(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return std::nullopt;
  std::array<char, kLongestToken + 2> room;
  std::string line(room.data(), std::fread(room.data(), 1, room.size(), file));
  std::fclose(file);
  line.resize(std::min(line.find_first_of("\r\n"), line.size()));
  while (line.ends_with(' ') || line.ends_with('\t')) line.pop_back();
  return line;
}

// Not its text: it may be a token, with a fault in it.
absl::StatusOr<std::string> ReadToken(const std::string& path) {
  std::optional<std::string> token = FirstLine(path);
  if (!token.has_value()) {
    return absl::NotFoundError(Concat({"the token file \"", path, "\" cannot be read"}));
  }
  const bool fits =
      !token->empty() && token->size() <= kLongestToken &&
      std::all_of(token->begin(), token->end(), [](char c) { return c > ' ' && c != 0x7f; });
  if (fits) return *std::move(token);
  return absl::InvalidArgumentError(
      Concat({"the first line of the token file \"", path,
              "\" is no token: 1 to 256 characters without blanks are"}));
}

absl::Status Check(const ServerOptions& options) {
  if (options.node.empty()) return absl::InvalidArgumentError("ServerOptions::node is empty");
  if (options.batch < 1 || options.batch > static_cast<int>(kMostRows)) {
    return absl::InvalidArgumentError("ServerOptions::batch is to be 1 to 5000");
  }
  if (options.kind != ServerKind::kTable && options.token_file.empty()) {
    return absl::InvalidArgumentError(
        "ServerOptions::token_file is empty: it names the file with the node's token");
  }
  return absl::OkStatus();
}

std::string_view View(const std::string& text) { return text; }

size_t RowsOf(const ServerOptions& options) {
  return static_cast<size_t>(std::clamp(options.batch, 1, static_cast<int>(kMostRows)));
}

}  // namespace

class PoolServer::Impl {
 public:
  Impl(Pool& remote, WakeCallback wake, const ServerOptions& options, Platform& platform)
      : remote_(remote),
        platform_(platform),
        kind_(options.kind),
        node_(options.node),
        token_file_(options.token_file),
        machine_id_file_(options.machine_id_file),
        version_(options.version),
        epoch_(options.epoch),
        sqlstate_(options.sqlstate),
        number_(options.number),
        queue_(wake, &platform),
        batch_(options.kind, RowsOf(options)),
        // So that the notes of two that share a pool differ.
        connection_(platform.Random()) {
    options_ = Check(options);
    absl::StatusOr<ServerSql> sql = SqlFor(options.kind, options.table);
    if (options_.ok()) options_ = sql.status();
    if (sql.ok()) sql_ = *std::move(sql);
  }

  void Hello(std::span<const OutboxSegment> asked, Deadline deadline);
  void Ingest(const OutboxBatch& batch, Deadline deadline);
  const Answer* Continue(TimePoint now);
  TimePoint next() const { return phase_ == Phase::kEnded ? TimePoint::min() : next_; }
  size_t Descriptors(std::span<DescriptorWait> out) const;
  uint64_t link_bytes() const { return meter_.total(); }
  void Rest() {
    query_.Cancel();
    lease_.Return();
    phase_ = Phase::kIdle;
  }

 private:
  enum class Phase : uint8_t { kIdle, kAcquiring, kAsking, kEnded };
  enum class Call : uint8_t { kHello, kIngest };

  void Begin(Call call, Deadline deadline);
  void End(absl::Status status);
  void NeedHello();
  void Wait(TimePoint now);
  void TakeLease();
  void UseLease();
  void StartHello();
  void StartIngest();
  void Ask(const std::string& sql, std::span<const Value> values);
  void NoteStep(absl::StatusOr<Step> step);
  void Judge();
  void TakeAnswer();
  absl::Status TakeHello();
  absl::Status TakeIngest();

  Pool& remote_;
  Platform& platform_;
  const ServerKind kind_;
  const std::string node_;
  const std::string token_file_;
  const std::string machine_id_file_;
  const std::string version_;
  const int64_t epoch_;
  std::string_view (*const sqlstate_)(const absl::Status&);
  int (*const number_)(const absl::Status&);

  absl::Status options_;
  ServerSql sql_;
  std::string token_;
  std::string machine_;
  AcquireQueue queue_;
  PendingAcquire acquire_;
  Lease lease_;
  PendingQuery query_;
  DescriptorWait wait_{};
  TimePoint next_ = TimePoint::max();
  Deadline deadline_ = Deadline::Never();
  Phase phase_ = Phase::kIdle;
  Call call_ = Call::kHello;
  bool acquired_ = false;
  bool sent_ = false;

  // The call's.
  std::span<const OutboxSegment> asked_;
  const OutboxBatch* sending_ = nullptr;
  BatchValues batch_;
  std::array<int64_t, kMostAsked> epochs_{};
  std::array<int64_t, kMostAsked> los_{};
  std::array<Value, 7> hello_values_;
  std::string json_epochs_;
  std::string json_los_;
  std::array<OutboxMark, kMostAsked> marks_;
  uint64_t bytes_ = 0;  // of what was bound

  uint32_t connection_;  // the note of the connection that has seen a hello
  LinkMeter meter_;
  bool counted_ = false;  // the kernel counts the link
  Answer answer_;
};

// ---- a call -------------------------------------------------------------------------------------

void PoolServer::Impl::Begin(Call call, Deadline deadline) {
  call_ = call;
  deadline_ = deadline;
  sent_ = false;
  answer_ = Answer{};
  next_ = TimePoint::max();
  if (!options_.ok()) return End(options_);
  if (lease_) {
    lease_->set_deadline(deadline);
    return UseLease();
  }
  phase_ = Phase::kAcquiring;
  acquired_ = false;
  const AcquireOptions options{.intent = kWrite, .deadline = deadline};
  acquired_ = acquire_.Start(
      queue_, remote_, options, [](void* self) { static_cast<Impl*>(self)->acquired_ = true; },
      this);
  if (acquired_) return TakeLease();
  Wait(platform_.Now());
}

// A connection is opened in steps by the pool's Tick, which nobody else may call meanwhile (Outbox::Drain).
void PoolServer::Impl::Wait(TimePoint now) {
  const TimePoint due = remote_.Tick(now);
  next_ = std::min(due, queue_.Run(now));
  if (acquired_) TakeLease();
}

void PoolServer::Impl::Hello(std::span<const OutboxSegment> asked, Deadline deadline) {
  asked_ = asked.first(std::min(asked.size(), kMostAsked));
  Begin(Call::kHello, deadline);
}

void PoolServer::Impl::Ingest(const OutboxBatch& batch, Deadline deadline) {
  sending_ = &batch;
  Begin(Call::kIngest, deadline);
}

void PoolServer::Impl::TakeLease() {
  absl::StatusOr<Lease> lease = acquire_.Take();
  if (!lease.ok()) return End(lease.status());
  lease_ = *std::move(lease);
  UseLease();
}

void PoolServer::Impl::UseLease() {
  if (call_ == Call::kHello) return StartHello();
  if (lease_->note() == connection_) return StartIngest();
  NeedHello();
}

void PoolServer::Impl::NeedHello() {
  answer_.needs_hello = true;
  answer_.hand = OutboxHand::kNone;
  phase_ = Phase::kEnded;
}

void PoolServer::Impl::StartHello() {
  if (lease_->note() != connection_) {
    // Marked once it is answered. 0 is the note of one that nobody has marked.
    if (++connection_ == 0) ++connection_;
    meter_.Begin();
  }
  for (size_t i = 0; i < asked_.size(); ++i) {
    epochs_[i] = asked_[i].epoch;
    los_[i] = asked_[i].lo;
  }
  const std::span<const int64_t> epochs(epochs_.data(), asked_.size());
  const std::span<const int64_t> los(los_.data(), asked_.size());
  bytes_ = 200 + 16 * asked_.size();
  if (kind_ == ServerKind::kTable) {
    hello_values_ = {View(node_), epochs, los};
    return Ask(sql_.hello, std::span(hello_values_).first(3));
  }
  absl::StatusOr<std::string> token = ReadToken(token_file_);
  if (!token.ok()) return End(token.status());
  token_ = *std::move(token);
  const std::optional<std::string> id = FirstLine(machine_id_file_);
  machine_.clear();
  if (id.has_value() && !id->empty()) {
    const auto digits = internal::HexSha256(*id);
    machine_.assign(digits.begin(), digits.end());
  }
  if (kind_ == ServerKind::kMariadb) {
    const auto list = [](std::span<const int64_t> numbers) {
      std::string text = "[";
      for (const int64_t number : numbers) {
        if (text.size() > 1) text += ',';
        text += std::to_string(number);
      }
      return text + "]";
    };
    json_epochs_ = list(epochs);
    json_los_ = list(los);
    hello_values_ = {View(node_),    View(token_),       epoch_,         View(machine_),
                     View(version_), View(json_epochs_), View(json_los_)};
  } else {
    hello_values_ = {View(node_),    View(token_), epoch_, View(machine_),
                     View(version_), epochs,       los};
  }
  Ask(sql_.hello, hello_values_);
}

void PoolServer::Impl::StartIngest() {
  if (!batch_.Take(*sending_, node_, token_)) {
    answer_.hand = OutboxHand::kTooLarge;
    answer_.status = absl::ResourceExhaustedError(
        "a batch of more rows than ServerOptions::batch, or of times that lie weeks apart");
    phase_ = Phase::kEnded;
    return;
  }
  bytes_ = batch_.bytes();
  Ask(sql_.ingest, batch_.values());
}

void PoolServer::Impl::Ask(const std::string& sql, std::span<const Value> values) {
  phase_ = Phase::kAsking;
  counted_ = false;
  sent_ = true;
  NoteStep(query_.StartWith(*lease_, Sql(sql), values));
}

void PoolServer::Impl::NoteStep(absl::StatusOr<Step> step) {
  if (!step.ok()) return End(step.status());
  if (step->done) return TakeAnswer();
  wait_ = step->wait;
  next_ = step->at.time();
}

const PoolServer::Answer* PoolServer::Impl::Continue(TimePoint now) {
  if (phase_ == Phase::kAcquiring) {
    Wait(now);
  } else if (phase_ == Phase::kAsking) {
    counted_ = meter_.Look(wait_.fd) || counted_;
    NoteStep(query_.Advance(now));
  }
  return phase_ == Phase::kEnded ? &answer_ : nullptr;
}

size_t PoolServer::Impl::Descriptors(std::span<DescriptorWait> out) const {
  if (phase_ == Phase::kAcquiring) {
    return std::min(static_cast<size_t>(remote_.Descriptors(out)), out.size());
  }
  if (phase_ != Phase::kAsking || wait_.fd < 0 || out.empty()) return 0;
  out[0] = wait_;
  return 1;
}

// ---- what came of it ----------------------------------------------------------------------------

void PoolServer::Impl::End(absl::Status status) {
  query_.Cancel();
  phase_ = Phase::kEnded;
  next_ = TimePoint::max();
  if (sent_) {
    // After an error the descriptor may be another's.
    if (status.ok()) counted_ = meter_.Look(wait_.fd) || counted_;
    if (!counted_) meter_.Add(bytes_ + kBytesOfAnswer);
  }
  answer_.status = std::move(status);
  answer_.connection = lease_ && lease_->note() == connection_ ? connection_ : 0;
  if (answer_.status.ok()) return;
  Judge();
  // The connection may be good still. It has not to be kept for as long as the next attempt waits.
  lease_.Return();
}

void PoolServer::Impl::Judge() {
  const std::string_view sqlstate = sqlstate_ != nullptr ? sqlstate_(answer_.status) : "";
  const int number = number_ != nullptr ? number_(answer_.status) : 0;
  const Verdict verdict = kind_ == ServerKind::kMariadb ? JudgeMysql(answer_.status, number)
                                                        : JudgePostgres(answer_.status, sqlstate);
  answer_.hand = verdict.hand;
  answer_.has_no_schema = verdict.has_no_schema && kind_ != ServerKind::kTable;
  answer_.not_before = verdict.not_before;
  answer_.is_unknown = sent_ && MayHaveHappened(answer_.status, sqlstate, number);
}

void PoolServer::Impl::TakeAnswer() {
  absl::Status status = call_ == Call::kHello ? TakeHello() : TakeIngest();
  if (status.ok() && call_ == Call::kHello) lease_->set_note(connection_);
  End(std::move(status));
}

absl::Status PoolServer::Impl::TakeHello() {
  Rows rows = query_.Take();
  HelloAnswer& hello = answer_.hello;
  size_t count = 0;
  bool any = false;
  while (rows.Next()) {
    any = true;
    hello.schema_version = rows.Get<int>(0);
    hello.server_time = Micros{rows.Get<int64_t>(1)};
    hello.spread =
        std::chrono::seconds(std::clamp(rows.Get<std::optional<int>>(2).value_or(0), 0, 3600));
    const int most = rows.Get<std::optional<int>>(3).value_or(0);
    hello.max_rows = most > 0 ? static_cast<uint32_t>(most) : 0;
    hello.clones = rows.Get<std::optional<int>>(4).value_or(0);
    const std::optional<int64_t> epoch = rows.Get<std::optional<int64_t>>(5);
    const std::optional<int64_t> lo = rows.Get<std::optional<int64_t>>(6);
    if (!epoch.has_value() || !lo.has_value()) continue;
    if (count == asked_.size() || asked_[count] != OutboxSegment{*epoch, *lo}) {
      return absl::InternalError(
          "the server answers a hello for other segments than were asked for");
    }
    marks_[count] = {.segment = asked_[count], .seq = rows.Get<std::optional<int64_t>>(7)};
    ++count;
  }
  if (!rows.status().ok()) return rows.status();
  if (!any || count != asked_.size()) {
    return absl::InternalError("the server answers a hello for fewer segments than were asked for");
  }
  hello.marks = std::span(marks_).first(count);
  return absl::OkStatus();
}

absl::Status PoolServer::Impl::TakeIngest() {
  Rows rows = query_.Take();
  IngestAnswer& ingest = answer_.ingest;
  if (kind_ == ServerKind::kTable) {
    while (rows.Next()) {
    }
    ingest.mark = sending_->last;
    return rows.status();
  }
  bool any = false;
  while (rows.Next()) {
    any = true;
    ingest.mark = rows.Get<int64_t>(0);
    const int rejected = rows.Get<std::optional<int>>(1).value_or(0);
    ingest.rejected = rejected > 0 ? static_cast<uint32_t>(rejected) : 0;
  }
  if (rows.status().ok() && !any)
    return absl::InternalError("the server answers a batch with no row");
  return rows.status();
}

// ---- PoolServer ---------------------------------------------------------------------------------

PoolServer::PoolServer(Pool& remote, WakeCallback wake, const ServerOptions& options,
                       Platform& platform)
    : impl_(new Impl(remote, wake, options, platform)) {}
PoolServer::~PoolServer() = default;

void PoolServer::Hello(std::span<const OutboxSegment> asked, Deadline deadline) {
  impl_->Hello(asked, deadline);
}
void PoolServer::Ingest(const OutboxBatch& batch, Deadline deadline) {
  impl_->Ingest(batch, deadline);
}
const OutboxServer::Answer* PoolServer::Continue(TimePoint now) { return impl_->Continue(now); }
TimePoint PoolServer::next() const { return impl_->next(); }
size_t PoolServer::Descriptors(std::span<DescriptorWait> out) const {
  return impl_->Descriptors(out);
}
uint64_t PoolServer::link_bytes() const { return impl_->link_bytes(); }
void PoolServer::Rest() { impl_->Rest(); }

}  // namespace roost::outbox
