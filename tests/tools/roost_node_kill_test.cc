// kill -9 at any moment takes nothing that roost-node said was sealed.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/support/temp_dir.h"
#include "tests/tools/database.h"
#include "tests/tools/made_up_board.h"
#include "tests/tools/program.h"

namespace roost::testing {
namespace {

// The number in the last complete "sealed N readings" of `text`.
int64_t LastSealed(const std::string& text) {
  const size_t at = text.rfind("sealed ", text.rfind('\n'));
  return at == std::string::npos ? 0 : std::stoll(text.substr(at + 7));
}

TEST(RoostNodeKillTest, LosesNothingThatWasSealed) {
  support::TempDir folder;
  MakeUpBoard(folder.File("board"));
  const std::string db = folder.File("node.db");
  int64_t before = 0;
  for (int round = 1; round <= 12; ++round) {
    SCOPED_TRACE(round);
    Program node({ROOST_NODE, "--db", db, "--root", folder.File("board"), "--every", "1ms",
                  "--seal-every", "3ms"},
                 {.terminal = true});
    for (int seal = 0; seal < round * 2; ++seal) node.WaitForError("sealed");
    node.Signal(SIGKILL);
    EXPECT_EQ(node.Wait(), -SIGKILL);  // reads what it still said before
    const int64_t sealed = LastSealed(node.errors());
    ASSERT_GT(sealed, 0);

    Database database(db);
    const int64_t rows = database.Number("SELECT count(*) FROM reading");
    EXPECT_GE(rows, before + sealed);
    EXPECT_EQ(rows, database.Number("SELECT max(seq) FROM reading"));
    EXPECT_EQ(database.Text("PRAGMA integrity_check"), "ok");
    before = rows;
  }
}

TEST(RoostNodeKillTest, TheNextRunGoesOnInTheSameDatabase) {
  support::TempDir folder;
  const std::string db = folder.File("node.db");
  {
    Program node({ROOST_NODE, "--db", db, "--stdin", "--batch", "1"});
    node.Write("a 1\n");
    node.WaitForError("sealed 1");
    node.Signal(SIGKILL);
    EXPECT_EQ(node.Wait(), -SIGKILL);
  }
  EXPECT_EQ(RunProgram({ROOST_NODE, "--db", db, "-"}, "a 2\n").exit, 0);
  EXPECT_EQ(Database(db).Text("SELECT group_concat(seq || '=' || value) FROM readings"),
            "1=1.0,2=2.0");
}

}  // namespace
}  // namespace roost::testing
