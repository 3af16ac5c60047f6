// backends/common/finding_table.h - a table of codes and what they mean, in few bytes.
//
// Written as rows with a Finding for each reader, of which most are alike. The compiler keeps each
// Finding once, and rows of numbers: a row with pointers in it would be corrected for where the program
// lies each time that one starts, and so be a private page of a process that never looks at it.
#ifndef ROOST_BACKENDS_COMMON_FINDING_TABLE_H_
#define ROOST_BACKENDS_COMMON_FINDING_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "backends/common/error.h"

namespace roost::backends {

// `kRows`: an array of constants with members in_session and at_startup.
template <const auto& kRows>
class FindingTable {
 public:
  static constexpr size_t kSize = std::size(kRows);

  // REQUIRES: row < kSize.
  static const Finding& InSession(size_t row) { return kFindings[kInSession[row]]; }
  static const Finding& AtStartup(size_t row) { return kFindings[kAtStartup[row]]; }

 private:
  static constexpr bool Alike(const Finding& a, const Finding& b) {
    return a.code == b.code && a.fault_scope == b.fault_scope && a.advice == b.advice;
  }

  // Each once, in the order of the rows; the number of those behind them in `count`.
  struct Distinct {
    std::array<Finding, 2 * kSize> list{};
    size_t count = 0;

    constexpr size_t NumberOf(const Finding& finding) const {
      for (size_t i = 0; i < count; ++i) {
        if (Alike(list[i], finding)) return i;
      }
      return count;
    }
    constexpr void Add(const Finding& finding) {
      if (NumberOf(finding) == count) list[count++] = finding;
    }
  };
  static constexpr Distinct FindDistinct() {
    Distinct distinct;
    for (const auto& row : kRows) {
      distinct.Add(row.in_session);
      distinct.Add(row.at_startup);
    }
    return distinct;
  }
  static constexpr size_t kDistinct = FindDistinct().count;
  static_assert(kDistinct <= 256, "the number of a finding is a byte");

  static constexpr std::array<Finding, kDistinct> MakeFindings() {
    const Distinct distinct = FindDistinct();
    std::array<Finding, kDistinct> findings{};
    for (size_t i = 0; i < kDistinct; ++i) findings[i] = distinct.list[i];
    return findings;
  }
  static constexpr std::array<uint8_t, kSize> MakeNumbers(bool at_startup) {
    const Distinct distinct = FindDistinct();
    std::array<uint8_t, kSize> numbers{};
    size_t i = 0;
    for (const auto& row : kRows) {
      numbers[i++] =
          static_cast<uint8_t>(distinct.NumberOf(at_startup ? row.at_startup : row.in_session));
    }
    return numbers;
  }

  static constexpr std::array<Finding, kDistinct> kFindings = MakeFindings();
  static constexpr std::array<uint8_t, kSize> kInSession = MakeNumbers(false);
  static constexpr std::array<uint8_t, kSize> kAtStartup = MakeNumbers(true);
};

}  // namespace roost::backends

#endif  // ROOST_BACKENDS_COMMON_FINDING_TABLE_H_
