#include "tools/roostctl/server_admin.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "roost/pool.h"
#include "roost/query.h"
#include "roost/transaction.h"
#include "tools/common/make_backend.h"
#include "tools/common/text.h"
#include "tools/roostctl/live_lines.h"
#include "tools/roostctl/selftest/remote.h"
#include "tools/roostctl/server_schema.h"
#include "tools/roostctl/server_sql.h"

namespace roost::tools {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWithin = 60s;
constexpr size_t kLongestName = 200;

// A node with its new token.
struct Secret {
  std::string name{};
  std::string text{};
};

bool IsMysqlUri(const ServerAccess& access) {
  if (access.uri.empty()) return access.mysql;
  const std::optional<DatabaseAddress> address = ParseAddress(access.uri, DatabaseKind::kPostgres);
  return address.has_value() && address->kind == DatabaseKind::kMysql;
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// One session, for as long as `work` takes.
template <class F>
int WithServer(Platform& platform, const ServerAccess& access, F&& work) {
  const std::unique_ptr<Backend> backend = MakeRemoteBackend(
      access.uri, {.application_name = "roostctl server", .password_file = access.password_file});
  PoolFor<selftest::RemoteProfile> pool(*backend, {.name = "server", .platform = &platform});
  const std::string target(backend->target());
  const bool mysql = backend->kind() == "mysql";
  const Deadline deadline = pool.In(kWithin);
  absl::Status status;
  int code = kServerDone;
  {
    absl::StatusOr<Lease> lease = pool.Acquire(kWrite, deadline);
    status = lease.status();
    if (status.ok()) status = work(*lease, target, code);
  }
  pool.Close(deadline).IgnoreError();
  return status.ok() ? code : SayServerFailure(access, target, status, mysql);
}

absl::StatusOr<std::vector<Secret>> AskSecrets(Connection& connection, std::string_view sql,
                                               const std::string& names) {
  absl::StatusOr<Statement*> statement = connection.Prepare(Sql(sql));
  if (!statement.ok()) return statement.status();
  std::vector<Secret> secrets;
  Rows rows = (*statement)->Query(names);
  while (rows.Next()) {
    secrets.push_back(
        {std::string(rows.Get<std::string_view>(0)), std::string(rows.Get<std::string_view>(1))});
  }
  if (!rows.status().ok()) return rows.status();
  return secrets;
}

absl::StatusOr<std::vector<std::string>> AskNames(Connection& connection, std::string_view sql,
                                                  const std::string& names) {
  absl::StatusOr<Statement*> statement = connection.Prepare(Sql(sql));
  if (!statement.ok()) return statement.status();
  std::vector<std::string> done;
  Rows rows = (*statement)->Query(names);
  while (rows.Next()) done.emplace_back(rows.Get<std::string_view>(0));
  if (!rows.status().ok()) return rows.status();
  return done;
}

// "roof", or "roof, cellar and 3 more".
std::string Some(const std::vector<std::string>& names) {
  constexpr size_t kMost = 3;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + PlainText(names[i]);
  }
  if (names.size() > kMost) text += " and " + std::to_string(names.size() - kMost) + " more";
  return text;
}

std::vector<std::string> Without(const std::vector<std::string>& all,
                                 const std::vector<std::string>& some) {
  const std::set<std::string> have(some.begin(), some.end());
  std::vector<std::string> rest;
  for (const std::string& name : all) {
    if (!have.contains(name)) rest.push_back(name);
  }
  return rest;
}

absl::Status CannotWrite(const std::string& path) {
  const int error = errno;
  const char* const advice =
      error == EEXIST ? "; a file that is there is not written over: name another, or remove it"
                      : "";
  return absl::FailedPreconditionError(path + ": " + std::strerror(error) + advice);
}

// A file of secrets, which is there and complete, or not there.
class SecretFile {
 public:
  explicit SecretFile(std::string path) : path_(std::move(path)) {}
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  ~SecretFile() {
    if (fd_ >= 0) close(fd_);
    if (fd_ >= 0 && !kept_) unlink(path_.c_str());
  }
  absl::Status Create() {
    if (path_.empty()) return absl::OkStatus();
    fd_ = open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd_ >= 0 ? absl::OkStatus() : CannotWrite(path_);
  }
  absl::Status Write(std::string_view text) {
    if (fd_ < 0) return absl::OkStatus();
    while (!text.empty()) {
      const ssize_t wrote = write(fd_, text.data(), text.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return CannotWrite(path_);
      text.remove_prefix(static_cast<size_t>(wrote));
    }
    return fsync(fd_) == 0 ? absl::OkStatus() : CannotWrite(path_);
  }
  void Keep() { kept_ = true; }

 private:
  const std::string path_;
  int fd_ = -1;
  bool kept_ = false;
};

// A token alone is what `roost-node --token-file` reads. Several go with their names in front.
std::string SecretLines(const std::vector<Secret>& secrets) {
  if (secrets.size() == 1) return secrets.front().text + "\n";
  std::string text;
  for (const Secret& secret : secrets) text += secret.name + "\t" + secret.text + "\n";
  return text;
}

bool GivesTokens(NodeAction action) {
  return action == NodeAction::kAdd || action == NodeAction::kRotate ||
         action == NodeAction::kRotateNow;
}

std::string_view SqlOf(NodeAction action, bool mysql) {
  const ServerSql& sql = ServerSqlFor(mysql);
  switch (action) {
    case NodeAction::kAdd:
      return sql.add;
    case NodeAction::kRotate:
      return sql.rotate;
    case NodeAction::kRotateNow:
      return sql.rotate_now;
    case NodeAction::kDisable:
      return sql.disable;
    case NodeAction::kEnable:
      return sql.enable;
  }
  return {};
}

const char* WordOf(NodeAction action) {
  switch (action) {
    case NodeAction::kAdd:
      return "added";
    case NodeAction::kRotate:
      return "given new tokens; the ones before are good for 7 more days";
    case NodeAction::kRotateNow:
      return "given new tokens; the ones before are good no longer";
    case NodeAction::kDisable:
      return "disabled: the server refuses their next call, and they keep their readings";
    case NodeAction::kEnable:
      return "enabled";
  }
  return "";
}

absl::Status SomeAreLeft(NodeAction action, const std::vector<std::string>& left) {
  if (action == NodeAction::kAdd) {
    return absl::AlreadyExistsError("there is a node " + Some(left) +
                                    ": nothing was done; a new token for it is made by "
                                    "roostctl server rotate-token");
  }
  return absl::NotFoundError("there is no node " + Some(left) +
                             ": nothing was done; roostctl server nodes lists all");
}

// Secrets are known, and the file with them is complete, before the commit.
absl::Status Act(Connection& connection, NodeAction action, bool mysql,
                 const std::vector<std::string>& names, std::vector<Secret>& secrets,
                 SecretFile& file) {
  const std::string given = Json(names).dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string_view sql = SqlOf(action, mysql);
  std::vector<std::string> done;
  if (GivesTokens(action)) {
    absl::StatusOr<std::vector<Secret>> made = AskSecrets(connection, sql, given);
    if (!made.ok()) return made.status();
    secrets = *std::move(made);
    for (const Secret& secret : secrets) done.push_back(secret.name);
  } else {
    absl::StatusOr<std::vector<std::string>> answered = AskNames(connection, sql, given);
    if (!answered.ok()) return answered.status();
    done = *std::move(answered);
  }
  const std::vector<std::string> left = Without(names, done);
  if (!left.empty()) return SomeAreLeft(action, left);
  return file.Write(SecretLines(secrets));
}

absl::Status InTransaction(Connection& connection, SecretFile& file,
                           const std::function<absl::Status(Connection&)>& work) {
  absl::StatusOr<Transaction> transaction = connection.Begin();
  if (!transaction.ok()) return transaction.status();
  absl::Status status = work(connection);
  if (status.ok()) {
    status = transaction->Commit();
    // Whoever cannot know whether the tokens are good should have them.
    if (status.ok() || absl::IsUnknown(status)) file.Keep();
  }
  return status;
}

// DELIMITER is a command of the mariadb client, to which `--print` is handed; the server itself knows where a body ends.
std::string ForTheServer(const std::string& script) {
  std::istringstream in(script);
  std::string text;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("DELIMITER")) continue;
    text += line == "END //" ? "END;" : line;
    text += '\n';
  }
  return text;
}

