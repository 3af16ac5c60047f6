#include "tests/support/power_cut_disk.h"

#include <algorithm>
#include <cstring>

namespace roost::support {

size_t PowerCutFile::Read(size_t offset, void* out, size_t bytes) const {
  if (offset >= now_.size()) return 0;
  const size_t there = std::min(bytes, now_.size() - offset);
  std::memcpy(out, now_.data() + offset, there);
  return there;
}

void PowerCutFile::Write(size_t offset, std::string_view bytes) {
  const size_t end = offset + bytes.size();
  if (end > now_.size()) {
    now_.resize(end, '\0');
    sizes_.push_back(end);
  }
  std::memcpy(now_.data() + offset, bytes.data(), bytes.size());
  Remember(offset, end);
}

void PowerCutFile::Truncate(size_t size) {
  const size_t before = now_.size();
  if (size == before) return;
  now_.resize(size, '\0');
  sizes_.push_back(size);
  // What was cut off reads as zeros if the file grows again.
  Remember(std::min(size, before), std::max(size, before));
}

void PowerCutFile::Sync() {
  durable_.resize(now_.size(), '\0');
  for (const auto& [index, versions] : later_) {
    const size_t begin = index * kSector;
    if (begin >= durable_.size()) continue;
    const Sector& last = versions.back();
    std::memcpy(durable_.data() + begin, last.data(), std::min(kSector, durable_.size() - begin));
  }
  later_.clear();
  sizes_.clear();
}

void PowerCutFile::FailSync() {
  later_.clear();
  sizes_.clear();
}

std::string PowerCutFile::AfterCut(Chance& chance) const {
  // Half of all cuts lose about half of the sectors, the others nearly none or nearly all: the
  // holes that hurt are single ones.
  static constexpr size_t kShares[] = {50, 50, 50, 97, 3, 100};
  const size_t share = kShares[chance.Below(std::size(kShares))];
  std::string left = durable_;
  for (const auto& [index, versions] : later_) {
    if (!chance.Percent(share)) continue;
    const size_t back = chance.Percent(share) ? 0 : chance.Below(versions.size());
    const Sector& kept = versions[versions.size() - 1 - back];
    if (left.size() < (index + 1) * kSector) left.resize((index + 1) * kSector, '\0');
    std::memcpy(left.data() + index * kSector, kept.data(), kSector);
  }
  size_t size = durable_.size();
  if (!sizes_.empty() && chance.Percent(share)) {
    size = chance.Percent(share) ? sizes_.back() : sizes_[chance.Below(sizes_.size())];
  }
  left.resize(size, '\0');
  return left;
}

void PowerCutFile::Remember(size_t begin, size_t end) {
  for (size_t index = begin / kSector; index * kSector < end; ++index) {
    later_[index].push_back(SectorNow(index));
  }
}

PowerCutFile::Sector PowerCutFile::SectorNow(size_t index) const {
  Sector sector{};
  Read(index * kSector, sector.data(), kSector);
  return sector;
}

}  // namespace roost::support
