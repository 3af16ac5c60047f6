#include "tests/mysql/hostile_cases.h"

#include <atomic>
#include <cstdio>
#include <cstring>

namespace roost::mysql {
namespace {

using namespace std::string_view_literals;

// A sanitizer keeps for a while what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kMostTaken = size_t{1} << 30;
#else
constexpr size_t kMostTaken = size_t{48} << 20;
#endif

size_t MostMemory() {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  size_t kilobytes = 0;
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %zu kB", &kilobytes) == 1) break;
  }
  if (file != nullptr) std::fclose(file);
  return kilobytes << 10;
}

}  // namespace

std::string OneColumn(int type, int number) {
  std::string payload;
  for (const char* const text : {"def", "", "", "", "a", ""}) {
    payload.push_back(static_cast<char>(std::strlen(text)));
    payload += text;
  }
  payload += "\x0c\x2d\0\xff\0\0\0"sv;
  payload.push_back(static_cast<char>(type));
  payload += "\0\0\0\0\0"sv;
  return Packet("\x01", number) + Packet(payload, number + 1) +
         Packet("\xfe\0\0\x02\0"sv, number + 2);
}

std::string Prepared() {
  const std::string columns = OneColumn(MYSQL_TYPE_VAR_STRING, 1);
  return Packet("\0\x01\0\0\0\x01\0\0\0\0\0\0"sv, 1) +
         Packet(columns.substr(4 + 1 + 4, columns.size() - 9 - 9), 2) +
         Packet("\xfe\0\0\x02\0"sv, 3);
}

absl::Status Survive(const Case& each, std::string_view parameters) {
  std::atomic<int> clients = 0;
  HostileServer server(
      [&](Client& client) { clients++ == 0 ? each.serve(client) : client.Behave(); });
  MysqlBackend backend({.uri = server.Uri(parameters), .max_result_bytes = 64 << 10});
  absl::Status status;
  {
    HeldConnection held(backend, NativePlatform(), Role::kAny, 8, In(300ms));
    status = held.status();
    if (held.ok()) {
      held->set_deadline(In(200ms));
      status = held->Run(Sql("SELECT a"));
      for (int more = 0; more < 3 && status.ok(); ++more) status = held->Run(Sql("SELECT a"));
    }
  }
  HostileServer good([](Client& client) { client.Behave(); });
  MysqlBackend next({.uri = good.Uri()});
  const HeldConnection held(next, NativePlatform(), Role::kAny, 8, In(20s));
  EXPECT_TRUE(held.ok()) << each.name << ": " << held.status();
  if (held.ok()) {
    held->set_deadline(In(20s));
    const absl::Status ran = held->Run(Sql("DO 1"));
    EXPECT_TRUE(ran.ok()) << each.name << ": " << ran;
  }
  return status;
}

void HostileCases::ExpectRefused(const std::vector<Case>& cases, std::string_view parameters) {
  const size_t before = MostMemory();
  for (const Case& each : cases) {
    const absl::Status status = Survive(each, parameters);
    EXPECT_FALSE(status.ok()) << each.name;
    EXPECT_LT(status.message().size(), 1000u) << each.name;
  }
  EXPECT_LT(MostMemory() - before, kMostTaken);
}

}  // namespace roost::mysql