std::string Quoted(const std::string& uri) { return uri.empty() ? "URI" : uri; }

}  // namespace

std::string WithAdvice(const absl::Status& status, const std::string& uri, bool mysql) {
  const std::string text(MessageOf(status));
  std::string reason = PlainText(text.substr(0, text.find('\n')));
  const std::string code = ServerCode(status);
  const auto is = [&code](std::initializer_list<const char*> codes) {
    return std::any_of(codes.begin(), codes.end(), [&code](const char* c) { return code == c; });
  };
  if (is({"3F000", "42P01", "42883", "1049", "1146", "1305"})) {
    reason +=
        "; there is no schema roost here, or an older one: roostctl server init " + Quoted(uri);
  } else if (is({"42501", "1044", "1142", "1227", "1370"})) {
    reason += mysql ? "; log in as an administrator"
                    : "; log in as an administrator, or as one whom an administrator gave: GRANT "
                      "roost_owner TO ...";
  } else if (is({"55P03", "1205"})) {
    reason += "; another session holds a lock that is needed: try again";
  }
  return reason;
}

int SayServerFailure(const ServerAccess& access, const std::string& target,
                     const absl::Status& status, bool mysql) {
  const std::string reason = WithAdvice(status, access.uri, mysql);
  // What the server answered has a code; what this program found out itself is no lost link either.
  const bool answered = !ServerCode(status).empty() || absl::IsAlreadyExists(status) ||
                        absl::IsNotFound(status) || absl::IsFailedPrecondition(status) ||
                        absl::IsInvalidArgument(status);
  const bool refused = answered && !absl::IsUnavailable(status) &&
                       !absl::IsUnauthenticated(status) && !absl::IsDeadlineExceeded(status);
  const int code = refused ? kServerRefused : kServerAway;
  if (access.json) {
    std::cout << JsonText(Json{
                     {"format", 1}, {"target", target}, {"exit_code", code}, {"reason", reason}})
              << std::endl;
  }
  std::fprintf(stderr, "roostctl: %s\n", reason.c_str());
  return code;
}

