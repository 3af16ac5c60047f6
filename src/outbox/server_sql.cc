#include "outbox/server_sql.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "statements/text.h"

namespace roost::outbox {
namespace {

using internal::Concat;

constexpr std::string_view kHello =
    "SELECT schema_version, server_us, spread_s, max_rows, clones, epoch, lo, seq "
    "FROM roost.hello($1::text, $2::text, $3::bigint, $4::text, $5::text, $6::bigint[], "
    "$7::bigint[])";
constexpr std::string_view kIngest =
    "SELECT mark, rejected FROM roost.ingest($1::text, $2::text, $3::bigint, $4::bigint, "
    "$5::bigint, "
    "$6::bigint, $7::bigint, $8::smallint, $9::int[], $10::int[], $11::smallint[], $12::float8[], "
    "$13::text[], $14::text[], $15::smallint[], $16::bigint[], $17::bigint[], $18::bigint[], "
    "$19::bigint, $20::bigint)";
constexpr std::string_view kCallHello = "CALL roost.roost_hello($1, $2, $3, $4, $5, $6, $7)";
constexpr std::string_view kCallIngest =
    "CALL roost.roost_ingest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "$16, $17, "
    "$18, "
    "$19, $20)";

constexpr size_t kLongestName = 63;

absl::Status CheckName(std::string_view name, std::string_view option) {
  const bool plain = std::all_of(name.begin(), name.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= ' '; });
  if (!name.empty() && name.size() <= kLongestName && plain) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(
      {"ServerTable::", option, " is to be a name of 1 to 63 bytes without control characters"}));
}

std::string Quote(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

// schema.table, at its first full stop.
absl::StatusOr<std::string> QuoteTable(std::string_view table) {
  const size_t stop = table.find('.');
  const std::string_view schema = stop == std::string_view::npos ? "" : table.substr(0, stop);
  if (stop != std::string_view::npos) table.remove_prefix(stop + 1);
  absl::Status status = CheckName(table, "table");
  if (status.ok() && stop != std::string_view::npos) status = CheckName(schema, "table");
  if (!status.ok()) return status;
  return stop == std::string_view::npos ? Quote(table) : Concat({Quote(schema), ".", Quote(table)});
}

absl::StatusOr<ServerSql> SqlOfTable(const ServerTable& table) {
  const absl::StatusOr<std::string> target = QuoteTable(table.table);
  if (!target.ok()) return target.status();
  const std::pair<std::string_view, std::string_view> keys[] = {
      {table.node, "node"}, {table.epoch, "epoch"}, {table.seq, "seq"}};
  for (const auto& [name, option] : keys) {
    if (absl::Status status = CheckName(name, option); !status.ok()) return status;
  }
  const struct {
    std::string_view name, option, value;
  } others[] = {
      {table.time, "time", "TIMESTAMPTZ 'epoch' + u.m * INTERVAL '1 millisecond'"},
      {table.clock, "clock", "$3::smallint"},
      {table.name, "name", "($4::text[])[u.s]"},
      {table.unit, "unit", "($5::text[])[u.s]"},
      {table.value, "value", "u.v"},
  };
  const std::string node = Quote(table.node);
  const std::string epoch = Quote(table.epoch);
  const std::string seq = Quote(table.seq);
  std::string columns = Concat({node, ", ", epoch, ", ", seq});
  std::string values = "$1::text, $2::bigint, u.q";
  for (const auto& other : others) {
    if (other.name.empty()) continue;
    if (absl::Status status = CheckName(other.name, other.option); !status.ok()) return status;
    columns += Concat({", ", Quote(other.name)});
    values += Concat({", ", other.value});
  }
  return ServerSql{
      .hello =
          Concat({"SELECT 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0, 0, 0, "
                  "m.e, m.l, (SELECT max(r.",
                  seq, ") FROM ", *target, " r WHERE r.", node, " = $1::text AND r.", epoch,
                  " = m.e AND r.", seq,
                  " >= m.l) FROM (SELECT 1) one LEFT JOIN unnest($2::bigint[], $3::bigint[]) "
                  "WITH ORDINALITY AS m(e, l, o) ON true ORDER BY m.o"}),
      // Every placeholder is used, whichever columns there are.
      .ingest = Concat({"INSERT INTO ", *target, " (", columns, ") SELECT ", values,
                        " FROM unnest($6::bigint[], $7::bigint[], $8::int[], $9::float8[]) AS "
                        "u(q, m, s, v) WHERE coalesce($3::smallint, 0) >= 0 AND "
                        "cardinality($4::text[]) = cardinality($5::text[]) ON CONFLICT (",
                        node, ", ", epoch, ", ", seq, ") DO NOTHING"})};
}

}  // namespace

absl::StatusOr<ServerSql> SqlFor(ServerKind kind, const ServerTable& table) {
  switch (kind) {
    case ServerKind::kMariadb:
      return ServerSql{.hello = std::string(kCallHello), .ingest = std::string(kCallIngest)};
    case ServerKind::kTable:
      return SqlOfTable(table);
    case ServerKind::kPostgres:
      break;
  }
  return ServerSql{.hello = std::string(kHello), .ingest = std::string(kIngest)};
}

}  // namespace roost::outbox
