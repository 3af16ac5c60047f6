#include "backends/postgres/libpq.h"

#include <dlfcn.h>

#include "statements/text.h"

namespace roost::postgres {
namespace {

using internal::Concat;

constexpr char kLibrary[] = "libpq.so.5";

const char* LastError() {
  const char* const error = dlerror();
  return error != nullptr ? error : "no reason given";
}

template <class Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

absl::Status LoadLibpq(Libpq& table) {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return absl::FailedPreconditionError(
        Concat({kLibrary, " could not be loaded (", LastError(), "); install the package libpq5"}));
  }
  const char* missing = nullptr;
#define ROOST_LIBPQ_FIND(name) \
  if (!Find(library, #name, table.name)) missing = #name;
  ROOST_LIBPQ_FUNCTIONS(ROOST_LIBPQ_FIND)
#undef ROOST_LIBPQ_FIND
  Find(library, "SSL_peek", table.SSL_peek);
  if (missing == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat({kLibrary, " has no ", missing, "; install a libpq5 of version 14 or later"}));
}

}  // namespace roost::postgres