int RunInit(Platform& platform, const ServerAccess& access, const InitCommand& command) {
  const bool mysql = IsMysqlUri(access);
  std::string script(mysql ? kMysqlSchema : kPostgresSchema);
  if (command.nodes > 0) {
    const std::string most = std::to_string(2 * command.nodes);
    script += mysql ? "ALTER USER roost_node@'%' WITH MAX_USER_CONNECTIONS " + most + ";\n"
                    : "ALTER ROLE roost_node CONNECTION LIMIT " + most + ";\n";
  }
  if (access.print) {
    std::cout << script << std::flush;
    return kServerDone;
  }
  return WithServer(
      platform, access, [&](Lease& lease, const std::string& target, int&) -> absl::Status {
        if (const absl::Status made = lease->RunScript(mysql ? ForTheServer(script) : script);
            !made.ok())
          return made;
        if (access.json) {
          std::cout << JsonText(Json{{"format", 1},
                                     {"target", target},
                                     {"exit_code", kServerDone},
                                     {"schema_version", kServerSchemaVersion}})
                    << std::endl;
          return absl::OkStatus();
        }
        std::cout << target << ": the schema roost is there, version " << kServerSchemaVersion
                  << "\n"
                  << (mysql ? "  set a password for the user roost_node: in mariadb, SET PASSWORD "
                              "FOR roost_node@'%' = PASSWORD('...')\n"
                            : "  set a password for the role roost_node, which all nodes log in "
                              "as: in psql, \\password roost_node\n")
                  << "  then a token for each node: roostctl server add-node " << access.uri
                  << " NAME --token-file PATH\n"
                  << "  and look at it: roostctl server check " << access.uri << "\n"
                  << std::flush;
        return absl::OkStatus();
      });
}

int RunTend(Platform& platform, const ServerAccess& access, const TendCommand& command) {
  const bool mysql = IsMysqlUri(access);
  const std::optional<int64_t> keep =
      command.keep_days > 0 ? std::optional<int64_t>(command.keep_days) : std::nullopt;
  const std::string_view sql = ServerSqlFor(mysql).tend;
  if (access.print) {
    std::cout << WrittenOut(sql, {std::to_string(command.days),
                                  keep.has_value() ? std::to_string(*keep) : "NULL"})
              << std::flush;
    return kServerDone;
  }
  return WithServer(platform, access,
                    [&](Lease& lease, const std::string& target, int&) -> absl::Status {
                      const absl::StatusOr<int64_t> made =
                          QueryOne<int64_t>(*lease, Sql(sql), command.days, keep);
                      if (!made.ok()) return made.status();
                      if (access.json) {
                        std::cout << JsonText(Json{{"format", 1},
                                                   {"target", target},
                                                   {"exit_code", kServerDone},
                                                   {"partitions_made", *made}})
                                  << std::endl;
                      } else {
                        std::cout << target << ": " << *made << " partitions made\n" << std::flush;
                      }
                      return absl::OkStatus();
                    });
}

