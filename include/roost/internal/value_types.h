// include/roost/internal/value_types.h - which types of a program are values, and how the standard
// library's become one of the types that every backend stores.
#ifndef ROOST_INTERNAL_VALUE_TYPES_H_
#define ROOST_INTERNAL_VALUE_TYPES_H_

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "roost/version.h"

#pragma GCC visibility push(default)
namespace roost {

class Value;
struct Micros;

namespace internal {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kIsDuration = false;
template <class Rep, class Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> =
    std::integral<Rep> && !std::same_as<Rep, bool>;

// A moment of the wall clock. Those of other clocks mean nothing after the next boot.
template <class T>
inline constexpr bool kIsMoment = false;
template <class D>
inline constexpr bool kIsMoment<std::chrono::time_point<std::chrono::system_clock, D>> =
    kIsDuration<D>;

template <class T>
inline constexpr bool kIsEnum = std::is_enum_v<T> && !std::same_as<T, std::byte>;

// What a Value of type kArray has: which type, and whether each is a std::optional of it.
enum class Element : uint8_t {
  kNone,
  kInt32,
  kInt64,
  kBool,
  kDouble,
  kText,
  kString,
  kOptional = 16,  // added to one of the above
};
template <class T>
inline constexpr Element kElementOf = Element::kNone;
template <>
inline constexpr Element kElementOf<int32_t> = Element::kInt32;
template <>
inline constexpr Element kElementOf<int64_t> = Element::kInt64;
template <>
inline constexpr Element kElementOf<bool> = Element::kBool;
template <>
inline constexpr Element kElementOf<double> = Element::kDouble;
template <>
inline constexpr Element kElementOf<std::string_view> = Element::kText;
template <>
inline constexpr Element kElementOf<std::string> = Element::kString;
template <class T>
inline constexpr Element kElementOf<std::optional<T>> =
    kElementOf<T> == Element::kNone ? Element::kNone
                                    : static_cast<Element>(static_cast<int>(kElementOf<T>) +
                                                           static_cast<int>(Element::kOptional));

// Of elements that are neighbours in memory.
template <class T>
using ElementType = std::remove_cvref_t<decltype(*std::data(std::declval<const T&>()))>;
template <class T>
inline constexpr bool kIsArray = false;
template <class T>
requires requires(const T& elements) {
  *std::data(elements);
  std::size(elements);
}
inline constexpr bool kIsArray<T> = kElementOf<ElementType<T>> != Element::kNone;

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

template <class T>
inline constexpr bool kNever = false;

// Types that Value has a constructor for.
template <class T>
concept Bindable = std::integral<T> || std::same_as<T, double> || std::same_as<T, float> ||
    std::same_as<T, std::nullptr_t> || std::same_as<T, Value> || std::same_as<T, Micros> ||
    std::convertible_to<const T&, std::string_view> ||
    std::convertible_to<const T&, std::span<const std::byte>> || kIsDuration<T> || kIsMoment<T> ||
    kIsEnum<T> || kIsOptional<T> || kIsArray<T>;

template <Integer T>
constexpr bool FitsInt64(T number) {
  if constexpr (std::unsigned_integral<T> && sizeof(T) == sizeof(int64_t)) {
    return number <= static_cast<T>(std::numeric_limits<int64_t>::max());
  }
  return true;
}

// A duration in whole microseconds, rounded down; empty: beyond 64 bits.
template <class Rep, class Period>
constexpr std::optional<int64_t> ToMicros(std::chrono::duration<Rep, Period> span) {
  using InMicros = std::ratio_divide<Period, std::micro>;
  if constexpr (InMicros::num == 1) {
    constexpr auto kDivisor = static_cast<Rep>(InMicros::den);
    static_assert(std::cmp_equal(kDivisor, InMicros::den), "the duration's type is too small");
    const Rep micros = span.count() / kDivisor;
    if (!FitsInt64(micros)) return std::nullopt;
    const bool down = span.count() < Rep{} && span.count() % kDivisor != Rep{};
    return static_cast<int64_t>(micros) - (down ? 1 : 0);
  } else {
    int64_t scaled = 0;
    if (__builtin_mul_overflow(span.count(), static_cast<int64_t>(InMicros::num), &scaled)) {
      return std::nullopt;
    }
    const bool down = scaled < 0 && scaled % InMicros::den != 0;
    return scaled / InMicros::den - (down ? 1 : 0);
  }
}

// Microseconds as a duration; empty: beyond its range. A coarser one would lose what was stored.
template <class D>
constexpr std::optional<D> FromMicros(int64_t micros) {
  using FromMicro = std::ratio_divide<std::micro, typename D::period>;
  static_assert(FromMicro::den == 1,
                "Rows::Get: a duration, and a moment, are stored in microseconds: read one of "
                "microseconds or finer, and round it");
  typename D::rep count{};
  if (__builtin_mul_overflow(micros, static_cast<int64_t>(FromMicro::num), &count)) {
    return std::nullopt;
  }
  return D(count);
}

}  // namespace internal
}  // namespace roost
#pragma GCC visibility pop

#endif  // ROOST_INTERNAL_VALUE_TYPES_H_
