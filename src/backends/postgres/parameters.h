// backends/postgres/parameters.h - the values of one run as libpq takes them, on the stack.
//
// Numbers go as text, which any column that they fit takes; a bool as "1" or "0", which a boolean
// and an integer take. Text and blobs stay where they are. What the server takes a parameter for
// decides about moments, and about text for types whose binary form is not their text.
#ifndef ROOST_BACKENDS_POSTGRES_PARAMETERS_H_
#define ROOST_BACKENDS_POSTGRES_PARAMETERS_H_

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "backends/postgres/arrays.h"
#include "backends/postgres/libpq.h"
#include "backends/postgres/result.h"
#include "roost/statement.h"

namespace roost::postgres {

// The types of `description` for those values whose form depends on it, in `places`; 0 for the
// others. REQUIRES: as Parameters::Read; `places` is as long as `values`, or longer.
std::span<const Oid> DeclareTypes(const Libpq& pq, std::span<const Value> values,
                                  const PGresult* description, std::span<Oid> places);

class Parameters {
 public:
  static constexpr size_t kMax = 63;

  explicit Parameters(const Libpq& pq) : pq_(pq), arena_(pq) {}

  // `description` is the server's answer to Describe; nullptr: the types are not known yet. Then a
  // moment is sent as an integer, and a blob as whatever its bytes are for the type. kInvalidArgument
  // names the SQL and the position. REQUIRES: at most kMax values, and as many as the description has.
  absl::Status Read(std::span<const Value> values, const PGresult* description,
                    std::string_view sql);

  int count() const { return count_; }
  // Of text and of bytes, which alone may be many.
  size_t bytes() const { return bytes_; }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  absl::Status ReadOne(size_t index, const Value& value, bool known, uint32_t type,
                       std::string_view sql);
  absl::Status ReadArray(size_t index, const Value& array, std::string_view sql);
  absl::Status ReadText(size_t index, std::string_view text, bool as_bytes, std::string_view sql);
  void TakeBytes(size_t index, const char* data, size_t size);
  void TakeNumber(size_t index, const Value& number);

  const Libpq& pq_;
  Arena arena_;
  int count_ = 0;
  size_t bytes_ = 0;
  // Filled as far as count_; left alone behind it, because two kilobytes would be cleared each
  // time.
  std::array<const char*, kMax> values_;
  std::array<int, kMax> lengths_;
  std::array<int, kMax> formats_;
  std::array<NumberRoom, kMax> numbers_;
};

}  // namespace roost::postgres

#endif  // ROOST_BACKENDS_POSTGRES_PARAMETERS_H_
