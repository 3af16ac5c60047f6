// The vocabulary of the checks: results, spans, numbers as text.
#include <stdarg.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

#include "src/tools/common/duration.h"
#include "src/tools/roostctl/selftest.h"

namespace roost::tools::selftest {

const char* Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
    case Verdict::kSkip:
      return "skip";
  }
  return "";
}

namespace {

Result Make(Verdict verdict, std::string measured, std::string bound, std::string advice) {
  Result result;
  result.verdict = verdict;
  result.measured = std::move(measured);
  result.bound = std::move(bound);
  result.advice = std::move(advice);
  return result;
}

}  // namespace

Result Pass(std::string measured, std::string bound) {
  return Make(Verdict::kPass, std::move(measured), std::move(bound), "");
}

Result Warn(std::string measured, std::string bound, std::string advice) {
  return Make(Verdict::kWarn, std::move(measured), std::move(bound), std::move(advice));
}

Result Fail(std::string measured, std::string bound, std::string advice) {
  return Make(Verdict::kFail, std::move(measured), std::move(bound), std::move(advice));
}

Result Skip(std::string reason) { return Make(Verdict::kSkip, std::move(reason), "", ""); }

std::string Format(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

std::string FormatBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return unit == 0 ? Format("%.0f B", bytes) : Format("%.4g %s", bytes, kUnits[unit]);
}

void Rest(Platform& platform, Duration span) {
  const std::atomic<uint32_t> word{0};
  const Deadline until = Deadline::After(platform.Now(), span);
  while (platform.Wait(word, 0, until)) {
  }
}

Spread SpreadOf(std::vector<Duration> spans) {
  if (spans.empty()) return {};
  std::sort(spans.begin(), spans.end());
  const auto at = [&spans](double share) {
    const double rank = std::ceil(share * static_cast<double>(spans.size()));
    return spans[static_cast<size_t>(rank) - 1];
  };
  return {.count = spans.size(), .p50 = at(0.5), .p99 = at(0.99), .max = spans.back()};
}

std::string Format(const Spread& spread) {
  return "p50 " + FormatDuration(spread.p50) + ", p99 " + FormatDuration(spread.p99) + ", max " +
         FormatDuration(spread.max);
}

void AddFigures(Result& result, const Spread& spread, const std::string& prefix) {
  result.figures[prefix + "p50_s"] = Seconds(spread.p50);
  result.figures[prefix + "p99_s"] = Seconds(spread.p99);
  result.figures[prefix + "max_s"] = Seconds(spread.max);
  result.figures[prefix + "count"] = spread.count;
}

}  // namespace roost::tools::selftest
