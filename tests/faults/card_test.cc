// The card: ext4 in a file, mounted below a folder of the test's own, in a mount namespace that
// nobody else sees. As root, or as any user where the kernel lets users make namespaces and loop
// devices; else the tests are skipped and say why.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "roost/pool.h"
#include "roost/sqlite.h"
#include "roost/sqlite_backup.h"
#include "tests/support/status_macros.h"
#include "tests/support/temp_dir.h"

namespace roost::faults {
namespace {

namespace fs = std::filesystem;
using std::chrono_literals::operator""s;

constexpr char kSchema[] = "CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b)";
constexpr Sql kAdd{"INSERT INTO t(b) VALUES ($1)"};
constexpr Sql kCount{"SELECT count(*) FROM t"};

// Opens at once, and again after a failure.
struct Node : profiles::RaspberryPi {
  static constexpr Duration kBackoffMin = std::chrono::nanoseconds(1);
  static constexpr Duration kBackoffMax = std::chrono::nanoseconds(1);
};

bool Shell(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// A file system in a file.
class Card {
 public:
  Card(const support::TempDir& dir, const std::string& name, const std::string& make = "-m 0")
      : image_(dir.File(name + ".img")), folder_(dir.File("card")) {
    fs::create_directories(folder_);
    std::ofstream(image_).close();
    fs::resize_file(image_, 8 << 20);
    made_ = Shell("mkfs.ext4 -q -F " + make + " " + image_);
  }
  ~Card() {
    while (mounts_ > 0) Unmount();
  }
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  bool Mount(const std::string& options = "loop") {
    const bool mounted = made_ && Shell("mount -o " + options + " " + image_ + " " + folder_);
    mounts_ += mounted ? 1 : 0;
    return mounted;
  }
  bool Remount(const std::string& how) { return Shell("mount -o remount," + how + " " + folder_); }
  void Unmount() {
    ::umount2(folder_.c_str(), MNT_DETACH);
    --mounts_;
  }
  // As a stick that is pulled: nothing is written any more.
  bool Pull() {
    constexpr unsigned long kShutdown = _IOR('X', 125, uint32_t);
    uint32_t without_log = 2;
    const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
    const bool pulled = ::ioctl(folder, kShutdown, &without_log) == 0;
    ::close(folder);
    return pulled;
  }
  std::string path() const { return folder_ + "/node.db"; }
  const std::string& folder() const { return folder_; }

 private:
  const std::string image_;
  const std::string folder_;
  bool made_ = false;
  int mounts_ = 0;
};

class CardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no mount namespace: run as root, or allow users to make namespaces";
    }
    if (!card_.Mount()) GTEST_SKIP() << "no loop-mounted ext4: mount(8) or mkfs.ext4 refuses";
  }
  SqliteOptions Options() const { return {.path = card_.path(), .schema = kSchema}; }

  static absl::Status Batch(Pool& pool) {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(2s));
    if (!lease.ok()) return lease.status();
    absl::StatusOr<Transaction> transaction = lease->Begin(Durability::kSealed);
    if (!transaction.ok()) return transaction.status();
    const std::string filler(900, 'x');
    absl::Status status = lease->Run(kAdd, std::string_view(filler));
    return status.ok() ? transaction->Commit() : status;
  }
  // So many rows of some 1 KB.
  static absl::Status FillUp(Pool& pool, int rows) {
    constexpr Sql kFill{
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $1) "
        "INSERT INTO t(b) SELECT randomblob(950) FROM c"};
    const absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(60s));
    return lease.ok() ? lease->Run(kFill, rows) : lease.status();
  }
  // The first that is acknowledged again.
  static bool Recovers(Pool& pool) {
    for (int i = 0; i < 20; ++i) {
      if (Batch(pool).ok()) return true;
      pool.Tick(pool.platform().Now());
    }
    return false;
  }
  static int64_t CountRows(Pool& pool) {
    absl::StatusOr<Lease> lease = pool.Acquire(kRead, pool.In(2s));
    if (!lease.ok()) return -1;
    const absl::StatusOr<Statement*> count = lease->Prepare(kCount);
    if (!count.ok()) return -1;
    Rows rows = (*count)->Query();
    return rows.Next() ? rows.Get<int64_t>(0) : -1;
  }
  static void ExpectError(const absl::Status& status, absl::StatusCode code,
                          const std::string& sentence) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_NE(std::string(status.message()).find(sentence), std::string::npos) << status;
  }

  support::TempDir dir_;
  Card card_{dir_, "card"};
};

