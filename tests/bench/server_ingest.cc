// tests/bench/server_ingest.cc - what a reading costs a PostgreSQL server: roost.ingest beside a single INSERT, many rows in
// one INSERT and COPY, in one run. CPU is of the session's own process, in ticks of 10 ms; WAL and disk are exact.
//
//   build/dev/tests/bench/server_ingest [--rows 100000]
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>

#include "tests/support/postgres_server.h"
#include "tests/tools/schema_database.h"
#include "tools/roostctl/server_schema.h"

namespace {

using roost::testing::Answer;
using roost::testing::Batch;
using roost::testing::PgSession;

constexpr int64_t kBatch = 500;

double CpuSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void Must(const Answer& answer) {
  if (answer.state.empty()) return;
  std::fprintf(stderr, "%s %s\n", answer.state.c_str(), answer.message.c_str());
  std::exit(1);
}

Batch FarmBatch(int64_t first) {
  Batch batch = roost::testing::RowsFrom(first, kBatch);
  batch.names = "{temperature,humidity,pressure,co2,wind}";
  batch.units = "{C,%,hPa,ppm,m/s}";
  batch.s = batch.v = "{";
  for (int64_t i = 0; i < kBatch; ++i) {
    batch.s += (i == 0 ? "" : ",") + std::to_string(i % 5 + 1);
    batch.v += (i == 0 ? "" : ",") + std::to_string(20 + i % 100) + ".25";
  }
  batch.s += "}";
  batch.v += "}";
  return batch;
}

// A row as people write it by hand, with its key.
std::string Row(int64_t seq) {
  return "('roof', 7, " + std::to_string(seq) + ", 'temperature', to_timestamp(" +
         std::to_string(1764417600 + seq) + "), 20.25)";
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t rows = argc > 2 ? std::atoll(argv[2]) : 100000;
  const int64_t batches = rows < kBatch ? 1 : rows / kBatch;
  roost::support::PostgresServer server(
      {.settings = {"full_page_writes = on", "wal_level = replica", "shared_buffers = 64MB"}});
  PgSession admin(server, "postgres", "postgres");
  Must(admin.Run(std::string(roost::tools::kPostgresSchema)));
  Must(admin.Run("INSERT INTO roost.node(name, token) VALUES ('a', sha256('token of a'))"));
  for (const char* const table : {"single", "many", "copied"}) {
    Must(admin.Run(
        "CREATE TABLE " + std::string(table) +
        "(node text, epoch bigint, seq bigint, name text, t timestamptz, v float8, PRIMARY "
        "KEY(node, epoch, seq))"));
    Must(admin.Run("GRANT ALL ON " + std::string(table) + " TO roost_node"));
  }
  const auto number = [&admin](const std::string& sql) {
    return std::atof(admin.Value(sql).c_str());
  };
  std::printf("%-44s %9s %9s %9s\n", "a reading costs the server", "CPU us", "WAL B", "disk B");
  const auto measure = [&](const char* name, int64_t count, const char* size,
                           const std::function<void(PgSession&)>& work) {
    PgSession node(server, "postgres", "roost_node");
    Must(admin.Run("CHECKPOINT"));
    const double wal = number("SELECT pg_current_wal_insert_lsn() - '0/0'");
    const double cpu = CpuSeconds(node.pid());
    work(node);
    const double per = 1.0 / static_cast<double>(count);
    std::printf("%-44s %9.2f %9.1f", name, (CpuSeconds(node.pid()) - cpu) * 1e6 * per,
                (number("SELECT pg_current_wal_insert_lsn() - '0/0'") - wal) * per);
    if (size != nullptr) std::printf(" %9.1f", number(size) * per);
    std::printf("\n");
  };
  const auto ingest = [&](PgSession& node) {
    for (int64_t i = 0; i < batches; ++i) {
      Must(node.Run(roost::testing::kIngest, FarmBatch(i * kBatch + 1).Arguments()));
    }
  };
  const int64_t singles = rows / 10 > 0 ? rows / 10 : 1;
  measure("roost.ingest, 500 rows", batches * kBatch,
          "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
          "'roost.reading'::regclass",
          ingest);
  measure("the same batches again", batches * kBatch, nullptr, ingest);
  measure("INSERT, one row a statement, with a key", singles,
          "SELECT pg_total_relation_size('single')", [&](PgSession& node) {
            for (int64_t i = 1; i <= singles; ++i)
              Must(node.Run("INSERT INTO single VALUES " + Row(i)));
          });
  measure("INSERT, 500 rows a statement, with a key", batches * kBatch,
          "SELECT pg_total_relation_size('many')", [&](PgSession& node) {
            for (int64_t i = 0; i < batches; ++i) {
              std::string sql = "INSERT INTO many VALUES ";
              for (int64_t k = 1; k <= kBatch; ++k)
                sql += (k == 1 ? "" : ", ") + Row(i * kBatch + k);
              Must(node.Run(sql + " ON CONFLICT DO NOTHING"));
            }
          });
  measure("COPY, 500 rows, with a key", batches * kBatch, "SELECT pg_total_relation_size('copied')",
          [&](PgSession& node) {
            for (int64_t i = 0; i < batches; ++i) {
              PQclear(PQexec(node.get(), "COPY copied FROM STDIN"));
              std::string text;
              for (int64_t k = 1; k <= kBatch; ++k) {
                text += "roof\t7\t" + std::to_string(i * kBatch + k) +
                        "\ttemperature\t2026-11-05 10:00:00+00\t20.25\n";
              }
              PQputCopyData(node.get(), text.data(), static_cast<int>(text.size()));
              PQputCopyEnd(node.get(), nullptr);
              Must(node.Finish());
            }
          });
  const std::string counted = admin.Value("SELECT count(*) FROM roost.reading");
  const std::string missing = admin.Value("SELECT sum(missing) FROM roost.balance");
  std::printf("roost.reading has %s rows, %s missing\n", counted.c_str(), missing.c_str());
  return counted == std::to_string(batches * kBatch) && missing == "0" ? 0 : 1;
}
