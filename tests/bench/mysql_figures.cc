// What a remote of MariaDB costs a process, and what it keeps to when the server or the link fails.
//
//   mysql_figures            all of these:
//     memory     libmariadb's and a connection's
//     leases     10,000 over 60 s from a server that ends a session that was idle for 2 s
//     deadlines  how long beyond its deadline a call goes on, at each point where a server or a link can fail
//     wire       what is sent to a server that offers no TLS, or another one's certificate
//     trips      round trips of an open, of statements and of returns
//     opens      heap that 1,000 opens leave that were given up on their way; also under valgrind
//   mysql_figures --only NAME --seconds N --leases N
//
// Fails when a lease failed, a connection costs more than 72 KiB, a call goes on for 10 ms beyond its deadline, or
// a password was sent.
#include <malloc.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "roost/housekeeper.h"
#include "roost/mysql.h"
#include "roost/pool.h"
#include "roost/query.h"
#include "tests/mysql/hostile_server.h"
#include "tests/support/certificates.h"
#include "tests/support/held_connection.h"
#include "tests/support/mariadb_server.h"
#include "tests/support/tcp_proxy.h"

namespace roost {
namespace {

using mysql::HostileServer;
using support::HeldConnection;
using support::MariadbServer;
using support::TcpProxy;
using Client = HostileServer::Client;
using namespace std::chrono_literals;

Deadline In(Duration span) { return Deadline::After(NativePlatform().Now(), span); }

// In KiB, of this process.
int64_t Memory(std::string_view name) {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::atoll(line.c_str() + name.size());
  }
  return 0;
}
int64_t Resident() { return Memory("Rss:"); }
int64_t Dirty() { return Memory("Private_Dirty:"); }

bool Connections(MysqlBackend& backend) {
  constexpr int kCount = 20;
  const int64_t resident = Resident();
  const int64_t dirty = Dirty();
  std::vector<std::unique_ptr<HeldConnection>> held;
  const auto add = [&] {
    held.push_back(std::make_unique<HeldConnection>(backend, NativePlatform()));
    return held.back()->ok() && QueryOne<int64_t>(**held.back(), Sql("SELECT 1")).ok();
  };
  if (!add()) return false;
  std::printf("libmariadb and the first connection: %lld KiB resident, %lld KiB of them private\n",
              static_cast<long long>(Resident() - resident),
              static_cast<long long>(Dirty() - dirty));
  const int64_t before = Dirty();
  for (int i = 0; i < kCount; ++i) {
    if (!add()) return false;
  }
  const double each = static_cast<double>(Dirty() - before) / kCount;
  std::printf("each connection more: %.1f KiB private\n", each);
  return each <= 72;
}

struct Leased : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "leased";
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

// Bursts with pauses of up to 4 s between them, so that some sessions are ended by the server.
bool Leases(MysqlBackend& backend, int seconds, int count) {
  PoolFor<Leased> pool(backend);
  Housekeeper housekeeper;
  housekeeper.Add(pool);
  housekeeper.Start();
  constexpr int kBursts = 30;
  std::mt19937 random(7);
  std::uniform_int_distribution<int> pause(0, 2 * seconds * 1000 / kBursts);
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    if (i % (count / kBursts) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pause(random)));
    }
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(20s));
    absl::Status status = lease.status();
    if (status.ok()) status = lease->Run(Sql("SELECT 1"));
    if (status.ok()) continue;
    ++failed;
    std::printf("%s\n", status.ToString().c_str());
  }
  std::printf("%d leases: %d failed, %llu opens\n", count, failed,
              static_cast<unsigned long long>(pool.stats().opens));
  return failed == 0;
}

// ---- deadlines ----------------------------------------------------------------------------------

class Deadlines {
 public:
  explicit Deadlines(MariadbServer& server) : server_(server) {}
  bool Print() {
    const std::string greeting = mysql::Greeting();
    Opening("silence before the greeting", [](Client& client) { client.Wait(); });
    Opening("silence within the greeting", [&](Client& client) {
      client.Send(greeting.substr(0, 30));
      client.Wait();
    });
    Opening("silence behind the greeting", [&](Client& client) {
      client.Send(greeting);
      client.Wait();
    });
    Opening(
        "silence in the TLS handshake",
        [](Client& client) {
          client.Send(mysql::Greeting("mysql_native_password", true));
          client.Wait();
        },
        "sslmode=require");
    Opening("silence within the answer to the sign-in", [&](Client& client) {
      client.Send(greeting);
      client.Receive();
      client.Send(mysql::Ok(2).substr(0, 5));
      client.Wait();
    });
    Opening("silence behind the sign-in", [&](Client& client) {
      client.Send(greeting);
      client.Receive();
      client.Send(mysql::Ok(2));
      client.Wait();
    });
    StoppedOpen();
    const auto cut = [](TcpProxy& proxy) { proxy.Cut(); };
    const auto run = [](Connection& connection) { return connection.Run(Sql("SELECT 1")); };
    InSession(
        "server stopped, statement", [&](TcpProxy&) { server_.Signal(SIGSTOP); }, run);
    server_.Signal(SIGCONT);
    InSession("link cut, statement", cut, run);
    InSession("link cut, script", cut,
              [](Connection& connection) { return connection.RunScript("DO 1; DO 2"); });
    Commit();
    Reading();
    InSession(
        "link reset, statement", [](TcpProxy& proxy) { proxy.Reset(); }, run);
    return most_ < 10ms;
  }

