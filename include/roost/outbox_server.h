// include/roost/outbox_server.h - the OutboxServer over a roost::Pool: PostgreSQL, MariaDB, or a plain table.
//
// On PostgreSQL and MariaDB the functions that `roostctl server init` makes take a hello and a batch in one
// call each: they know the node by its token, keep the mark in the transaction of the rows, drop what they
// have, and set rows aside that are refused for their own sake. On a table of one's own (PostgreSQL) a batch is
// one INSERT that leaves out what is there by the key (node, epoch, seq).
//
// A PoolServer stands in the pool's line without waiting, and talks in steps (PendingQuery). So with a
// PostgresBackend no call of it waits for the server. MariaDB has no steps: a call waits there for its answer,
// and belongs into a thread of its own.
//
// It holds a lease from a call on until Rest, or until the connection fails. The connection notes whether it
// has seen a hello (Connection::note): one that was opened anew, by the pool or behind our back, is asked
// for its marks before it takes a batch.
//
// Threads:  one, that of the Outbox. The WakeCallback as for an AcquireQueue
// Blocks:   with PostgreSQL never for the server; a hello reads two small files
// Memory:   taken by the constructor: 28 bytes for each row of a batch, 84 on MariaDB, and 12 KiB; libpq's
//           is libpq's
// Errors:   in the Answer of a call, with the hand (OutboxHand) for it. No message has the token
// Example:
//   roost::outbox::PoolServer server(
//       remote, {.function = RingTheLoop, .context = &loop},
//       {.node = "hive-1", .token_file = "/etc/roost/token", .epoch = epoch, .sqlstate = &roost::PostgresSqlState});
//   roost::Outbox outbox(local, server, source, {.epoch = epoch});
#ifndef ROOST_OUTBOX_SERVER_H_
#define ROOST_OUTBOX_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "roost/outbox.h"
#include "roost/platform.h"
#include "roost/pool.h"

#pragma GCC visibility push(default)
namespace roost::outbox {

// What the pool leads to.
enum class ServerKind : uint8_t {
  // The functions of the schema roost on PostgreSQL.
  kPostgres,
  // The procedures roost_hello and roost_ingest on MariaDB.
  kMariadb,
  // A table of one's own on PostgreSQL; see ServerTable.
  kTable,
};

// For ServerKind::kTable: a table and its columns. Names are quoted: they are spelled as the database spells them.
// A column from `time` on that is empty is not written. REQUIRES: a unique key over node, epoch and seq.
//
// The mark is the greatest seq of the epoch, so that segments would be taken for one another: use
// OutboxOrder::kOldestFirst. Numbers without a row are not told to such a table. Rows that it refuses are
// found by halves (OutboxHand::kSetAside).
struct ServerTable {
  // "table" or "schema.table".
  std::string_view table{};
  // text: ServerOptions::node.
  std::string_view node = "node";
  // bigint.
  std::string_view epoch = "epoch";
  // bigint.
  std::string_view seq = "seq";
  // timestamptz.
  std::string_view time = "time";
  // A number: see OutboxSource::rows.
  std::string_view clock{};
  // text.
  std::string_view name = "name";
  // text.
  std::string_view unit = "unit";
  // double precision.
  std::string_view value = "value";
};

// What a PoolServer is made with. It copies the texts.
struct ServerOptions {
  // What the pool leads to.
  ServerKind kind = ServerKind::kPostgres;
  // The name of this node at the server.
  std::string_view node{};
  // The file whose first line is the node's token: 1 to 256 printable characters. It is read for each hello, so
  // that a new token counts from the next connection on. Not for kTable.
  std::string_view token_file{};
  // Epoch of the rows that this run stores.
  int64_t epoch = 0;
  // What names this machine; the server is told its SHA-256. A file that cannot be read is no error: the
  // server then cannot tell two machines of one name.
  std::string_view machine_id_file = "/etc/machine-id";
  // Of the program, for people.
  std::string_view version{};
  // Rows of a batch at most, 1 to 5000, as OutboxOptions::batch. A larger one is OutboxHand::kTooLarge.
  int batch = 500;
  // For ServerKind::kTable.
  ServerTable table{};
  // What gives the server's code of a status: &PostgresSqlState, or for kMariadb &MysqlErrno. With null every
  // error goes by its absl::StatusCode alone.
  std::string_view (*sqlstate)(const absl::Status& status) = nullptr;
  int (*number)(const absl::Status& status) = nullptr;
};

// Neither copied nor moved. Wrong options show in the answer of the first call, kInvalidArgument with a
// sentence and OutboxHand::kHold.
class PoolServer final : public OutboxServer {
 public:
  // REQUIRES: `remote`, `platform` and what `wake` leads to outlive this; `platform` is the pool's. While this
  // waits for a connection it calls Pool::Tick; at other times the program or a Housekeeper does.
  PoolServer(Pool& remote, WakeCallback wake, const ServerOptions& options,
             Platform& platform = NativePlatform());
  // Gives up a call that is under way, without waiting.
  ~PoolServer() override;

  // As OutboxServer says.
  void Hello(std::span<const OutboxSegment> asked, Deadline deadline) override;
  void Ingest(const OutboxBatch& batch, Deadline deadline) override;
  const Answer* Continue(TimePoint now) override;
  TimePoint next() const override;
  size_t Descriptors(std::span<DescriptorWait> out) const override;
  // Bytes by the kernel's count for TCP, with the heads of the packets (52 bytes each), from the connection's
  // sign-in on. Elsewhere (a local socket, MariaDB) the bytes of what was bound.
  uint64_t link_bytes() const override;
  void Rest() override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace roost::outbox
#pragma GCC visibility pop

#endif  // ROOST_OUTBOX_SERVER_H_
