#include "tools/roostctl/doctor/report.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "roost/version.h"
#include "tools/common/text.h"
#include "tools/roostctl/command_output.h"
#include "tools/roostctl/status.h"

namespace roost::tools::doctor {
namespace {

// `text` in lines of at most `width`, the first behind `head`, the others behind as many blanks. What has no blank
// stays whole.
std::string Wrapped(const std::string& head, const std::string& text, int width) {
  std::string out = head;
  size_t column = head.size();
  bool at_begin = true;
  size_t from = 0;
  while (from < text.size()) {
    const size_t end = std::min(text.find(' ', from), text.size());
    const size_t size = end - from;
    if (!at_begin && column + 1 + size > static_cast<size_t>(width)) {
      out += "\n" + std::string(head.size(), ' ');
      column = head.size();
      at_begin = true;
    }
    if (!at_begin) {
      out += ' ';
      ++column;
    }
    out += text.substr(from, size);
    column += size;
    at_begin = false;
    from = end + 1;
  }
  return out + "\n";
}

std::string Shown(const std::string& text) { return PlainText(Redact(text)); }

// "pool_size 3 -> 6; or ..."
std::string ChangeText(const Change& change) {
  std::string text;
  if (!change.setting.empty()) text = change.setting + " " + change.from + " -> " + change.to;
  if (!change.text.empty()) text += (text.empty() ? "" : "; ") + change.text;
  return text;
}

std::string FiguresText(const Json& figures) {
  std::string text;
  for (const auto& [name, value] : figures.items()) {
    if (value.is_string() && value.get<std::string>().empty()) continue;
    text += (text.empty() ? "" : ", ") + name + " ";
    if (value.is_string()) {
      text += value.get<std::string>();
    } else if (value.is_number_float()) {
      text += selftest::Format("%.4g", value.get<double>());
    } else {
      text += value.dump();
    }
  }
  return text;
}

std::string Counted(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string FindingText(const Finding& finding, int width) {
  const Rule* const rule = FindRule(finding.rule);
  std::string text = finding.rule + " " + rule->name + ": " + std::string(Name(finding.severity)) +
                     ", " + std::string(Name(finding.sureness));
  if (!finding.pool.empty()) text += ", pool " + Shown(finding.pool);
  text += "\n";
  text += Wrapped("    ", Shown(finding.sentence), width);
  const std::string figures = Shown(FiguresText(finding.figures));
  if (!figures.empty()) text += Wrapped("    figures  ", figures, width);
  const std::string change = Shown(ChangeText(finding.change));
  if (!change.empty()) text += Wrapped("    change   ", change, width);
  // A command is not broken, so that it can be copied.
  if (!finding.check.empty()) text += "    check    " + Shown(finding.check) + "\n";
  return text;
}

Json FindingJson(const Finding& finding) {
  const Rule* const rule = FindRule(finding.rule);
  Json json{{"rule", finding.rule},
            {"name", rule->name},
            {"severity", Name(finding.severity)},
            {"sureness", Name(finding.sureness)}};
  if (!finding.pool.empty()) json["pool"] = Shown(finding.pool);
  json["sentence"] = Shown(finding.sentence);
  json["figures"] = finding.figures;
  for (auto& [name, value] : json["figures"].items()) {
    if (value.is_string()) value = Shown(value.get<std::string>());
  }
  json["change"] = Json::object();
  if (!finding.change.setting.empty()) {
    json["change"] = Json{{"setting", finding.change.setting},
                          {"from", Shown(finding.change.from)},
                          {"to", Shown(finding.change.to)}};
  }
  if (!finding.change.text.empty()) json["change"]["text"] = Shown(finding.change.text);
  json["check"] = Shown(finding.check);
  return json;
}

std::string Dumped(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string Versions() {
  std::string text =
      "roostctl " ROOST_VERSION_STRING ", SQLite " + std::string(sqlite3_libversion());
  utsname machine{};
  if (uname(&machine) == 0) {
    text += "\n" + std::string(machine.sysname) + " " + machine.release + " " + machine.machine;
  }
  return text;
}

}  // namespace

int ExitCodeOf(const Patient& patient, bool strict) {
  if (patient.looked.exit_code != 0) return patient.looked.exit_code;
  for (const Finding& finding : patient.diagnosis.findings) {
    if (strict || finding.severity == Severity::kFail) return kStatusNotHealthy;
  }
  return kStatusHealthy;
}

std::string ReportText(const Patient& patient, int width) {
  const Facts& facts = patient.looked.facts;
  const Diagnosis& diagnosis = patient.diagnosis;
  std::string head = facts.name.empty() ? std::string("?") : Shown(facts.name);
  if (!facts.source.empty() && facts.source != "socket") head += " (" + facts.source + ")";
  head += ": " + (diagnosis.findings.empty()
                      ? std::string("nothing found")
                      : Counted(diagnosis.findings.size(), "finding", "findings"));
  head += "; " + Counted(static_cast<size_t>(diagnosis.looked), "rule", "rules") + " looked";
  if (!diagnosis.not_looked.empty()) {
    // What is missing, each once.
    std::vector<std::string> reasons;
    for (const NotLooked& one : diagnosis.not_looked) {
      if (std::find(reasons.begin(), reasons.end(), one.reason) == reasons.end()) {
        reasons.push_back(one.reason);
      }
    }
    head += ", " + std::to_string(diagnosis.not_looked.size()) + " could not (";
    for (size_t i = 0; i < reasons.size(); ++i) head += (i == 0 ? "" : "; ") + reasons[i];
    head += ")";
  }
  std::string text = Wrapped("", head, width);
  for (const Finding& finding : diagnosis.findings) text += FindingText(finding, width);
  if (!diagnosis.silenced.empty()) {
    std::string silenced;
    for (const Silenced& one : diagnosis.silenced) {
      silenced += (silenced.empty() ? "" : ", ") + one.rule + " by " + one.by;
    }
    text += Wrapped("explained by these: ", silenced, width);
  }
  return text;
}

Json ReportJson(const std::vector<Patient>& patients, bool strict) {
  Json programs = Json::array();
  int worst = 0;
  for (const Patient& patient : patients) {
    const int exit_code = ExitCodeOf(patient, strict);
    worst = std::max(worst, exit_code);
    Json one{{"name", Shown(patient.looked.facts.name)},
             {"source", patient.looked.facts.source},
             {"exit_code", exit_code},
             {"reason", Shown(patient.looked.reason)},
             {"looked", patient.diagnosis.looked},
             {"findings", Json::array()},
             {"silenced", Json::array()},
             {"not_looked", Json::array()}};
    for (const Finding& finding : patient.diagnosis.findings) {
      one["findings"].push_back(FindingJson(finding));
    }
    for (const Silenced& silenced : patient.diagnosis.silenced) {
      one["silenced"].push_back(
          Json{{"rule", silenced.rule}, {"pool", Shown(silenced.pool)}, {"by", silenced.by}});
    }
    for (const NotLooked& rule : patient.diagnosis.not_looked) {
      one["not_looked"].push_back(Json{{"rule", rule.rule}, {"reason", rule.reason}});
    }
    programs.push_back(std::move(one));
  }
  return Json{{"program", "roostctl doctor"},
              {"version", ROOST_VERSION_STRING},
              {"exit_code", worst},
              {"programs", std::move(programs)}};
}

std::string ListText(int width) {
  std::string text;
  for (const Rule& rule : AllRules()) {
    std::string head = std::string(rule.id) + " " + rule.name;
    head.resize(24, ' ');
    text += Wrapped(head, rule.finds, width);
  }
  return text;
}

std::string ExplainText(const Rule& rule, int width) {
  std::string text =
      Wrapped("", std::string(rule.id) + " " + rule.name + ": " + rule.finds + ".", width);
  text += Wrapped("looks at  ", rule.looks_at, width);
  text += Wrapped("remedy    ", rule.remedy, width);
  if (*rule.silences != '\0') text += Wrapped("explains  ", rule.silences, width);
  return text;
}

std::string BundleText(Platform& platform, const std::vector<Patient>& patients, bool journal) {
  constexpr int kWidth = 100;
  constexpr size_t kMostAnswer = 160 * 1024;
  constexpr Duration kJournal = std::chrono::seconds(5);
  std::string text = "== versions\n" + Versions() + "\n\n== doctor\n";
  for (const Patient& patient : patients) {
    if (!patient.looked.reason.empty()) {
      text += Shown(patient.looked.facts.name) + ": " + Shown(patient.looked.reason) + "\n";
    }
    text += ReportText(patient, kWidth);
  }
  text += "\n== selftest, the part that only reads\n";
  for (const Patient& patient : patients) {
    for (const CheckFacts& check : patient.looked.facts.checks) {
      text += Shown(std::string(selftest::Name(check.verdict)) + " " + check.name + ": " +
                    check.measured) +
              "\n";
    }
  }
  std::string answers;
  for (const Patient& patient : patients) {
    if (!patient.looked.answer.is_null()) answers += Redact(Dumped(patient.looked.answer)) + "\n";
  }
  if (answers.size() > kMostAnswer) {
    answers.resize(kMostAnswer);
    answers += "\n(cut)\n";
  }
  text += "\n== status\n" + answers;
  if (journal) {
    const absl::StatusOr<std::string> lines =
        CommandOutput(platform,
                      {"/usr/bin/journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", "200",
                       "-u", "roost-node"},
                      Deadline::After(platform.Now(), kJournal));
    text += "\n== journal of roost-node, the latest lines\n";
    if (lines.ok()) {
      std::string_view rest = *lines;
      while (!rest.empty()) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        text += Shown(std::string(rest.substr(0, end))) + "\n";
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    } else {
      text += "not to be had: " + Shown(std::string(MessageOf(lines.status()))) + "\n";
    }
  }
  if (text.size() > kMostBundle) text.resize(kMostBundle);
  return text;
}

absl::Status WriteBundle(const std::string& path, std::string_view text) {
  const std::string aside = path + ".new";
  unlink(aside.c_str());
  const int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool done = fd >= 0;
  while (done && !text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    done = written > 0;
    if (done) text.remove_prefix(static_cast<size_t>(written));
  }
  int error = errno;
  if (fd >= 0) close(fd);
  if (done && rename(aside.c_str(), path.c_str()) == 0) return absl::OkStatus();
  if (done) error = errno;
  if (fd >= 0) unlink(aside.c_str());
  return absl::UnavailableError(path + ": " + std::strerror(error));
}

}  // namespace roost::tools::doctor