int RunNodeAction(Platform& platform, const ServerAccess& access, NodeAction action,
                  const std::vector<std::string>& names, const SecretPlace& place) {
  const bool mysql = IsMysqlUri(access);
  if (access.print) {
    const std::string given = Json(names).dump(-1, ' ', false, Json::error_handler_t::replace);
    std::cout << (mysql ? "" : "SET standard_conforming_strings = on;\n")
              << WrittenOut(SqlOf(action, mysql), {Literal(given, mysql)}) << std::flush;
    return kServerDone;
  }
  return WithServer(
      platform, access, [&](Lease& lease, const std::string& target, int&) -> absl::Status {
        SecretFile file(place.file);
        absl::Status status = file.Create();
        if (!status.ok()) return status;
        std::vector<Secret> secrets;
        status = InTransaction(*lease, file, [&](Connection& connection) {
          return Act(connection, action, mysql, names, secrets, file);
        });
        if (!status.ok()) return status;
        Json nodes = Json::array();
        for (const std::string& name : names) nodes.push_back(name);
        if (access.json) {
          Json json{{"format", 1},
                    {"target", target},
                    {"exit_code", kServerDone},
                    {"nodes", std::move(nodes)}};
          if (place.to_stdout) {
            Json& tokens = json["tokens"] = Json::object();
            for (const Secret& secret : secrets) tokens[secret.name] = secret.text;
          }
          std::cout << JsonText(json) << std::endl;
        } else if (place.to_stdout) {
          std::cout << SecretLines(secrets) << std::flush;
        }
        if (!access.json) {
          std::fprintf(stderr, "roostctl: %s: %s\n", Some(names).c_str(), WordOf(action));
        }
        return absl::OkStatus();
      });
}

int RunEnrollCode(Platform& platform, const ServerAccess& access, const EnrollCodeCommand& command,
                  const SecretPlace& place) {
  const bool mysql = IsMysqlUri(access);
  const std::string_view sql = ServerSqlFor(mysql).enroll_code;
  if (access.print) {
    std::cout << WrittenOut(sql, {std::to_string(command.nodes), std::to_string(command.for_s)})
              << std::flush;
    return kServerDone;
  }
  return WithServer(
      platform, access, [&](Lease& lease, const std::string& target, int&) -> absl::Status {
        SecretFile file(place.file);
        absl::Status status = file.Create();
        if (!status.ok()) return status;
        std::string code;
        status = InTransaction(*lease, file, [&](Connection& connection) -> absl::Status {
          const absl::StatusOr<std::string> made =
              QueryOne<std::string>(connection, Sql(sql), command.nodes, command.for_s);
          if (!made.ok()) return made.status();
          code = *made;
          return file.Write(code + "\n");
        });
        if (!status.ok()) return status;
        if (access.json) {
          Json json{{"format", 1},
                    {"target", target},
                    {"exit_code", kServerDone},
                    {"nodes", command.nodes},
                    {"for_s", command.for_s}};
          if (place.to_stdout) json["code"] = code;
          std::cout << JsonText(json) << std::endl;
        } else if (place.to_stdout) {
          std::cout << code << "\n" << std::flush;
        }
        return absl::OkStatus();
      });
}

