// tests/faults/power_cut_node.h - a node that stores batches until its power is cut, and what is
// left.
//
// Everything follows from the seed: the batches, when they are sealed, who reads meanwhile, when
// the log is checkpointed, when everything is closed and opened anew, and in the middle of which
// change of the card the power goes.
#ifndef ROOST_TESTS_FAULTS_POWER_CUT_NODE_H_
#define ROOST_TESTS_FAULTS_POWER_CUT_NODE_H_

#include <cstdint>
#include <string>

#include "tests/support/power_cut_vfs.h"

namespace roost::faults {

enum class Life {
  kUnsynced,            // control: SQLite itself with synchronous=OFF
  kBatch,               // SqliteDurability::kBatch, never sealed
  kSealedTransactions,  // kBatch, some commits with Durability::kSealed
  kSealed,              // kBatch, Connection::Seal after some commits
  kCommit,              // SqliteDurability::kCommit
  kPool,  // sealed now in one way, now in the other, through a pool with its maintenance
  kSealedFailingSync,  // as kSealed, and one sync of the card fails
  kCommitFailingSync,  // as kCommit, and one sync of the card fails
};
const char* Name(Life life);

// Rows 1, 2, 3, ...; each is in the file as (id, last), where `last` says that it ends its batch.
struct Outcome {
  // Before the cut.
  int64_t written = 0;       // rows, with those of the batch that the cut interrupted
  int64_t acknowledged = 0;  // rows whose commit returned OK
  int64_t sealed = 0;        // rows that a seal promised
  int64_t commits = 0;
  support::IoCounts io;
  std::string trouble;  // an error that came before the cut: there must be none

  // After the cut.
  std::string damage;  // what is wrong with the database; empty: nothing
  int64_t kept = 0;    // rows

  int64_t lost_acknowledged() const { return kept < acknowledged ? acknowledged - kept : 0; }
  int64_t lost_sealed() const { return kept < sealed ? sealed - kept : 0; }
};

Outcome LiveAndDie(Life life, uint64_t seed);

}  // namespace roost::faults

#endif  // ROOST_TESTS_FAULTS_POWER_CUT_NODE_H_
