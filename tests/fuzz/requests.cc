// What a client of the status socket sends, in pieces: each gets at most one answer, which is whole, and is
// closed; nothing that it sends changes what the next one is told.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "roost/status.h"
#include "tests/fakes/fake_platform.h"
#include "tests/fakes/scripted_backend.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temp_dir.h"
#include "tests/telemetry/status_client.h"

namespace roost::fuzz {
namespace {

using telemetry::StatusClient;
using namespace std::chrono_literals;

// One program for all inputs: a socket in the file system costs more than the rest.
class Program {
 public:
  Program() { server_.Add(pool_); }

  // What a client gets that sends `bytes` in pieces of up to `piece` bytes.
  std::string Answer(std::string_view bytes, size_t piece) {
    platform_.Advance(200ms);  // past the period in which few are taken
    StatusClient client((std::string(server_.path())));
    server_.Serve(platform_.Now());
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, piece);
      if (client.Send(part) < 0) break;  // it was closed
      bytes.remove_prefix(part.size());
      server_.Serve(platform_.Now());
    }
    platform_.Advance(2s);
    server_.Serve(platform_.Now());
    std::string answer = client.Read();
    closed_ = client.closed();
    return answer;
  }
  bool closed() const { return closed_; }
  const absl::Status& status() const { return server_.status(); }

 private:
  struct Profile : profiles::Testing {};

  support::TempDir folder_;
  fakes::FakePlatform platform_;
  fakes::ScriptedBackend backend_;
  StatusServer server_{{.name = "n", .folder = folder_.path().c_str(), .platform = &platform_}};
  PoolFor<Profile> pool_{backend_, {.name = "local", .platform = &platform_}};
  bool closed_ = false;
};

std::string JudgeAnswer(std::string_view request, const std::string& answer) {
  if (request == "metrics") return answer.starts_with("# HELP ") ? "" : "no metrics";
  const nlohmann::json json = nlohmann::json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "an answer that is no object";
  if (request == "status") return json.contains("pools") ? "" : "no pools";
  return json.contains("error") ? "" : "an answer to what is no request";
}

}  // namespace

std::string CheckRequests(std::string_view bytes) {
  static Program& program = *new Program;
  if (!program.status().ok()) return std::string(program.status().message());
  const size_t piece = bytes.empty() ? 1 : size_t{1} + static_cast<uint8_t>(bytes.front());
  const std::string_view sent = bytes.substr(bytes.empty() ? 0 : 1);
  const std::string answer = program.Answer(sent, piece);
  if (!program.closed()) return "a client that is not closed";
  const std::string_view line = sent.substr(0, sent.find('\n'));
  const bool whole = line.size() < sent.size() || line.size() > 64;
  // A client that closes early, or leaves bytes unread, may lose its answer.
  if (!answer.empty()) {
    const std::string wrong = JudgeAnswer(line, answer);
    if (!wrong.empty()) return wrong;
  } else if (whole && sent.size() == line.size() + 1 && !line.empty() && line.size() <= 64) {
    return "no answer to a whole line";
  }
  return JudgeAnswer("status", program.Answer("status\n", 64)).empty()
             ? ""
             : "the next one is told nothing";
}

}  // namespace roost::fuzz