TEST_F(CardTest, ACardThatIsReadOnlyAtBootIsToldAndTakenWhenItIsWritable) {
  for (const bool has_database : {false, true}) {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    ASSERT_TRUE(card_.Remount("ro"));
    ExpectError(Batch(pool), absl::StatusCode::kFailedPrecondition, "mounted read only");
    EXPECT_TRUE(IsReadOnlyCard(Batch(pool)));
    ASSERT_TRUE(card_.Remount("rw"));
    EXPECT_TRUE(Recovers(pool)) << has_database;
  }
}

// SQLite makes an index of the log to read it, too.
TEST_F(CardTest, ADatabaseOfWhichNoIndexCanBeMadeIsTold) {
  {
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    ASSERT_OK(Batch(pool));
    ASSERT_OK(Backup(pool, card_.folder() + "/copy.db", pool.In(5s)));
  }
  ASSERT_TRUE(card_.Remount("ro"));
  SqliteBackend backend({.path = card_.path(), .read_only = true});
  PoolFor<Node> pool(backend);
  const absl::Status refused = pool.Acquire(kRead, pool.In(1s)).status();
  ExpectError(refused, absl::StatusCode::kFailedPrecondition, "node.db-shm is not there");
  ExpectError(refused, absl::StatusCode::kFailedPrecondition,
              "read a copy that roost::Backup made");
  SqliteBackend copy({.path = card_.folder() + "/copy.db", .read_only = true});
  PoolFor<Node> reader(copy);
  EXPECT_OK(reader.Acquire(kRead, reader.In(1s)).status());
}

TEST_F(CardTest, ACardThatTurnsReadOnlyRefusesWritesAndIsRead) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  ASSERT_OK(Batch(pool));
  EXPECT_EQ(CountRows(pool), 1);
  ASSERT_TRUE(Shell("mount -o remount,ro,abort " + card_.folder()) || card_.Pull());
  EXPECT_FALSE(Batch(pool).ok());
  EXPECT_EQ(CountRows(pool), 1);
}

TEST_F(CardTest, ACardWithoutAnInodeIsTold) {
  int made = 0;
  while (std::ofstream(card_.folder() + "/f" + std::to_string(made)).is_open()) ++made;
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  ExpectError(Batch(pool), absl::StatusCode::kResourceExhausted, "no inode left");
  for (int i = 0; i < 4; ++i) fs::remove(card_.folder() + "/f" + std::to_string(i));
  EXPECT_TRUE(Recovers(pool));
}

TEST_F(CardTest, NothingIsLostOnAFullCard) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  ASSERT_OK(Batch(pool));
  {
    std::ofstream filler(card_.folder() + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), 4096).flush()) {
    }
  }
  int64_t acknowledged = 1;
  absl::Status status;
  for (int i = 0; i < 5000 && status.ok(); ++i) {
    status = Batch(pool);
    acknowledged += status.ok() ? 1 : 0;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(CountRows(pool), acknowledged);
  fs::remove(card_.folder() + "/filler");
  EXPECT_TRUE(Recovers(pool));
  EXPECT_EQ(CountRows(pool), acknowledged + 1);
}

// What is committed has its room in the database file, so that a checkpoint makes the log free for
// the statement that deletes.
TEST_F(CardTest, RowsCanBeDeletedOnAFullCard) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  for (int i = 0; i < 300; ++i) ASSERT_OK(Batch(pool));
  {
    std::ofstream filler(card_.folder() + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), 4096).flush()) {
    }
  }
  int64_t acknowledged = 300;
  for (int refused = 0; refused < 20;) {
    const absl::Status status = Batch(pool);
    acknowledged += status.ok() ? 1 : 0;
    refused += status.ok() ? 0 : 1;
    ASSERT_LT(acknowledged, 9000);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    }
  }
  EXPECT_EQ(CountRows(pool), acknowledged);
  EXPECT_EQ(backend.file_stats().checkpoint_error, 0);
  const auto remove = [&pool] {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(2s));
    return lease.ok() ? lease->Run(Sql("DELETE FROM t WHERE a <= 100")) : lease.status();
  };
  absl::Status removed = remove();
  if (!removed.ok()) removed = remove();  // the log was copied when the lease came back
  EXPECT_OK(removed);
  EXPECT_EQ(CountRows(pool), acknowledged - 100);
  for (int i = 0; i < 20; ++i) EXPECT_OK(Batch(pool));
}