 private:
  static constexpr Duration kTime = 200ms;

  void Note(const char* point, const absl::Status& status, Deadline deadline) {
    const Duration beyond = NativePlatform().Now() - deadline.time();
    most_ = std::max(most_, beyond);
    std::printf("  %-42s %-18s %+7.1f ms\n", point, absl::StatusCodeToString(status.code()).c_str(),
                std::chrono::duration<double, std::milli>(beyond).count());
  }
  void Opening(const char* point, std::function<void(Client&)> serve,
               std::string_view parameters = "") {
    HostileServer server(std::move(serve));
    MysqlBackend backend({.uri = server.Uri(parameters)});
    const Deadline deadline = In(kTime);
    const HeldConnection held(backend, NativePlatform(), Role::kAny, 8, deadline);
    Note(point, held.status(), deadline);
  }
  void StoppedOpen() {
    server_.Signal(SIGSTOP);
    MysqlBackend backend({.uri = server_.Uri()});
    const Deadline deadline = In(kTime);
    {
      const HeldConnection held(backend, NativePlatform(), Role::kAny, 8, deadline);
      Note("server stopped, open", held.status(), deadline);
    }
    server_.Signal(SIGCONT);
  }
  template <class F>
  void WithConnection(F work) {
    TcpProxy proxy(server_.port());
    MysqlBackend backend({.uri = server_.UriThrough(proxy.port())});
    HeldConnection held(backend, NativePlatform(), Role::kAny, 8, In(20s));
    if (!held.ok()) {
      std::printf("%s\n", held.status().ToString().c_str());
      std::exit(1);
    }
    held->set_deadline(In(20s));
    work(*held, proxy);
  }
  template <class Break, class Ask>
  void InSession(const char* point, Break breaks, Ask ask) {
    WithConnection([&](Connection& connection, TcpProxy& proxy) {
      breaks(proxy);
      const Deadline deadline = In(kTime);
      connection.set_deadline(deadline);
      const absl::Status status = ask(connection);
      Note(point, status, deadline);
    });
  }
  void Commit() {
    WithConnection([&](Connection& connection, TcpProxy& proxy) {
      absl::StatusOr<Transaction> transaction = connection.Begin();
      proxy.Cut();
      const Deadline deadline = In(kTime);
      connection.set_deadline(deadline);
      Note("link cut, commit", transaction->Commit(), deadline);
    });
  }
  void Reading() {
    WithConnection([&](Connection& connection, TcpProxy& proxy) {
      absl::StatusOr<Statement*> statement =
          connection.Prepare(Sql("SELECT REPEAT('x', 1000) FROM seq_1_to_1000000"));
      if (!statement.ok()) return;
      Rows rows = (*statement)->Query();
      const bool began = rows.Next();
      proxy.Cut();
      const Deadline deadline = In(kTime);
      connection.set_deadline(deadline);
      while (began && rows.Next()) {
      }
      Note("link cut, among the rows", rows.status(), deadline);
    });
  }

  MariadbServer& server_;
  Duration most_{};
};

// ---- on the wire --------------------------------------------------------------------------------

// 0.0.0.0 leads to this machine, and counts as another.
bool Wire() {
  HostileServer plain([](Client& client) {
    client.Send(mysql::Greeting());
    client.Wait();
  });
  std::string uri = plain.Uri();
  uri.replace(uri.find("127.0.0.1"), 9, "0.0.0.0");
  {
    MysqlBackend backend({.uri = uri});
    const HeldConnection held(backend, NativePlatform(), Role::kAny, 8, In(5s));
    std::printf("  no TLS at another host: %s\n", held.status().ToString().c_str());
  }
  const std::string sent = plain.received();
  std::printf("  bytes sent to it: %zu\n", sent.size());

  support::Certificates authority;
  const support::Certificates::Issued issued = authority.Issue("db.example.test");
  MariadbServer server(
      {.settings = {"--ssl-ca=" + authority.root(), "--ssl-cert=" + issued.certificate,
                    "--ssl-key=" + issued.key, "--log-warnings=4"}});
  MysqlBackend backend({.uri = server.Uri("sslmode=verify-full&ssl-ca=" + authority.root())});
  const HeldConnection held(backend, NativePlatform(), Role::kAny, 8, In(5s));
  std::printf("  certificate of another host: %s\n", held.status().ToString().c_str());
  const std::string user = server.Sql(
      "SELECT SUM(variable_value) FROM information_schema.global_status WHERE variable_name IN "
      "('ACCESS_DENIED_ERRORS')");
  std::printf("  sign-ins that the server has seen and refused: %s\n", user.c_str());
  return sent.empty() && !held.ok() && user == "0";
}

