// tools/roostctl/selftest/check.cc - the vocabulary of the checks: results, spans, numbers as
// text.
#include "tools/roostctl/selftest/check.h"

#include <stdarg.h>

#include <atomic>
#include <cstdio>

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

void SleepFor(Platform& platform, Duration span) {
  const std::atomic<uint32_t> word{0};
  const Deadline until = Deadline::After(platform.Now(), span);
  while (platform.Wait(word, 0, until)) {
  }
}

void AddFigures(Result& result, const Percentiles& spans, const std::string& prefix) {
  result.figures[prefix + "p50_s"] = InSeconds(spans.p50);
  result.figures[prefix + "p99_s"] = InSeconds(spans.p99);
  result.figures[prefix + "max_s"] = InSeconds(spans.max);
  result.figures[prefix + "count"] = spans.count;
}

}  // namespace roost::tools::selftest
