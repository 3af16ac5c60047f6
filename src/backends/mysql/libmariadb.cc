#include "backends/mysql/libmariadb.h"

#include <dlfcn.h>
#include <ma_pvio.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

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

// ---- no files for a server ----

int RefuseFile(void** /*file*/, const char* /*name*/, void* /*watch*/) { return 1; }
int ReadNothing(void* /*file*/, char* /*room*/, unsigned int /*size*/) { return 0; }
void EndNothing(void* /*file*/) {}
int SayRefused(void* /*file*/, char* text, unsigned int size) {
  std::strncpy(text, "files of this machine are not sent", size - 1);
  text[size - 1] = '\0';
  return 2;
}

// ---- the watch ----

constexpr int kRead = 0;
constexpr unsigned long kVerifies = CLIENT_SSL_VERIFY_SERVER_CERT;

// Of a sign-in by sha256_password (1) or caching_sha2_password (2): the library asks for the server's key, and
// would send the password with it. A packet of a session has the number 0.
bool AsksForKey(const MYSQL& handle, std::string_view packet) {
  const MARIADB_PVIO* const io = handle.net.pvio;
  const bool plain = io != nullptr && io->ctls == nullptr && io->type == PVIO_TYPE_SOCKET;
  return plain && packet.size() == 5 && packet.starts_with(std::string_view("\x01\0\0", 3)) &&
         packet[3] != '\0' && (packet[4] == '\x01' || packet[4] == '\x02');
}

// All handles have the functions of one kind of link, whose table is constant.
struct LinkMethods {
  const PVIO_METHODS* original;
  PVIO_METHODS ours;
};

int WaitInHandshake(MARIADB_PVIO* io, my_bool is_read, int milliseconds);

LinkMethods& MethodsOf(const MARIADB_PVIO& io) {
  static LinkMethods methods = [&io] {
    LinkMethods made{.original = io.methods, .ours = *io.methods};
    made.ours.wait_io_or_timeout = &WaitInHandshake;
    return made;
  }();
  return methods;
}

// What the library calls in the middle of a TLS handshake, where it does not come back but waits, by default for
// ever. 1: ready, 0: out of time.
int WaitInHandshake(MARIADB_PVIO* io, my_bool is_read, int milliseconds) {
  const auto* const watch =
      static_cast<const HandleWatch*>(io->mysql->options.local_infile_userdata);
  if (watch == nullptr || watch->platform == nullptr) {
    return MethodsOf(*io).original->wait_io_or_timeout(io, is_read, milliseconds);
  }
  const IoEvents seen = watch->platform->WaitForDescriptor(
      static_cast<int>(io->mysql->net.fd), {.readable = is_read != 0, .writable = is_read == 0},
      watch->deadline);
  return seen.any() ? 1 : 0;
}

void WaitByTheDeadline(const MYSQL& handle) {
  MARIADB_PVIO* const io = handle.net.pvio;
  if (io != nullptr && io->methods->wait_io_or_timeout != &WaitInHandshake) {
    io->methods = &MethodsOf(*io).ours;
  }
}

