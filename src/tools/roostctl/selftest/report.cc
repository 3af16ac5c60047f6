#include "tools/roostctl/selftest/report.h"

#include <algorithm>

#include "roost/version.h"
#include "tools/common/text.h"

namespace roost::tools::selftest {
namespace {

using nlohmann::ordered_json;

int NameWidth() {
  size_t width = 0;
  for (const Check& check : AllChecks()) width = std::max(width, std::string(check.name).size());
  return static_cast<int>(width);
}

// One line, whatever a driver's message or the name of a file has in it.
std::string OneLine(const std::string& text) { return PlainText(text); }

// As JSON, which is also a YAML string. Bytes that are not UTF-8 become a mark, and what is not
// ASCII an escape: a terminal obeys some of it.
std::string Quoted(const std::string& text) {
  return ordered_json(text).dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

std::string Dump(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', true, ordered_json::error_handler_t::replace);
}

const char* WorstOf(const Run& run) {
  if (run.Count(Verdict::kFail) > 0) return Name(Verdict::kFail);
  return Name(run.Count(Verdict::kWarn) > 0 ? Verdict::kWarn : Verdict::kPass);
}

ordered_json ToJson(const Finding& finding) {
  const Result& result = finding.result;
  return {{"name", finding.check->name},
          {"what", finding.check->what},
          {"verdict", Name(result.verdict)},
          {"measured", result.measured},
          {"bound", result.bound},
          {"advice", result.advice},
          {"took_s", InSeconds(finding.took)},
          {"limit_s", InSeconds(finding.check->limit)},
          {"figures", result.figures}};
}

}  // namespace

int ExitCode(const Run& run, bool strict) {
  if (run.signal != 0) return 128 + run.signal;
  return run.Count(Verdict::kFail) > 0 || (strict && run.Count(Verdict::kWarn) > 0) ? 1 : 0;
}

void Report::Begin(size_t checks) {
  if (form_ == Form::kTable) {
    const std::string board = heading_.board.empty() ? "this machine" : heading_.board;
    std::fprintf(out_, "roostctl %s on %s, data in %s\n\n", ROOST_VERSION_STRING,
                 OneLine(board).c_str(),
                 OneLine(heading_.folder.empty() ? "(no folder)" : heading_.folder).c_str());
  } else if (form_ == Form::kTap) {
    std::fprintf(out_, "TAP version 13\n1..%zu\n", checks);
  }
  std::fflush(out_);
}

void Report::Add(const Finding& finding) {
  ++count_;
  if (form_ == Form::kTable) PrintLine(finding);
  if (form_ == Form::kTap) PrintTap(finding);
  std::fflush(out_);
}

void Report::PrintLine(const Finding& finding) {
  const Result& result = finding.result;
  const int width = NameWidth();
  const bool has_bound = !result.bound.empty();
  std::fprintf(out_, has_bound ? "%s  %-*s  %-44s  [%s]\n" : "%s  %-*s  %s%s\n",
               Name(result.verdict), width, finding.check->name, OneLine(result.measured).c_str(),
               OneLine(result.bound).c_str());
  if (!result.advice.empty()) {
    std::fprintf(out_, "%*s-> %s\n", width + 8, "", OneLine(result.advice).c_str());
  }
}

void Report::PrintTap(const Finding& finding) {
  const Result& result = finding.result;
  const bool bad =
      result.verdict == Verdict::kFail || (heading_.strict && result.verdict == Verdict::kWarn);
  std::fprintf(out_, "%s %zu - %s", bad ? "not ok" : "ok", count_, finding.check->name);
  if (result.verdict == Verdict::kSkip) {
    std::string reason = OneLine(result.measured);
    std::replace(reason.begin(), reason.end(), '#', ' ');
    std::fprintf(out_, " # SKIP %s", reason.c_str());
  }
  std::fprintf(out_, "\n  ---\n  verdict: %s\n  measured: %s\n  bound: %s\n  advice: %s\n",
               Name(result.verdict), Quoted(result.measured).c_str(), Quoted(result.bound).c_str(),
               Quoted(result.advice).c_str());
  std::fprintf(out_, "  took_s: %g\n  figures: %s\n  ...\n", InSeconds(finding.took),
               Dump(result.figures, -1).c_str());
}

void Report::End(const Run& run, std::optional<uint64_t> written_bytes) {
  if (form_ == Form::kTable) EndTable(run, written_bytes);
  if (form_ == Form::kJson) EndJson(run, written_bytes);
  if (form_ == Form::kTap && run.signal != 0) {
    std::fprintf(out_, "Bail out! ended by signal %d\n", run.signal);
  }
  std::fflush(out_);
}

void Report::EndTable(const Run& run, std::optional<uint64_t> written_bytes) {
  std::fprintf(out_, "\n%d passed, %d warned, %d failed, %d skipped in %s",
               run.Count(Verdict::kPass), run.Count(Verdict::kWarn), run.Count(Verdict::kFail),
               run.Count(Verdict::kSkip), FormatDuration(run.took).c_str());
  if (written_bytes) {
    std::fprintf(out_, "; %s written", FormatBytes(*written_bytes).c_str());
  }
  std::fprintf(out_, "%s\n", run.signal != 0 ? "; ended by a signal" : "");
}

void Report::EndJson(const Run& run, std::optional<uint64_t> written_bytes) {
  ordered_json checks = ordered_json::array();
  for (const Finding& finding : run.findings) checks.push_back(ToJson(finding));
  const ordered_json all = {
      {"program", "roostctl selftest"},
      {"version", ROOST_VERSION_STRING},
      {"board", heading_.board},
      {"folder", heading_.folder},
      {"db", heading_.db},
      {"result", WorstOf(run)},
      {"exit", ExitCode(run, heading_.strict)},
      {"took_s", InSeconds(run.took)},
      {"written_bytes", written_bytes ? ordered_json(*written_bytes) : ordered_json()},
      {"counts",
       {{"pass", run.Count(Verdict::kPass)},
        {"warn", run.Count(Verdict::kWarn)},
        {"fail", run.Count(Verdict::kFail)},
        {"skip", run.Count(Verdict::kSkip)}}},
      {"checks", std::move(checks)}};
  std::fprintf(out_, "%s\n", Dump(all, 2).c_str());
}

void PrintList(std::FILE* out) {
  for (const Check& check : AllChecks()) {
    std::fprintf(out, "%-*s  %4.0f s  %s%s\n", NameWidth(), check.name, InSeconds(check.limit),
                 check.what, check.slow ? " (not with --quick)" : "");
  }
}

}  // namespace roost::tools::selftest
