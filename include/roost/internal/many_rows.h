// include/roost/internal/many_rows.h - the rows of a Statement::RunAll as a backend reads them.
#ifndef ROOST_INTERNAL_MANY_ROWS_H_
#define ROOST_INTERNAL_MANY_ROWS_H_

#include <cstddef>
#include <span>

namespace roost {

class Value;

namespace internal {

// A view of a range, whatever the type of its rows is: read by number, as often as wanted.
class ManyRows {
 public:
  // REQUIRES: `range` outlives the result.
  template <class Range>
  static ManyRows Of(const Range& range, size_t max_rows, size_t max_bytes);

  size_t size() const { return size_; }
  // Of one round trip.
  size_t max_rows() const { return max_rows_; }
  size_t max_bytes() const { return max_bytes_; }
  // Calls `use` once with the values of that row, a std::span<const Value>. They are valid until it
  // returns: a range may make its rows as they are asked for.
  template <class F>
  void With(size_t row, F use) const {
    give_(range_, row, &use,
          [](void* f, std::span<const Value> values) { (*static_cast<F*>(f))(values); });
  }

 private:
  using Take = void (*)(void* taker, std::span<const Value> values);
  using Give = void (*)(const void* range, size_t row, void* taker, Take take);

  ManyRows(const void* range, Give give, size_t size, size_t max_rows, size_t max_bytes)
      : range_(range), give_(give), size_(size), max_rows_(max_rows), max_bytes_(max_bytes) {}

  const void* range_;
  Give give_;
  size_t size_;
  size_t max_rows_;
  size_t max_bytes_;
};

}  // namespace internal
}  // namespace roost

#endif  // ROOST_INTERNAL_MANY_ROWS_H_
