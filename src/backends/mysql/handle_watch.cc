#include "backends/mysql/handle_watch.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace roost::mysql {
namespace {

constexpr int kRead = 0;
constexpr unsigned long kVerifies = CLIENT_SSL_VERIFY_SERVER_CERT;

// ---- no files for a server ----

int RefuseFile(void** /*file*/, const char* /*name*/, void* /*watch*/) { return 1; }
int ReadNothing(void* /*file*/, char* /*room*/, unsigned int /*size*/) { return 0; }
void EndNothing(void* /*file*/) {}
int SayRefused(void* /*file*/, char* text, unsigned int size) {
  std::strncpy(text, "files of this machine are not sent", size - 1);
  text[size - 1] = '\0';
  return 2;
}

// Null: the handle is none of ours.
HandleWatch* WatchOf(const MYSQL* handle) {
  if (handle->options.local_infile_init != &RefuseFile) return nullptr;
  return static_cast<HandleWatch*>(handle->options.local_infile_userdata);
}

// ---- leaving the library's stack ----

// A packet of one byte, which is no error.
constexpr std::array<unsigned char, 5> kMadeUp{1, 0, 0, 0, 0};

ssize_t ReadMadeUp(MARIADB_PVIO* io, unsigned char* room, size_t size) {
  uint8_t& at = WatchOf(io->mysql)->made_up;
  const size_t count = std::min(size, kMadeUp.size() - at);
  std::memcpy(room, kMadeUp.data() + at, count);
  at = static_cast<uint8_t>(at + count);
  return static_cast<ssize_t>(count);
}

// The library leaves its stack at this answer, and asks again when it is back.
ssize_t LookThenReadMadeUp(MARIADB_PVIO* io, unsigned char* room, size_t size) {
  HandleWatch& watch = *WatchOf(io->mysql);
  if (watch.looked) return ReadMadeUp(io, room, size);
  watch.looked = true;
  errno = EAGAIN;
  return -1;
}

// Leaves the library's stack, and is back when the call is gone on with. `waits`: until something can be
// read; else at once. In a call that may wait for itself, of a holder of the raw handle: does nothing.
void Leave(HandleWatch& watch, MYSQL* handle, bool waits) {
  MARIADB_PVIO* const io = handle->net.pvio;
  if (io == nullptr || watch.leaving || watch.broken) return;
  const NET net = handle->net;
  MARIADB_TLS* const tls = io->ctls;
  unsigned char* const cache = io->cache;
  PVIO_METHODS* const methods = io->methods;

  std::array<unsigned char, 64> room{};
  PVIO_METHODS made_up = *methods;
  made_up.read = &ReadMadeUp;
  made_up.async_read = &LookThenReadMadeUp;
  io->ctls = nullptr;
  io->cache = nullptr;
  io->methods = &made_up;
  handle->net.buff = handle->net.read_pos = handle->net.write_pos = room.data();
  handle->net.buff_end = room.data() + room.size() / 2;
  handle->net.max_packet = room.size() / 2;
  handle->net.where_b = 0;
  handle->net.compress = 0;
  watch.leaving = true;
  watch.looked = false;
  watch.left = !waits;
  watch.made_up = 0;

  watch.lib->mysql_net_read_packet(handle);

  watch.stretch = 0;
  watch.left = false;
  watch.leaving = false;
  handle->net = net;
  io->methods = methods;
  io->cache = cache;
  io->ctls = tls;
}

// In place of poll(2), which the library calls in a TLS handshake.
int WaitInSteps(MARIADB_PVIO* io, my_bool /*is_read*/, int /*milliseconds*/) {
  HandleWatch* const watch = WatchOf(io->mysql);
  if (watch == nullptr) return 0;
  Leave(*watch, io->mysql, true);
  return watch->broken ? 0 : 1;
}

// ---- the watch ----

// Nothing that came is left to the library, which finds a packet without contents and a link that has ended.
void Refuse(MYSQL* handle, const unsigned char* data, size_t size) {
  std::memset(const_cast<unsigned char*>(data), 0, size);  // the library's own buffer
  my_socket fd = -1;
  MARIADB_PVIO* const io = handle->net.pvio;
  if (io != nullptr && io->methods->get_handle(io, &fd) == 0) shutdown(fd, SHUT_RDWR);
}

void OnRead(HandleWatch& watch, MYSQL* handle, const unsigned char* data, size_t size) {
  UnblockHandle(handle);
  if (size == 0 || size > SIZE_MAX / 2) return;  // the end, or -1
  OpeningWatch* const opening = watch.opening;
  if (opening != nullptr && !opening->answered &&
      opening->greeting.Take({reinterpret_cast<const char*>(data), size}) !=
          GreetingReader::Verdict::kGood) {
    Refuse(handle, data, size);
  }
  watch.bytes += size;
  watch.stretch += size;
  if (watch.stretch >= HandleWatch::kStretch) Leave(watch, handle, false);
}

// Of a sign-in by sha256_password (1) or caching_sha2_password (2): the library asks for the server's key, and
// would send the password with it. A packet of a session has the number 0.
bool AsksForKey(const MYSQL& handle, std::string_view packet) {
  const MARIADB_PVIO* const io = handle.net.pvio;
  const bool plain = io != nullptr && io->ctls == nullptr && io->type == PVIO_TYPE_SOCKET;
  return plain && packet.size() == 5 && packet.starts_with(std::string_view("\x01\0\0", 3)) &&
         packet[3] != '\0' && (packet[4] == '\x01' || packet[4] == '\x02');
}

// The first write is the request for TLS: by then the library has noted the host whose name it will
// look for.
void OnWrite(HandleWatch& watch, MYSQL* handle, std::string_view data) {
  MARIADB_PVIO* const io = handle->net.pvio;
  if (watch.opening != nullptr && AsksForKey(*handle, data)) {
    watch.opening->refused_password = true;
    shutdown(handle->net.fd, SHUT_RDWR);
  }
  if (watch.opening != nullptr && !watch.opening->answered && io != nullptr) {
    watch.opening->answered = true;
    watch.opening->original = io->methods;
    watch.opening->stepwise = *io->methods;
    watch.opening->stepwise.wait_io_or_timeout = &WaitInSteps;
    io->methods = &watch.opening->stepwise;
  }
  if (!watch.any_name) return;
  const my_bool off = 0;
  watch.lib->mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &off);
  handle->client_flag &= ~kVerifies;
}