// Called by the library behind each of its reads and writes, on the thread of the call. The first
// write is the request for TLS: by then the library has noted the host whose name it will look for.
void OnReadOrWrite(int mode, MYSQL* handle, const unsigned char* data, size_t size) {
  if (handle->options.local_infile_init != &RefuseFile) return;
  auto* const watch = static_cast<HandleWatch*>(handle->options.local_infile_userdata);
  if (watch == nullptr) return;
  if (mode == kRead) {
    UnblockHandle(handle);
    // What is not rows has a bound: a server could send column after column.
    if (size > watch->may_read) shutdown(handle->net.fd, SHUT_RDWR);
    watch->may_read -= std::min(size, watch->may_read);
  } else if (watch->platform != nullptr) {
    WaitByTheDeadline(*handle);
  }
  if (mode != kRead && AsksForKey(*handle, {reinterpret_cast<const char*>(data), size})) {
    watch->refused_password = true;
    shutdown(handle->net.fd, SHUT_RDWR);
  }
  if (mode != kRead && watch->any_name) {
    const my_bool off = 0;
    watch->set_option(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
    handle->client_flag &= ~kVerifies;
  }
  if (watch->certified == nullptr || handle->host == nullptr) return;
  if (std::strcmp(handle->host, watch->certified) == 0) return;
  char* const host = strdup(watch->certified);
  if (host == nullptr) return;  // then the certificate will not fit
  std::free(handle->host);
  handle->host = host;
}

// ---- a statement that is prepared by the call that runs it ----

constexpr unsigned kMalformedPacket = 2027;

HandleWatch& WatchOf(MYSQL* handle) {
  return *static_cast<HandleWatch*>(handle->options.local_infile_userdata);
}

int SendBehindPrepare(MYSQL* handle, enum enum_server_command command, const char* data,
                      size_t size, my_bool no_answer, void* statement) {
  if (command == COM_STMT_PREPARE) return 0;  // that has gone ahead
  const HandleWatch& watch = WatchOf(handle);
  if (watch.methods->db_command(handle, COM_STMT_PREPARE, watch.sql.data(), watch.sql.size(),
                                /*skip_check=*/1, statement) != 0) {
    return 1;
  }
  return watch.methods->db_command(handle, command, data, size, no_answer, statement);
}

// The answer to the run of a statement that the server did not take: an error, whose text nobody needs.
void SkipAnswer(MYSQL* handle, const st_mariadb_methods& methods) {
  const unsigned number = handle->net.last_errno;
  const std::string message = handle->net.last_error;
  const std::string state = handle->net.sqlstate;
  if (methods.db_read_stmt_result(handle) == 0) {
    methods.set_error(handle, kMalformedPacket, "HY000", nullptr);
    return;
  }
  // A link that broke meanwhile is the greater evil.
  if (handle->net.pvio == nullptr) return;
  handle->net.last_errno = number;
  std::strncpy(handle->net.last_error, message.c_str(), sizeof handle->net.last_error - 1);
  std::strncpy(handle->net.sqlstate, state.c_str(), sizeof handle->net.sqlstate - 1);
}

int ReadBehindPrepare(MYSQL* handle) {
  HandleWatch& watch = WatchOf(handle);
  MYSQL_STMT* const statement = watch.unprepared;
  if (statement == nullptr) return watch.methods->db_read_stmt_result(handle);
  statement->state = MYSQL_STMT_INITTED;
  if (watch.prepare(statement, watch.sql.data(), watch.sql.size()) != 0) {
    if (handle->net.pvio != nullptr) SkipAnswer(handle, *watch.methods);
    return 1;
  }
  watch.unprepared = nullptr;
  return watch.methods->db_read_stmt_result(handle);
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
  table.with_prepare = *sample->methods;
  table.with_prepare.db_command = &SendBehindPrepare;
  table.with_prepare.db_read_stmt_result = &ReadBehindPrepare;
  table.mysql_close(sample);
  return absl::OkStatus();
}

void PrepareHandle(const Libmariadb& lib, MYSQL* handle, HandleWatch& watch) {
  watch.set_option = lib.mysql_optionsv;
  lib.mysql_set_local_infile_handler(handle, &RefuseFile, &ReadNothing, &EndNothing, &SayRefused,
                                     &watch);
}

void ForgetHandle(const Libmariadb& lib, MYSQL* handle) {
  lib.mysql_set_local_infile_handler(handle, &RefuseFile, &ReadNothing, &EndNothing, &SayRefused,
                                     nullptr);
}

void UnblockHandle(MYSQL* handle) {
  MARIADB_PVIO* const io = handle->net.pvio;
  if (io != nullptr) io->methods->blocking(io, 0, nullptr);
}

}  // namespace roost::mysql