// ---- round trips --------------------------------------------------------------------------------

bool Trips(MariadbServer& server) {
  TcpProxy proxy(server.port());
  proxy.Delay(5ms);
  MysqlBackend backend({.uri = server.UriThrough(proxy.port())});
  bool good = true;
  const auto count = [&](const char* what, const std::function<absl::Status()>& work) {
    proxy.ClearCounts();
    const absl::Status status = work();
    std::printf("  %-52s %d%s%s\n", what, proxy.counts().round_trips, status.ok() ? "" : "  ",
                status.ok() ? "" : status.ToString().c_str());
    good = good && status.ok();
  };
  std::optional<HeldConnection> held;
  count("open, behind the greeting", [&] {
    held.emplace(backend, NativePlatform());
    return held->status();
  });
  if (!held->ok()) return false;
  Connection& connection = **held;
  connection.set_deadline(In(60s));
  const auto reset = [&] { return ConnectionAccess::Reset(connection, In(20s)); };
  const Sql one("SELECT 1");
  count("a statement's first run", [&] { return connection.Run(one); });
  count("a later run", [&] { return connection.Run(one); });
  count("return of a clean connection", [&] {
    return ConnectionAccess::Inspect(connection) == SessionState::kClean
               ? absl::OkStatus()
               : absl::InternalError("it is not clean");
  });
  connection.RunScript("START TRANSACTION").IgnoreError();
  count("return of a dirty one, which nobody waits for", reset);
  count("the statement behind it, and what was owed", [&] { return connection.Run(one); });
  connection.Run(Sql("SET @mine = 1")).IgnoreError();
  count("return of a tainted one", reset);
  count("a statement behind it, prepared anew", [&] { return connection.Run(one); });
  {
    absl::StatusOr<Statement*> many = connection.Prepare(Sql("SELECT seq FROM seq_1_to_500"));
    std::optional<Rows> rows((*many)->Query());
    rows->Next();
    count("the end of a reading that was left early", [&] {
      rows.reset();
      return absl::OkStatus();
    });
  }
  count("the statement behind it", [&] { return connection.Run(one); });
  return good;
}

// ---- opens that are given up --------------------------------------------------------------------

bool Opens() {
  constexpr int kCount = 1000;
  HostileServer server([](Client& client) {
    client.Send(mysql::Greeting());
    client.Receive();
    client.Send(mysql::Ok(2).substr(0, 5));
    client.Wait();
  });
  MysqlBackend backend({.uri = server.Uri()});
  const auto give_up = [&](int steps) {
    std::vector<std::max_align_t> memory(backend.ConnectionBytes(2) / sizeof(std::max_align_t) + 1);
    absl::StatusOr<Connection*> opened = backend.Open(
        {.memory = {reinterpret_cast<std::byte*>(memory.data()), backend.ConnectionBytes(2), 2},
         .platform = &NativePlatform(),
         .deadline = In(20s)});
    if (!opened.ok()) return;
    for (int i = 0; i < steps; ++i) {
      absl::StatusOr<Step> next = ConnectionAccess::Advance(**opened, NativePlatform().Now());
      if (!next.ok() || next->done) break;
      NativePlatform().WaitForDescriptors({&next->wait, 1}, In(1ms));
    }
    ConnectionAccess::CloseAndDestroy(*opened);
  };
  for (int i = 0; i < 50; ++i) give_up(i % 5);
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < kCount; ++i) give_up(i % 5);
  const auto left = static_cast<long long>(mallinfo2().uordblks) - static_cast<long long>(before);
  std::printf("  %d opens given up behind 0 to 4 steps: %lld bytes of heap more, %d clients seen\n",
              kCount, left, server.clients());
  return left < kCount;
}

int Main(std::string_view only, int seconds, int count) {
  const auto wants = [only](std::string_view name) { return only.empty() || only == name; };
  bool good = true;
  MariadbServer server({.settings = {"--wait-timeout=2"}});
  MysqlBackend backend({.uri = server.Uri()});
  if (wants("memory")) good = Connections(backend) && good;
  if (wants("deadlines")) {
    std::printf("beyond a deadline of 200 ms:\n");
    good = Deadlines(server).Print() && good;
  }
  if (wants("wire")) {
    std::printf("on the wire:\n");
    good = Wire() && good;
  }
  if (wants("trips")) {
    std::printf("round trips:\n");
    good = Trips(server) && good;
  }
  if (wants("opens")) {
    std::printf("opens:\n");
    good = Opens() && good;
  }
  if (wants("leases")) good = Leases(backend, seconds, count) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace roost

int main(int count, char** arguments) {
  int seconds = 60;
  int leases = 10'000;
  std::string_view only;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = arguments[i];
    if (name == "--only") only = arguments[i + 1];
    if (name == "--seconds") seconds = std::atoi(arguments[i + 1]);
    if (name == "--leases") leases = std::atoi(arguments[i + 1]);
  }
  return roost::Main(only, seconds, leases);
}
