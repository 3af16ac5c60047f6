// tests/support/power_cut_disk.h - files that know what was synced, and what a power cut leaves of
// them.
//
// A card keeps what each file had at its last sync. Of what was written later it keeps any subset
// of 512-byte sectors, each in any of the versions it went through, and any of the sizes the file
// had. A name that was created or deleted without a sync of the directory may or may not have been.
// A failed sync leaves its sectors clean in memory and unwritten on the card, as Linux does: a
// later sync that succeeds does not write them.
//
// Threads:  one at a time; PowerCutVfs holds a lock around it
#ifndef ROOST_TESTS_SUPPORT_POWER_CUT_DISK_H_
#define ROOST_TESTS_SUPPORT_POWER_CUT_DISK_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace roost::support {

// The same numbers everywhere for the same seed, unlike the distributions of <random>.
class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  // 0 to `count` - 1. REQUIRES: count > 0.
  size_t Below(size_t count) { return static_cast<size_t>(engine_() % count); }
  bool Percent(size_t share) { return Below(100) < share; }

 private:
  std::mt19937_64 engine_;
};

class PowerCutFile {
 public:
  static constexpr size_t kSector = 512;

  PowerCutFile() = default;
  // A file that is on the card in full.
  explicit PowerCutFile(std::string content) : now_(content), durable_(std::move(content)) {}

  // Copies what there is at `offset` and returns how many bytes that was.
  size_t Read(size_t offset, void* out, size_t bytes) const;
  void Write(size_t offset, std::string_view bytes);
  void Truncate(size_t size);
  size_t size() const { return now_.size(); }

  void Sync();
  void FailSync();

  // One of the contents that a power cut at this moment may leave.
  std::string AfterCut(Chance& chance) const;

 private:
  using Sector = std::array<char, kSector>;

  // Remembers the sectors of [begin, end) as they are now.
  void Remember(size_t begin, size_t end);
  Sector SectorNow(size_t index) const;

  std::string now_;                              // what readers see
  std::string durable_;                          // what was there at the last sync
  std::map<size_t, std::vector<Sector>> later_;  // versions since, oldest first
  std::vector<size_t> sizes_;                    // sizes since, oldest first
};

// A directory of files. `File` is PowerCutFile or derives from it and can be made from a content.
template <class File>
class PowerCutDisk {
 public:
  using FilePtr = std::shared_ptr<File>;

  // Null when there is no such file.
  FilePtr Find(const std::string& name) const {
    const auto entry = entries_.find(name);
    return entry == entries_.end() ? nullptr : entry->second.now;
  }
  FilePtr Create(const std::string& name) {
    FilePtr file = std::make_shared<File>();
    entries_[name].Change(file);
    return file;
  }
  void Delete(const std::string& name) { entries_[name].Change(nullptr); }

  void SyncNames() {
    for (auto& [name, entry] : entries_) entry.Sync();
  }
  // Syncs the name of one file.
  void SyncNameOf(const File& file) {
    for (auto& [name, entry] : entries_) {
      if (entry.now.get() == &file) entry.Sync();
    }
  }

  // Bytes of all files.
  size_t bytes() const {
    size_t sum = 0;
    for (const auto& [name, entry] : entries_) sum += entry.now ? entry.now->size() : 0;
    return sum;
  }

  // One of the disks that a power cut at this moment may leave.
  PowerCutDisk AfterCut(Chance& chance) const {
    PowerCutDisk disk;
    for (const auto& [name, entry] : entries_) {
      const size_t version = chance.Below(entry.later.size() + 1);
      const FilePtr& kept = version == 0 ? entry.durable : entry.later[version - 1];
      if (kept == nullptr) continue;
      Entry& left = disk.entries_[name];
      left.now = left.durable = std::make_shared<File>(kept->AfterCut(chance));
    }
    return disk;
  }

 private:
  struct Entry {
    void Change(FilePtr file) {
      now = file;
      later.push_back(std::move(file));
    }
    void Sync() {
      durable = now;
      later.clear();
    }
    FilePtr now;                 // null: there is none
    FilePtr durable;             // at the last sync of the directory
    std::vector<FilePtr> later;  // since, oldest first
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_POWER_CUT_DISK_H_