int RunNodes(Platform& platform, const ServerAccess& access) {
  return WithServer(
      platform, access, [&](Lease& lease, const std::string& target, int&) -> absl::Status {
        absl::StatusOr<Statement*> statement =
            lease->Prepare(Sql(ServerSqlFor(IsMysqlUri(access)).nodes));
        if (!statement.ok()) return statement.status();
        Json nodes = Json::array();
        Rows rows = (*statement)->Query();
        while (rows.Next()) {
          Json node{{"name", std::string(rows.Get<std::string_view>(0))},
                    {"enabled", rows.Get<bool>(1)}};
          const auto put = [&](const char* key, auto value) {
            if (value.has_value()) node[key] = *value;
          };
          put("seen", rows.Get<std::optional<std::string_view>>(2));
          put("silent_s", rows.Get<std::optional<int64_t>>(3));
          put("version", rows.Get<std::optional<std::string_view>>(4));
          put("waiting", rows.Get<std::optional<int64_t>>(5));
          put("oldest_s", rows.Get<std::optional<int64_t>>(6));
          node["clones"] = rows.Get<int64_t>(7);
          nodes.push_back(std::move(node));
        }
        if (!rows.status().ok()) return rows.status();
        if (access.json) {
          std::cout << JsonText(Json{{"format", 1},
                                     {"target", target},
                                     {"exit_code", kServerDone},
                                     {"nodes", std::move(nodes)}})
                    << std::endl;
          return absl::OkStatus();
        }
        size_t width = 4;
        for (const Json& node : nodes) {
          width = std::max(width, WidthOf(node["name"].get_ref<const std::string&>()));
        }
        std::cout << Padded("name", width) << "  seen          waiting  oldest   version\n";
        const auto ago = [](const Json& node, const char* key, const char* none) {
          return node.contains(key) ? FormatDuration(std::chrono::seconds(
                                          std::max<int64_t>(node[key].get<int64_t>(), 0)))
                                    : std::string(none);
        };
        for (const Json& node : nodes) {
          std::string line = Padded(PlainText(node["name"].get<std::string>()), width) + "  ";
          line +=
              Padded(node.contains("silent_s") ? ago(node, "silent_s", "") + " ago" : "never", 14);
          line += Padded(node.contains("waiting") ? node["waiting"].dump() : "-", 9);
          line += Padded(ago(node, "oldest_s", "-"), 9);
          line += PlainText(node.contains("version") ? node["version"].get<std::string>() : "-");
          if (!node["enabled"].get<bool>()) line += "  disabled";
          if (node["clones"].get<int64_t>() > 0) line += "  two machines, see check";
          std::cout << line << "\n";
        }
        std::cout << std::flush;
        return absl::OkStatus();
      });
}

int RunSilent(Platform& platform, const ServerAccess& access, int64_t for_s) {
  return WithServer(
      platform, access, [&](Lease& lease, const std::string& target, int& code) -> absl::Status {
        absl::StatusOr<Statement*> statement =
            lease->Prepare(Sql(ServerSqlFor(IsMysqlUri(access)).silent));
        if (!statement.ok()) return statement.status();
        Json nodes = Json::array();
        Rows rows = (*statement)->Query(for_s);
        while (rows.Next()) {
          Json node{{"name", std::string(rows.Get<std::string_view>(0))}};
          const auto seen = rows.Get<std::optional<std::string_view>>(1);
          const auto silent = rows.Get<std::optional<int64_t>>(2);
          if (seen.has_value()) node["seen"] = *seen;
          if (silent.has_value()) node["silent_s"] = *silent;
          nodes.push_back(std::move(node));
        }
        if (!rows.status().ok()) return rows.status();
        if (!nodes.empty()) code = kServerRefused;
        if (access.json) {
          std::cout << JsonText(Json{{"format", 1},
                                     {"target", target},
                                     {"exit_code", code},
                                     {"for_s", for_s},
                                     {"nodes", std::move(nodes)}})
                    << std::endl;
          return absl::OkStatus();
        }
        for (const Json& node : nodes) {
          std::cout << PlainText(node["name"].get<std::string>()) << "  ";
          if (node.contains("silent_s")) {
            std::cout << "silent for "
                      << FormatDuration(std::chrono::seconds(node["silent_s"].get<int64_t>()))
                      << ", since " << node["seen"].get<std::string>() << "\n";
          } else {
            std::cout << "never heard of\n";
          }
        }
        std::cout << std::flush;
        return absl::OkStatus();
      });
}

absl::StatusOr<std::vector<std::string>> ReadNames(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) return absl::NotFoundError(path + " cannot be read");
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::vector<std::string> names;
  std::set<std::string> have;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string where = path + ", line " + std::to_string(number) + ": ";
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const bool control = std::any_of(line.begin(), line.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (line.size() > kLongestName || control) {
      return absl::InvalidArgumentError(
          where + "a name has 1 to 200 letters, and no tab or other control character");
    }
    if (!have.insert(line).second) {
      return absl::InvalidArgumentError(where + PlainText(line) + " comes twice");
    }
    names.push_back(line);
  }
  return names;
}

}  // namespace roost::tools
