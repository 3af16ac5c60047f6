#include "outbox/pace.h"

#include <algorithm>
#include <chrono>

namespace roost::outbox {

Duration Chance::Between(Duration lo, Duration hi) {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  const auto span = static_cast<uint64_t>((hi - lo).count()) + 1;
  return lo + Duration(static_cast<Duration::rep>(z % span));
}

Duration BackOff::Failed(TimePoint now, Duration spread, Chance& chance) {
  const int earlier = failures_;
  failures_ = std::min(failures_ + 1, 62);
  if (earlier == 0) {
    since_ = now;
    return chance.Between(Duration::zero(), spread);
  }
  if (now - since_ >= kLongOutage) return chance.Between(most_, most_ + most_ / 10);
  Duration ceiling = least_;
  for (int i = 0; i < earlier && ceiling < most_; ++i) ceiling *= 2;
  return chance.Between(least_, std::max(least_, std::min(ceiling, most_)));
}

void BatchSize::Took(int rows, Duration time, Duration timeout) {
  if (rows >= rows_ && time < timeout / 4) rows_ = std::min(rows_ * 2, ceiling_);
}

void BatchSize::WasTooLarge(int rows) {
  ceiling_ = std::max(1, std::min(ceiling_, rows / 2));
  Shrink(std::min(rows_, ceiling_));
}

void BatchSize::Restart(uint32_t most) {
  ceiling_ =
      most == 0 ? most_ : static_cast<int>(std::min<uint32_t>(most, static_cast<uint32_t>(most_)));
  rows_ = std::min(rows_, ceiling_);
}

void Rate::Refill(TimePoint now) {
  if (started_ && now > last_) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    level_ = std::min(level_ + seconds * rate_, static_cast<double>(kBurst));
  }
  last_ = started_ ? std::max(last_, now) : now;
  started_ = true;
}

TimePoint Rate::When(TimePoint now, int64_t bytes) {
  if (rate_ == 0) return now;
  Refill(now);
  const double missing = static_cast<double>(bytes) - level_;
  if (missing <= 0) return now;
  return now +
         std::chrono::duration_cast<Duration>(std::chrono::duration<double>(missing / rate_)) +
         std::chrono::milliseconds(1);
}

void Rate::Spend(TimePoint now, uint64_t bytes) {
  if (rate_ == 0) return;
  Refill(now);
  level_ -= static_cast<double>(bytes);
}

int64_t Budget::MonthOf(Micros time, int day) {
  const auto days = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(time.count)));
  const std::chrono::year_month_day date(days);
  const int64_t month =
      int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month()) - 1;
  return static_cast<int>(static_cast<unsigned>(date.day())) < day ? month - 1 : month;
}

void Budget::SetTime(Micros time) {
  const int64_t month = MonthOf(time, day_);
  if (month > month_ && month_ != 0) used_ = 0;
  month_ = month;
}

void DrainTime::Note(TimePoint now, int64_t waiting) {
  if (count_ > 0 && now - samples_[count_ - 1].at < kEvery) return;
  if (count_ == samples_.size()) {
    std::move(samples_.begin() + 1, samples_.end(), samples_.begin());
    --count_;
  }
  samples_[count_++] = {now, waiting};
}

Duration DrainTime::Left(TimePoint now, int64_t waiting) const {
  if (waiting <= 0) return Duration::zero();
  if (count_ == 0 || now - samples_[0].at < kEvery) return Duration::max();
  const double less = static_cast<double>(samples_[0].waiting - waiting);
  if (less <= 0) return Duration::max();
  const double seconds = std::chrono::duration<double>(now - samples_[0].at).count();
  const double left = static_cast<double>(waiting) * seconds / less;
  constexpr double kMost = 100.0 * 365 * 86400;
  if (left > kMost) return Duration::max();
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(left));
}

}  // namespace roost::outbox
