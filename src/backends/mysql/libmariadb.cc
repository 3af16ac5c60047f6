#include "backends/mysql/libmariadb.h"

#include <dlfcn.h>

#include "backends/mysql/handle_watch.h"
#include "statements/text.h"

namespace roost::mysql {
namespace {

using internal::Concat;
using internal::Digits;

constexpr char kLibrary[] = "libmariadb.so.3";
constexpr unsigned long kOldest = 30300;
// MySQL's own client, which is GPL and has other structures, begins here.
constexpr unsigned long kNewest = 39999;

using ReadsAndWrites = void (*)(int mode, MYSQL* handle, const unsigned char* data, size_t size);
using RegisterCallback = int (*)(my_bool registers, ReadsAndWrites callback);

const char* LastError() {
  const char* const error = dlerror();
  return error != nullptr ? error : "no reason given";
}

template <class Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// Once in a process: the library has one list of watchers, and a start that is not for two threads.
absl::Status StartLibrary(void* library) {
  static const absl::Status started = [library]() -> absl::Status {
    decltype(&::mysql_server_init) start = nullptr;
    decltype(&::mysql_get_client_version) version = nullptr;
    RegisterCallback watch = nullptr;
    if (!Find(library, "mysql_server_init", start) ||
        !Find(library, "mysql_get_client_version", version) ||
        !Find(library, "ma_pvio_register_callback", watch)) {
      return absl::FailedPreconditionError(
          Concat({kLibrary, " is not MariaDB's library; install the package libmariadb3"}));
    }
    if (version() < kOldest || version() > kNewest) {
      return absl::FailedPreconditionError(
          Concat({kLibrary, " is of version ", Digits(static_cast<int64_t>(version())),
                  ", and 30300 or later is needed; install a newer libmariadb3"}));
    }
    if (start(0, nullptr, nullptr) != 0 || watch(1, &OnReadOrWrite) != 0) {
      return absl::ResourceExhaustedError(Concat({kLibrary, " did not start"}));
    }
    return absl::OkStatus();
  }();
  return started;
}

}  // namespace

absl::Status LoadLibmariadb(Libmariadb& table) {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return absl::FailedPreconditionError(Concat(
        {kLibrary, " could not be loaded (", LastError(), "); install the package libmariadb3"}));
  }
  absl::Status started = StartLibrary(library);
  if (!started.ok()) return started;
  const char* missing = nullptr;
#define ROOST_LIBMARIADB_FIND(name) \
  if (!Find(library, #name, table.name)) missing = #name;
  ROOST_LIBMARIADB_FUNCTIONS(ROOST_LIBMARIADB_FIND)
#undef ROOST_LIBMARIADB_FIND
  if (missing != nullptr) {
    return absl::FailedPreconditionError(
        Concat({kLibrary, " has no ", missing, "; install a newer libmariadb3"}));
  }
  MYSQL* const sample = table.mysql_init(nullptr);
  if (sample == nullptr) {
    return absl::ResourceExhaustedError(Concat({kLibrary, " has no memory for a connection"}));
  }
  table.with_prepare = WithPrepare(*sample->methods);
  table.mysql_close(sample);
  return absl::OkStatus();
}

}  // namespace roost::mysql
