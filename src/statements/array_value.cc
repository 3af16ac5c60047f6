// The elements of a Value that is an array, each as a Value.
#include <optional>
#include <string>
#include <string_view>

#include "roost/statement.h"

namespace roost {
namespace {

using internal::Element;

template <class T>
Value ElementAs(const void* elements, size_t number, bool optional) {
  if (optional) return Value(static_cast<const std::optional<T>*>(elements)[number]);
  return Value(static_cast<const T*>(elements)[number]);
}

}  // namespace

Value Value::element(size_t number) const {
  constexpr int kOptional = static_cast<int>(Element::kOptional);
  const int kind = static_cast<int>(element_);
  const bool optional = kind >= kOptional;
  switch (static_cast<Element>(optional ? kind - kOptional : kind)) {
    case Element::kInt32:
      return ElementAs<int32_t>(bytes_, number, optional);
    case Element::kInt64:
      return ElementAs<int64_t>(bytes_, number, optional);
    case Element::kBool:
      return ElementAs<bool>(bytes_, number, optional);
    case Element::kDouble:
      return ElementAs<double>(bytes_, number, optional);
    case Element::kText:
      return ElementAs<std::string_view>(bytes_, number, optional);
    case Element::kString:
      return ElementAs<std::string>(bytes_, number, optional);
    case Element::kNone:
    case Element::kOptional:
      break;
  }
  return Value();
}

}  // namespace roost