// A mount that comes late, and one that goes: the name leads to another file system.
TEST_F(CardTest, NothingIsAcknowledgedBelowAMountPoint) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Batch(pool));
  EXPECT_EQ(CountRows(pool), 3);
  Card late(dir_, "late");
  ASSERT_TRUE(late.Mount());
  ExpectError(Batch(pool), absl::StatusCode::kUnavailable, "another file system was mounted");
  EXPECT_TRUE(Recovers(pool));
  EXPECT_EQ(CountRows(pool), 1) << "in the file system that the path leads to";

  late.Unmount();
  ExpectError(Batch(pool), absl::StatusCode::kUnavailable, "another file system was mounted");
  EXPECT_TRUE(Recovers(pool));
  EXPECT_EQ(CountRows(pool), 4) << "what was hidden is whole";
}

TEST_F(CardTest, APulledCardAcknowledgesNothing) {
  SqliteBackend backend(Options());
  PoolFor<Node> pool(backend);
  ASSERT_OK(Batch(pool));
  if (!card_.Pull()) GTEST_SKIP() << "this kernel's ext4 cannot be shut down";
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Batch(pool).ok());
}

TEST_F(CardTest, AFileOfAnotherOwnerIsTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can take another account";
  for (const char* end : {"", "-shm"}) {
    // A process of root that ended without closing leaves all three files.
    const pid_t child = ::fork();
    if (child == 0) {
      SqliteBackend backend(Options());
      PoolFor<Node> pool(backend);
      ::_exit(Batch(pool).ok() ? 0 : 1);
    }
    int ended = -1;
    ASSERT_EQ(::waitpid(child, &ended, 0), child);
    ASSERT_EQ(ended, 0);
    fs::permissions(card_.folder(), fs::perms::all);
    fs::permissions(fs::path(dir_.path()), fs::perms::owner_all | fs::perms::group_exec);
    for (const char* file : {"", "-wal", "-shm"}) {
      fs::permissions(card_.path() + file, fs::perms(std::string(end) == file ? 0644 : 0666));
    }
    SqliteBackend backend(Options());
    PoolFor<Node> pool(backend);
    ASSERT_EQ(::seteuid(65534), 0);
    const absl::Status status = Batch(pool);
    ASSERT_EQ(::seteuid(0), 0);
    ExpectError(status, absl::StatusCode::kPermissionDenied,
                card_.path() + end + " belongs to root, this process runs as user 65534");
  }
}

// ---- a backup ------------------------------------------------------------------------------------

TEST_F(CardTest, ABackupThatDoesNotFitIsRefusedBeforeItBegins) {
  SqliteBackend backend({.path = dir_.File("node.db"), .schema = kSchema});
  PoolFor<Node> pool(backend);
  ASSERT_OK(FillUp(pool, 9000));
  const std::string copy = card_.folder() + "/copy.db";
  ExpectError(Backup(pool, copy, pool.In(60s)), absl::StatusCode::kResourceExhausted,
              "free space there, or choose another disk");
  EXPECT_FALSE(fs::exists(copy) || fs::exists(copy + ".part"));
}

// Somebody else takes the room while the copy is made.
TEST_F(CardTest, ACardThatFillsUpEndsABackupAndNothingIsLeft) {
  SqliteBackend backend({.path = dir_.File("node.db"), .schema = kSchema});
  PoolFor<Node> pool(backend);
  ASSERT_OK(FillUp(pool, 4000));
  const std::string copy = card_.folder() + "/copy.db";
  const std::string filler = card_.folder() + "/filler";
  bool filled = false;
  const absl::Status status =
      Backup(pool, copy, pool.In(60s), {.on_step = [&](const BackupProgress&) {
               if (!filled) Shell("dd if=/dev/zero of=" + filler + " bs=4k");
               filled = true;
               return true;
             }});
  ExpectError(status, absl::StatusCode::kResourceExhausted,
              "No space left on device; nothing was left");
  EXPECT_FALSE(fs::exists(copy) || fs::exists(copy + ".part"));
  fs::remove(filler);
  EXPECT_OK(Backup(pool, copy, pool.In(60s)));
  EXPECT_OK(Batch(pool));
}

TEST_F(CardTest, ABackupOntoAReadOnlyCardIsTold) {
  SqliteBackend backend({.path = dir_.File("node.db"), .schema = kSchema});
  PoolFor<Node> pool(backend);
  ASSERT_OK(Batch(pool));
  ASSERT_TRUE(card_.Remount("ro"));
  ExpectError(Backup(pool, card_.folder() + "/copy.db", pool.In(60s)),
              absl::StatusCode::kFailedPrecondition, "mounted read only");
}

}  // namespace
}  // namespace roost::faults
