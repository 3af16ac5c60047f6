// tools/roostctl/selftest/card.cc - checks of the card that ask only: file system, options,
// errors, space, wear.
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tools/common/text.h"
#include "tools/roostctl/selftest/checks.h"

namespace roost::tools::selftest {
namespace {

using namespace std::chrono_literals;

// Everything on them is gone after a power cut; an overlay's writes are in memory on a board whose
// root is protected (raspi-config's overlay file system).
constexpr const char* kVolatile[] = {"tmpfs", "ramfs", "overlay", "zram"};
// The write-ahead log needs memory that processes share, and locks that hold: not over a network
// (https://www.sqlite.org/wal.html, "all processes must be on the same host").
constexpr const char* kRemote[] = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"};
// No journal of its own: a power cut can damage the folder the database is in.
constexpr const char* kWithoutJournal[] = {"vfat", "msdos", "exfat", "ext2"};

// The log is copied into the database from 8 x 256 pages of 4 KiB on at the latest (src/backends/
// sqlite/write_ahead_log.cc): 8 MiB, and the database grows by the same.
constexpr uint64_t kLeastFree = uint64_t{16} << 20;
constexpr uint64_t kEnoughFree = uint64_t{100} << 20;
// Cards spread wear over what is free.
constexpr double kEnoughFreeShare = 0.05;
constexpr uint64_t kEnoughFiles = 1000;
// eMMC tells its wear in steps of a tenth; the last fifth is time to order a new one.
constexpr int kLifeWarn = 80;
constexpr int kLifeFail = 100;
// A rule of thumb: 32 GB of flash good for 500 cycles, written ten times over by the card itself,
// lasts a year at this rate.
constexpr uint64_t kMostBytesPerDay = uint64_t{4} << 30;
constexpr Duration kLeastUp = 1h;

template <size_t kCount>
bool IsOneOf(const char* const (&list)[kCount], const std::string& text) {
  return std::any_of(std::begin(list), std::end(list),
                     [&text](const char* each) { return text == each; });
}

// Without a folder or its mount, a check of the card is skipped with the reason.
std::optional<Mount> MountOrSkip(const Context& context, Result& skipped) {
  if (context.setup.folder.empty()) {
    skipped = Skip("the folder of the data does not exist; name it with --db");
    return std::nullopt;
  }
  std::optional<Mount> mount = MountOf(context.setup.root, context.setup.folder);
  if (!mount.has_value()) skipped = Skip("/proc/self/mountinfo cannot be read");
  return mount;
}

Result JudgeFileSystem(const Mount& mount, bool allow_volatile) {
  const std::string measured = mount.type + " at " + mount.point;
  const char* bound = "on a card or disk, with a journal";
  if (IsOneOf(kVolatile, mount.type) && !allow_volatile) {
    return Fail(measured, bound,
                "what is written there is gone after a power cut: keep the data on a partition of "
                "its own, or say --allow-volatile if that is meant");
  }
  if (IsOneOf(kRemote, mount.type)) {
    return Fail(measured, bound,
                "a write-ahead log does not work over a network: use a local disk");
  }
  if (IsOneOf(kWithoutJournal, mount.type)) {
    return Warn(measured, bound, "a power cut can damage the folder itself: format it as ext4");
  }
  return Pass(measured, bound);
}

}  // namespace

Result CheckCardFileSystem(Context& context) {
  Result skipped;
  const std::optional<Mount> mount = MountOrSkip(context, skipped);
  if (!mount.has_value()) return skipped;
  return JudgeFileSystem(*mount, context.setup.allow_volatile)
      .With("type", mount->type)
      .With("mount_point", mount->point);
}

Result CheckCardOptions(Context& context) {
  Result skipped;
  const std::optional<Mount> mount = MountOrSkip(context, skipped);
  if (!mount.has_value()) return skipped;
  const std::string& measured = mount->options;
  const char* bound = "barriers on, access times not written at each read";
  Result result = Pass(measured, bound);
  if (mount->Has("nobarrier") || mount->Has("barrier=0")) {
    result = Fail(measured, bound,
                  "without barriers a sync does not reach the card: a power cut takes what was "
                  "sealed; remove nobarrier from /etc/fstab");
  } else if (mount->Has("strictatime") || mount->Has("sync") || mount->Has("data=writeback")) {
    result = Warn(measured, bound,
                  "strictatime and sync wear the card and slow every access; data=writeback can "
                  "leave old bytes in new files after a power cut: remove them from /etc/fstab");
  }
  return std::move(result).With("options", mount->options);
}

Result CheckCardWritable(Context& context) {
  Result skipped;
  const std::optional<Mount> mount = MountOrSkip(context, skipped);
  if (!mount.has_value()) return skipped;
  const BlockDevice block = BlockDeviceOf(context.setup.root, mount->device);
  const uint64_t errors = FileSystemErrors(context.setup.root, mount->device).value_or(0);
  const char* bound = "takes writes, no errors seen";
  Result result = Pass("takes writes, no errors seen", bound);
  if (mount->Has("ro") || block.read_only.value_or(false)) {
    result =
        Fail(block.read_only.value_or(false) ? "the card is read-only" : "mounted read-only", bound,
             "a card that fails is often locked by itself or by its driver: look at dmesg, "
             "save the data, replace the card; else mount -o remount,rw");
  } else if (errors > 0) {
    result = Fail(Format("%llu errors seen", static_cast<unsigned long long>(errors)), bound,
                  "the file system has noted errors: look at dmesg, check it (fsck at the next "
                  "start), expect to replace the card");
  } else if (access(context.setup.folder.c_str(), W_OK) != 0) {
    result = Skip("this user may not write in " + context.setup.folder +
                  "; run it as the service's user");
  }
  return std::move(result).With("device", block.name).With("errors", errors);
}

Result JudgeCardSpace(const Space& space) {
  const double share = space.total_bytes == 0 ? 1
                                              : static_cast<double>(space.free_bytes) /
                                                    static_cast<double>(space.total_bytes);
  const std::string measured =
      FormatBytes(space.free_bytes) + " free" + Format(" (%.3g %%)", share * 100);
  const std::string bound = FormatBytes(kEnoughFree) + " and 5 %";
  const bool few_files = space.total_files > 0 && space.free_files < kEnoughFiles;
  Result result = Pass(measured, bound);
  if (space.free_bytes < kLeastFree) {
    result = Fail(measured, FormatBytes(kLeastFree) + " at the least",
                  "the write-ahead log and its copy into the database need 16 MiB; make room: "
                  "journalctl --vacuum-size=50M, apt-get clean, or a shorter retention");
  } else if (space.free_bytes < kEnoughFree || share < kEnoughFreeShare || few_files) {
    result = Warn(few_files ? measured + ", few inodes left" : measured, bound,
                  "make room soon; a nearly full card also wears faster");
  }
  return std::move(result)
      .With("free_bytes", space.free_bytes)
      .With("total_bytes", space.total_bytes)
      .With("free_files", space.free_files);
}

Result CheckCardSpace(Context& context) {
  struct statvfs usage {};
  if (context.setup.folder.empty() || statvfs(context.setup.folder.c_str(), &usage) != 0) {
    return Skip("the folder of the data does not exist; name it with --db");
  }
  return JudgeCardSpace({.free_bytes = uint64_t{usage.f_bavail} * usage.f_frsize,
                         .total_bytes = uint64_t{usage.f_blocks} * usage.f_frsize,
                         .free_files = usage.f_favail,
                         .total_files = usage.f_files});
}

namespace {

std::string WearText(const BlockDevice& block, double per_day, bool know_rate) {
  std::string text = block.name;
  if (block.life_used_percent) text += Format(", %d %% of life used", *block.life_used_percent);
  if (block.bytes_written) {
    text += ", " + FormatBytes(*block.bytes_written) + " written since boot";
  }
  if (know_rate) text += ", " + FormatBytes(static_cast<uint64_t>(per_day)) + " a day";
  return text;
}

}  // namespace

Result JudgeCardWear(const BlockDevice& block, Duration up) {
  if (block.name.empty()) return Skip("the data is not on a device of its own");
  const bool know_rate = block.bytes_written.has_value() && up >= kLeastUp;
  const double per_day =
      know_rate ? static_cast<double>(*block.bytes_written) / InSeconds(up) * 86400 : 0;
  const bool is_card = block.name.starts_with("mmcblk");
  const std::string measured = WearText(block, per_day, know_rate);
  const std::string bound = Format("life below %d %%, cards below ", kLifeWarn) +
                            FormatBytes(kMostBytesPerDay) + " a day";
  const int life = block.life_used_percent.value_or(0);
  const int spare = block.spare_state.value_or(1);
  Result result = Pass(measured, bound);
  if (life > kLifeFail || spare >= 3) {
    result = Fail(measured, bound, "the card is worn out: save the data and replace it now");
  } else if (life > kLifeWarn || spare == 2) {
    result = Warn(measured, bound, "the card nears its end: have a new one ready");
  } else if (is_card && per_day > static_cast<double>(kMostBytesPerDay)) {
    result = Warn(measured, bound,
                  "find who writes so much (iotop -ao); seal larger batches (roost-node "
                  "--seal-every), keep the journal in memory (Storage=volatile)");
  }
  if (know_rate) result.figures["written_bytes_per_day"] = per_day;
  if (block.bytes_written) result.figures["written_bytes"] = *block.bytes_written;
  if (block.life_used_percent) result.figures["life_used_percent"] = life;
  if (block.spare_state) result.figures["pre_eol_info"] = spare;
  return std::move(result).With("device", block.name);
}

Result CheckCardWear(Context& context) {
  Result skipped;
  const std::optional<Mount> mount = MountOrSkip(context, skipped);
  if (!mount.has_value()) return skipped;
  return JudgeCardWear(BlockDeviceOf(context.setup.root, mount->device),
                       std::chrono::microseconds(BootMicros()));
}

}  // namespace roost::tools::selftest