// ---- a statement that is prepared by the call that runs it ----

constexpr unsigned kMalformedPacket = 2027;

int SendBehindPrepare(MYSQL* handle, enum enum_server_command command, const char* data,
                      size_t size, my_bool no_answer, void* statement) {
  if (command == COM_STMT_PREPARE) return 0;  // that has gone ahead
  const HandleWatch& watch = *WatchOf(handle);
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
  HandleWatch& watch = *WatchOf(handle);
  MYSQL_STMT* const statement = watch.unprepared;
  if (statement == nullptr) return watch.methods->db_read_stmt_result(handle);
  statement->state = MYSQL_STMT_INITTED;
  if (watch.lib->mysql_stmt_prepare(statement, watch.sql.data(), watch.sql.size()) != 0) {
    if (handle->net.pvio != nullptr) SkipAnswer(handle, *watch.methods);
    return 1;
  }
  watch.unprepared = nullptr;
  return watch.methods->db_read_stmt_result(handle);
}

}  // namespace

st_mariadb_methods WithPrepare(const st_mariadb_methods& own) {
  st_mariadb_methods methods = own;
  methods.db_command = &SendBehindPrepare;
  methods.db_read_stmt_result = &ReadBehindPrepare;
  return methods;
}

void OnReadOrWrite(int mode, MYSQL* handle, const unsigned char* data, size_t size) {
  HandleWatch* const watch = WatchOf(handle);
  if (watch == nullptr || watch->leaving) return;
  if (mode == kRead) {
    OnRead(*watch, handle, data, size);
  } else {
    OnWrite(*watch, handle, {reinterpret_cast<const char*>(data), size});
  }
  if (watch->certified == nullptr || handle->host == nullptr) return;
  if (std::strcmp(handle->host, watch->certified) == 0) return;
  char* const host = strdup(watch->certified);
  if (host == nullptr) return;  // then the certificate will not fit
  std::free(handle->host);
  handle->host = host;
}

void PrepareHandle(const Libmariadb& lib, MYSQL* handle, HandleWatch& watch) {
  watch.lib = &lib;
  lib.mysql_set_local_infile_handler(handle, &RefuseFile, &ReadNothing, &EndNothing, &SayRefused,
                                     &watch);
}

void ForgetHandle(const Libmariadb& lib, MYSQL* handle) {
  lib.mysql_set_local_infile_handler(handle, &RefuseFile, &ReadNothing, &EndNothing, &SayRefused,
                                     nullptr);
}

void EndOpening(MYSQL* handle, OpeningWatch& opening) {
  MARIADB_PVIO* const io = handle->net.pvio;
  if (io != nullptr && io->methods == &opening.stepwise) io->methods = opening.original;
}

// What the library has noted and nobody has read yet. That an answer has a state of the session at all is no sign: behind
// an error the end of rows says so, too, and what was noted last stays.
bool TakeTransactionMark(const Libmariadb& lib, MYSQL* handle) {
  const char* data = nullptr;
  size_t size = 0;
  bool told = false;
  while (lib.mysql_session_track_get_next(handle, SESSION_TRACK_TRANSACTION_CHARACTERISTICS, &data,
                                          &size) == 0) {
    told = true;
  }
  return told;
}

void UnblockHandle(MYSQL* handle) {
  MARIADB_PVIO* const io = handle->net.pvio;
  if (io != nullptr) io->methods->blocking(io, 0, nullptr);
}

}  // namespace roost::mysql
