// tests/support/forgotten.h - a value that is never destroyed.
#ifndef ROOST_TESTS_SUPPORT_FORGOTTEN_H_
#define ROOST_TESTS_SUPPORT_FORGOTTEN_H_

#include <cstddef>
#include <new>
#include <utility>

namespace roost::support {

// What a user looks like who forgot it: a Transaction, or the Rows of a query.
template <class T>
class Forgotten {
 public:
  explicit Forgotten(T value) { new (bytes_) T(std::move(value)); }
  T& operator*() { return *std::launder(reinterpret_cast<T*>(bytes_)); }
  T* operator->() { return &**this; }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};

}  // namespace roost::support

#endif  // ROOST_TESTS_SUPPORT_FORGOTTEN_H_
