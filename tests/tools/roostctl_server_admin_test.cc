// tests/tools/roostctl_server_admin_test.cc - roostctl server ... against real servers: what it makes, what it finds, and
// what it never shows.
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "roost/pool.h"
#include "roost/postgres.h"
#include "tests/support/postgres_server.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/program.h"
#include "tests/tools/schema_database.h"
#include "tools/roostctl/server_check.h"
#ifdef ROOST_TEST_MYSQL
#include "roost/mysql.h"
#include "roost/query.h"
#include "tests/support/mariadb_server.h"
#endif

namespace roost::tools {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

struct OneProfile : profiles::RaspberryPiRemote {
  static constexpr const char* kName = "one";
  static constexpr int kPoolSize = 1;
  static constexpr int kMaxOverflow = 0;
  static constexpr OpenBy kOpenBy = OpenBy::kCaller;
};

class RoostctlServerAdminTest : public ::testing::Test {
 protected:
  // Statements and their parameters go to the log.
  static support::PostgresServer& Server() {
    static support::PostgresServer server(
        {.settings = {"max_connections = 40", "log_statement = all",
                      "log_min_duration_statement = 0"}});
    return server;
  }
  static std::string Uri() { return Server().Uri("sslmode=disable", "postgres"); }

  void SetUp() override {
    Server().Sql(
        "SET client_min_messages = warning; DROP SCHEMA IF EXISTS roost CASCADE; SELECT 1");
    Server().Sql(
        "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY "
        "ARRAY['roost_node','roost_reader','roost_owner'] "
        "LOOP IF to_regrole(r) IS NOT NULL THEN EXECUTE 'DROP OWNED BY ' || r; EXECUTE 'DROP ROLE "
        "' || r; "
        "END IF; END LOOP; END $$");
  }
  static testing::Outcome Run(const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{ROOSTCTL, "server", command, Uri()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return testing::RunProgram(arguments);
  }
  // The finding `name` of check: its verdict, what, and advice.
  static std::string Finding(const std::string& name, std::vector<std::string> more = {}) {
    more.push_back("--json");
    const testing::Outcome ran = Run("check", more);
    const Json json = Json::parse(ran.output, nullptr, false);
    if (!json.is_object()) return ran.output + ran.errors;
    EXPECT_EQ(json["exit_code"], ran.exit);
    for (const Json& check : json["checks"]) {
      if (check["name"] == name) {
        return check["verdict"].get<std::string>() + " " + check["what"].get<std::string>() +
               (check.contains("advice") ? " -> " + check["advice"].get<std::string>() : "");
      }
    }
    return "no finding " + name;
  }
  static std::string FirstLine(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  const support::TempDir dir_{};
};

TEST_F(RoostctlServerAdminTest, FromAnEmptyServerToABatch) {
  const testing::Outcome before = Run("check");
  EXPECT_EQ(before.exit, 1);
  EXPECT_THAT(before.errors, HasSubstr("roostctl server init " + Uri()));
  const testing::Outcome init = Run("init");
  EXPECT_EQ(init.exit, 0) << init.errors;
  EXPECT_THAT(init.output, HasSubstr("the schema roost is there, version 1"));
  EXPECT_THAT(init.output, HasSubstr("\\password roost_node"));
  EXPECT_EQ(Run("init").exit, 0) << "again";
  const std::string file = dir_.File("roof.token");
  ASSERT_EQ(Run("add-node", {"roof", "--token-file", file}).exit, 0);
  struct stat info {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const std::string token = FirstLine(file);
  EXPECT_THAT(token, ::testing::MatchesRegex("[0-9a-f]{64}"));
  testing::PgSession node(Server(), "postgres", "roost_node");
  testing::Batch batch = testing::RowsFrom(1, 10);
  batch.who = "roof";
  batch.token = token;
  const testing::Answer answer = node.Run(testing::kIngest, batch.Arguments());
  EXPECT_EQ(answer.first(), "10") << answer.message;
  EXPECT_EQ(Run("check", {"--balance"}).exit, 0);
  EXPECT_THAT(Run("nodes").output, ContainsRegex("roof +[0-9].* ago"));
  EXPECT_EQ(Run("silent").exit, 0);
  // Neither the command's statements nor the node's show it, although all are logged.
  EXPECT_THAT(Server().Log(), HasSubstr("roost.ingest"));
  EXPECT_THAT(Server().Log(), Not(HasSubstr(token)));
}

TEST_F(RoostctlServerAdminTest, TokensGoToANewFileOrWhereTheyWereAskedFor) {
  ASSERT_EQ(Run("init").exit, 0);
  const testing::Outcome nowhere = Run("add-node", {"roof"});
  EXPECT_EQ(nowhere.exit, 2);
  EXPECT_THAT(nowhere.errors, HasSubstr("--token-file PATH, or --stdout"));
  const std::string file = dir_.File("token");
  Write(file, "precious\n");
  const testing::Outcome taken = Run("add-node", {"roof", "--token-file", file});
  EXPECT_EQ(taken.exit, 1);
  EXPECT_THAT(taken.errors, HasSubstr("is not written over"));
  EXPECT_EQ(FirstLine(file), "precious");
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node"), "0") << "nothing was done";
  EXPECT_EQ(Run("add-node", {"roof", "cellar", "--token-file", dir_.File("no/folder")}).exit, 1);
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node"), "0");

  const testing::Outcome printed = Run("add-node", {"roof", "--stdout"});
  EXPECT_THAT(printed.output, ::testing::MatchesRegex("[0-9a-f]{64}\n"));
  const std::string half = dir_.File("half");
  const testing::Outcome twice = Run("add-node", {"cellar", "roof", "--token-file", half});
  EXPECT_EQ(twice.exit, 1);
  EXPECT_THAT(twice.errors, HasSubstr("there is a node roof: nothing was done"));
  EXPECT_FALSE(std::ifstream(half).good()) << "no file of tokens that are none";
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node"), "1");
  const testing::Outcome json = Run("rotate-token", {"roof", "--stdout", "--json"});
  EXPECT_EQ(Json::parse(json.output)["tokens"]["roof"].get<std::string>().size(), 64u);
  EXPECT_EQ(Server().Sql("SELECT old_until > now() + interval '6 days' AND old_token = sha256('" +
                         printed.output.substr(0, 64) + "') FROM roost.node"),
            "t")
      << "the one before is good for a week";
  EXPECT_EQ(Run("rotate-token", {"roof", "--now", "--stdout"}).exit, 0);
  EXPECT_EQ(Server().Sql("SELECT old_token IS NULL FROM roost.node"), "t");
  EXPECT_THAT(Run("rotate-token", {"attic", "--stdout"}).errors,
              HasSubstr("there is no node attic"));
}

TEST_F(RoostctlServerAdminTest, AThousandNodesInOneCommand) {
  ASSERT_EQ(Run("init").exit, 0);
  std::string names = "# the farm\n\n";
  for (int i = 1; i <= 1000; ++i) names += "node" + std::to_string(i) + "\r\n";
  Write(dir_.File("names"), names);
  const testing::Outcome ran = Run("add-node", {"o'brien \"x\"\\", "--names", dir_.File("names"),
                                                "--token-file", dir_.File("tokens")});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  std::ifstream file(dir_.File("tokens"));
  std::set<std::string> tokens;
  for (std::string line; std::getline(file, line);) tokens.insert(line.substr(line.find('\t') + 1));
  EXPECT_EQ(tokens.size(), 1001u);
  EXPECT_EQ(Server().Sql("SELECT count(DISTINCT token) FROM roost.node"), "1001");
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node WHERE name = E'o''brien \"x\"\\\\'"),
            "1");
  Write(dir_.File("wrong"), "a\nb\tc\n");
  EXPECT_THAT(Run("add-node", {"--names", dir_.File("wrong"), "--stdout"}).errors,
              HasSubstr("line 2: "));
  Write(dir_.File("wrong"), "a\nb\na\n");
  EXPECT_THAT(Run("add-node", {"--names", dir_.File("wrong"), "--stdout"}).errors,
              HasSubstr("line 3: a comes twice"));
}

TEST_F(RoostctlServerAdminTest, ADisabledNodeIsRefusedUntilItIsEnabled) {
  ASSERT_EQ(Run("init").exit, 0);
  ASSERT_EQ(Run("add-node", {"roof", "cellar", "--token-file", dir_.File("t")}).exit, 0);
  EXPECT_EQ(Run("disable-node", {"roof"}).exit, 0);
  EXPECT_EQ(Server().Sql("SELECT string_agg(name, ' ') FROM roost.node WHERE NOT enabled"), "roof");
  EXPECT_THAT(Run("nodes").output, HasSubstr("disabled"));
  EXPECT_THAT(Run("disable-node", {"cellar", "attic"}).errors,
              HasSubstr("there is no node attic: nothing"));
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node WHERE NOT enabled"), "1");
  EXPECT_EQ(Run("enable-node", {"roof"}).exit, 0);
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node WHERE NOT enabled"), "0");
  const testing::Outcome silent = Run("silent", {"--json"});
  EXPECT_EQ(silent.exit, 1);
  EXPECT_EQ(Json::parse(silent.output)["nodes"].size(), 2u);
  Server().Sql("UPDATE roost.node SET seen = now() - interval '20 minutes'");
  EXPECT_EQ(Run("silent").exit, 1);
  EXPECT_EQ(Run("silent", {"--for", "1h"}).exit, 0);
}

TEST_F(RoostctlServerAdminTest, ACodeIsKeptAsItsHash) {
  ASSERT_EQ(Run("init").exit, 0);
  const std::string file = dir_.File("code");
  ASSERT_EQ(Run("enroll-code", {"--nodes", "2", "--for", "1h", "--token-file", file}).exit, 0);
  const std::string code = FirstLine(file);
  EXPECT_EQ(Server().Sql("SELECT nodes_left || ' ' || (code = sha256('" + code +
                         "')) || ' ' || (until - made) FROM roost.enrol_code"),
            "2 true 01:00:00");
  testing::PgSession node(Server(), "postgres", "roost_node");
  EXPECT_EQ(node.Run("SELECT roost.enroll($1, 'roof', 'machine')", {code}).first().size(), 64u);
}

// What is printed does what the command does.
TEST_F(RoostctlServerAdminTest, ThePrintedSqlDoesTheSame) {
  const testing::Outcome script =
      testing::RunProgram({ROOSTCTL, "server", "init", "--print", "--nodes", "10"});
  ASSERT_EQ(script.exit, 0);
  Server().Sql(script.output);
  EXPECT_EQ(Server().Sql("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'roost_node'"), "20");
  const testing::Outcome add = Run("add-node", {"o'brien\\", "--print"});
  EXPECT_EQ(Server().Sql("SELECT count(*) FROM roost.node"), "0") << "nothing was done";
  Server().Sql(add.output);
  EXPECT_EQ(Server().Sql("SELECT name FROM roost.node"), "o'brien\\");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"tend", "--keep-server", "30d"},
                                             {"rotate-token", "o'brien\\"},
                                             {"disable-node", "o'brien\\"},
                                             {"enroll-code", "--nodes", "3"}}) {
    std::vector<std::string> more(command.begin() + 1, command.end());
    more.emplace_back("--print");
    Server().Sql(Run(command.front(), more).output);
  }
  EXPECT_EQ(Server().Sql("SELECT enabled::text || (old_token IS NOT NULL) FROM roost.node"),
            "falsetrue");
  EXPECT_EQ(Server().Sql("SELECT sum(nodes_left) FROM roost.enrol_code"), "3");
}

// ---- check ----------------------------------------------------------------------------------------

TEST_F(RoostctlServerAdminTest, CheckFindsWhatIsWrong) {
  ASSERT_EQ(Run("init").exit, 0);
  ASSERT_EQ(Run("add-node", {"roof", "cellar", "--token-file", dir_.File("t")}).exit, 0);
  for (const char* const name :
       {"version", "grants", "rights", "role", "partitions", "clones", "rejects"}) {
    EXPECT_THAT(Finding(name), StartsWith("pass ")) << name;
  }
  const struct {
    const char* finding;
    const char* damage;
    const char* says;
  } kCases[] = {
      {"grants", "REVOKE EXECUTE ON FUNCTION roost.beat FROM roost_node",
       "fail .*EXECUTE of beat.*server init"},
      {"grants", "REVOKE USAGE ON SCHEMA roost FROM roost_node", "fail .*USAGE on the schema"},
      {"grants", "DROP FUNCTION roost.enroll", "fail .*the function enroll"},
      {"grants", "ALTER TABLE roost.gap RENAME TO gone", "fail .*the table roost.gap"},
      {"rights", "GRANT SELECT ON roost.node TO PUBLIC", "fail .*PUBLIC may use node"},
      {"rights", "GRANT EXECUTE ON FUNCTION roost.tend TO node", "fail .*node may call tend"},
      {"rights", "ALTER FUNCTION roost.hello OWNER TO postgres", "fail .*hello runs as postgres"},
      {"rights", "ALTER FUNCTION roost.hello RESET search_path", "fail .*hello has no search_path"},
      {"rights", "GRANT pg_read_all_data TO roost_node", "fail .*member of pg_read_all_data"},
      {"role", "ALTER ROLE roost_node RESET statement_timeout", "warn .*statement_timeout"},
      {"role", "ALTER ROLE roost_node CONNECTION LIMIT -1", "warn .*CONNECTION LIMIT"},
      {"budget", "ALTER ROLE roost_node CONNECTION LIMIT 1000", "warn .*CONNECTION LIMIT 32"},
      {"budget", "ALTER ROLE roost_node CONNECTION LIMIT 3", "warn .*init --nodes 2"},
      {"partitions",
       "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE "
       "inhparent "
       "= 'roost.reading'::regclass LOOP EXECUTE format('DROP TABLE %s', p); END LOOP; END $$",
       "fail none for today.*server tend"},
      {"partitions",
       "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE "
       "inhparent "
       "= 'roost.reading'::regclass ORDER BY 1 OFFSET 3 LOOP EXECUTE format('DROP TABLE %s', p); "
       "END LOOP; "
       "END $$",
       "warn from today on for 3 days"},
      {"clones",
       "UPDATE roost.node SET clones = 2, machine = 'aaaa', machine_before = 'bbbb' WHERE name = "
       "'roof'",
       "warn the name roof is used by the machines aaaa and bbbb, noticed 2 times.*rotate-token"},
      {"silent", "SELECT 1", "warn 2 nodes: cellar .never., roof .never."},
      {"rejects",
       "INSERT INTO roost.reject(node, epoch, seq, state, why) VALUES (1, 1, 1, '23514', 'sane')",
       "warn 1 rows refused.*23514 sane"},
      {"version", "UPDATE roost.version SET v = 2", "fail version 2, and this roostctl knows 1"},
      {"balance", "INSERT INTO roost.mark VALUES (1, 1, 1, 10)", "fail .*roof 10"},
  };
  // Each damage in a transaction that ends with the look at it.
  PostgresBackend backend({.uri = Uri()});
  PoolFor<OneProfile> pool(backend);
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(std::chrono::seconds(60)));
  ASSERT_TRUE(lease.ok()) << lease.status();
  for (const auto& item : kCases) {
    ASSERT_TRUE(lease->RunScript("BEGIN").ok());
    const absl::Status damaged = lease->RunScript(item.damage);
    EXPECT_TRUE(damaged.ok()) << damaged;
    const absl::StatusOr<std::vector<ServerFinding>> findings =
        CheckPostgresServer(*lease, nullptr, true);
    EXPECT_TRUE(findings.ok()) << item.damage << ": " << findings.status();
    std::string found;
    for (const ServerFinding& finding : findings.value_or(std::vector<ServerFinding>{})) {
      constexpr const char* kVerdicts[] = {"pass ", "warn ", "fail "};
      if (std::string_view(finding.name) != item.finding) continue;
      found = kVerdicts[static_cast<int>(finding.verdict)] + finding.what + " -> " + finding.advice;
    }
    EXPECT_THAT(found, ContainsRegex(item.says)) << item.damage;
    ASSERT_TRUE(lease->RunScript("ROLLBACK").ok());
  }
  EXPECT_EQ(Run("check").exit, 0) << "of what is only to be looked at";
  EXPECT_EQ(Run("check", {"--strict"}).exit, 1);
  Server().Sql("INSERT INTO roost.mark VALUES (1, 1, 1, 10)");
  EXPECT_EQ(Run("check").exit, 0);
  EXPECT_EQ(Run("check", {"--balance"}).exit, 1);
}

TEST_F(RoostctlServerAdminTest, CheckReadsPgbouncersConfiguration) {
  ASSERT_EQ(Run("init").exit, 0);
  const std::string ini = dir_.File("pgbouncer.ini");
  const std::string users = dir_.File("userlist.txt");
  const auto with = [&](const std::string& database, const std::string& settings,
                        const std::string& user) {
    Write(users, user);
    Write(ini, "[databases]\n; password=comment\n" + database +
                   "\n[pgbouncer]\nauth_file = " + users + "\n" + settings);
    return std::vector<std::string>{"--pgbouncer", ini};
  };
  const std::string kScram = "\"roost_node\" \"SCRAM-SHA-256$4096:c2FsdA==$a:b\"\n";
  std::vector<std::string> good = with("farm = host=127.0.0.1 dbname='the password=x farm'",
                                       "pool_mode = transaction\nmax_client_conn = 200\n", kScram);
  for (const char* const name :
       {"pgbouncer.mode", "pgbouncer.password", "pgbouncer.secrets", "pgbouncer.clients"}) {
    EXPECT_THAT(Finding(name, good), StartsWith("pass ")) << name;
  }
  EXPECT_THAT(Finding("pgbouncer.mode", good), HasSubstr("pooler=transaction"));
  EXPECT_THAT(Finding("pgbouncer.mode", with("", "pool_mode = session\n", kScram)),
              StartsWith("warn "));
  EXPECT_THAT(Finding("pgbouncer.clients", with("", "max_client_conn = 50\n", kScram)),
              HasSubstr("max_client_conn = 100"));
  const std::vector<std::string> bad = with("farm = host=127.0.0.1 user=ingest password=swordfish",
                                            "", kScram + "\"app\" \"swordfish\"\n");
  EXPECT_THAT(Finding("pgbouncer.password", bad),
              StartsWith("fail password= in the [databases] line of farm"));
  EXPECT_THAT(Finding("pgbouncer.secrets", bad),
              StartsWith("fail plain passwords in auth_file of app"));
  const testing::Outcome ran = Run("check", bad);
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.output + ran.errors, Not(HasSubstr("swordfish")));
  EXPECT_THAT(Finding("budget", with("", "default_pool_size = 60\n", kScram)),
              HasSubstr("lower PgBouncer's"));
  EXPECT_THAT(Run("check", {"--pgbouncer", dir_.File("none")}).errors, HasSubstr("cannot be read"));
}

// ---- Who runs it, and how -------------------------------------------------------------------------

TEST_F(RoostctlServerAdminTest, WhoMayCreateRolesNeedBeNoSuperuser) {
  Server().Sql(
      "DO $$ BEGIN IF to_regrole('dba') IS NULL THEN CREATE ROLE dba LOGIN CREATEROLE; END IF; END "
      "$$");
  Server().Sql("GRANT CREATE ON DATABASE postgres TO dba WITH GRANT OPTION");
  const std::string uri = Server().Uri("sslmode=disable", "dba");
  const testing::Outcome init = testing::RunProgram({ROOSTCTL, "server", "init", uri});
  EXPECT_EQ(init.exit, 0) << init.errors;
  EXPECT_EQ(testing::RunProgram({ROOSTCTL, "server", "add-node", uri, "roof", "--stdout"}).exit, 0);
  EXPECT_EQ(testing::RunProgram({ROOSTCTL, "server", "check", uri}).exit, 0);
  const testing::Outcome nobody = testing::RunProgram(
      {ROOSTCTL, "server", "add-node", Server().Uri("sslmode=disable"), "x", "--stdout"});
  EXPECT_EQ(nobody.exit, 1);
  EXPECT_THAT(nobody.errors, HasSubstr("GRANT roost_owner TO"));
  Server().Sql(
      "DROP SCHEMA roost CASCADE; DROP OWNED BY dba, roost_owner, roost_node, roost_reader");
  Server().Sql("DROP ROLE dba");
}

TEST_F(RoostctlServerAdminTest, AWrongUseSaysWhatIsRight) {
  const testing::Outcome secret = testing::RunProgram(
      {ROOSTCTL, "server", "init", "postgresql://postgres:swordfish@127.0.0.1/x"});
  EXPECT_EQ(secret.exit, 2);
  EXPECT_THAT(secret.errors, HasSubstr("--password-file"));
  EXPECT_THAT(secret.errors, Not(HasSubstr("swordfish")));
  EXPECT_EQ(testing::RunProgram({ROOSTCTL, "server"}).exit, 0) << "it prints its help";
  EXPECT_THAT(testing::RunProgram({ROOSTCTL, "server", "init"}).errors,
              HasSubstr("postgresql://USER@HOST"));
  EXPECT_EQ(testing::RunProgram({ROOSTCTL, "server", "init", "/var/lib/roost/node.db"}).exit, 2);
  EXPECT_EQ(Run("tend", {"--keep-server", "1h"}).exit, 2) << "a day is the least";
  EXPECT_EQ(Run("tend", {"--days", "0"}).exit, 2);
  EXPECT_EQ(Run("add-node", {"--stdout"}).exit, 2) << "no name";
  EXPECT_EQ(Run("add-node", {"a", "a", "--stdout"}).exit, 2);
  for (const char* const command :
       {"init", "check", "tend", "add-node", "disable-node", "enable-node", "rotate-token",
        "enroll-code", "nodes", "silent"}) {
    const testing::Outcome help = testing::RunProgram({ROOSTCTL, "server", command, "--help"});
    EXPECT_EQ(help.exit, 0) << command;
    EXPECT_THAT(help.output, HasSubstr("Exit codes: ")) << command;
  }
  std::string uri;
  {
    support::PostgresServer gone({.start = false});
    uri = gone.Uri("sslmode=disable");
  }
  const testing::Outcome away = testing::RunProgram({ROOSTCTL, "server", "nodes", uri, "--json"});
  EXPECT_EQ(away.exit, 4);
  EXPECT_EQ(Json::parse(away.output)["exit_code"], 4);
}

#ifdef ROOST_TEST_MYSQL
// ---- MariaDB --------------------------------------------------------------------------------------

TEST(RoostctlServerMariadbTest, FromAnEmptyServerToBatchesThatCountOnce) {
  support::MariadbServer server(
      {.script = "CREATE USER dba@'127.0.0.1' IDENTIFIED BY ''; GRANT ALL ON *.* TO "
                 "dba@'127.0.0.1' WITH GRANT OPTION"});
  const std::string uri =
      "mysql://dba@127.0.0.1:" + std::to_string(server.port()) + "/?sslmode=disable";
  const support::TempDir dir;
  const auto run = [&uri](const std::string& command, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{ROOSTCTL, "server", command, uri};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return testing::RunProgram(arguments);
  };
  EXPECT_THAT(run("check").errors, HasSubstr("roostctl server init"));
  testing::Outcome ran = run("init");
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  ASSERT_EQ(run("init", {"--nodes", "10"}).exit, 0) << "again";
  EXPECT_EQ(
      server.Sql(
          "SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'roost' AND "
          "TABLE_NAME = 'reading'"),
      "10");
  ran = run("add-node", {"a", "b'\\", "--token-file", dir.File("tokens")});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  EXPECT_EQ(run("add-node", {"c", "a", "--stdout"}).exit, 1);
  EXPECT_EQ(server.Sql("SELECT COUNT(*) FROM roost.node"), "2") << "nothing was done";
  std::ifstream file(dir.File("tokens"));
  std::string token;
  std::getline(file, token);
  token = token.substr(2);
  ASSERT_EQ(token.size(), 64u);
  server.Sql("SET PASSWORD FOR roost_node@'%' = PASSWORD('open sesame')");
  std::ofstream(dir.File("password")) << "open sesame\n";
  chmod(dir.File("password").c_str(), 0600);

  MysqlBackend backend(
      {.uri = "mysql://roost_node@127.0.0.1:" + std::to_string(server.port()) + "/?sslmode=disable",
       .password_file = dir.File("password")});
  PoolFor<OneProfile> pool(backend);
  absl::StatusOr<Lease> lease = pool.Acquire(kWrite, pool.In(std::chrono::seconds(60)));
  ASSERT_TRUE(lease.ok()) << lease.status();
  const auto send = [&](const std::string& arguments,
                        const std::string& with_token) -> std::string {
    const std::string text = "CALL roost.roost_ingest('a', '" + with_token + "', 7, 1, " +
                             arguments + ", 5, 1764417600000000)";
    const auto answer = QueryOne<std::tuple<int64_t, int64_t>>(*lease, Sql(text));
    if (!answer.ok()) return std::string(answer.status().message());
    return std::to_string(std::get<0>(*answer)) + " " + std::to_string(std::get<1>(*answer));
  };
  const std::string first =
      R"(1, 3, 1764417600000, 0, NULL, '[0,1000,1000]', '[1,2,1]', '[1.5,-2,3e2]', '["x","y''"]', '["C",""]', '[]', '[]', '[]', '[]')";
  EXPECT_EQ(send(first, token), "3 0");
  EXPECT_EQ(send(first, token), "3 0") << "the mark";
  EXPECT_EQ(server.Sql("SELECT COUNT(*) FROM roost.reading"), "3");
  EXPECT_EQ(server.Sql("SELECT t FROM roost.readings WHERE seq = 3"), "2025-11-29 12:00:02.000000");
  EXPECT_EQ(
      send(
          R"(3, 4, 1764417600000, 0, NULL, '[0,0]', '[1,1]', '[1,2]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
          token),
      "3 0")
      << "half of it is known";
  EXPECT_EQ(
      send(
          R"(4, 9, 1764417600000, 0, '[0,2]', '[0,1000]', '[1,2]', '[1.5,-2]', '["x",""]', '["C","C"]', '[1,0]', '[5,7]', '[5,9]', '[1,3]')",
          token),
      "9 1")
      << "a row without a name is set aside";
  EXPECT_EQ(server.Sql("SELECT CONCAT(seq, ' ', state) FROM roost.reject"), "6 1048");
  server.Sql("ALTER TABLE roost.reading ADD CONSTRAINT sane CHECK (v < 1000)");
  EXPECT_EQ(
      send(
          R"(10, 12, 1764417600000, 0, NULL, '[0,0,0]', '[1,1,1]', '[1,5000,2]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
          token),
      "12 1");
  // What is no batch.
  for (
      const char* const wrong :
      {R"(13, 14, 0, 0, NULL, '[0]', '[1]', '[1]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
       R"(13, 13, 0, 0, NULL, '[0]', '[2]', '[1]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
       R"(13, 13, 0, 0, NULL, '[0]', '[1]', '["abc"]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
       R"(13, 13, 0, 0, NULL, '[0]', '[1]', '[null]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
       R"(13, 14, 0, 0, '[1,0]', '[0,0]', '[1,1]', '[1,1]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')",
       R"(13, 13, 0, 0, NULL, '[]', '[]', '[]', '[]', '[]', '[1]', '[13]', '[14]', '[1]')"}) {
    EXPECT_THAT(send(wrong, token), HasSubstr("roost: ")) << wrong;
  }
  EXPECT_EQ(server.Sql("SELECT SUM(ABS(missing)) FROM roost.balance"), "0");
  EXPECT_EQ(server.Sql("SELECT MAX(seq) FROM roost.mark"), "12");
  // Who may what.
  EXPECT_THAT(send(first, "guess"), HasSubstr("roost: unknown node or wrong token"));
  for (const char* const sql :
       {"SELECT * FROM roost.node", "DELETE FROM roost.reading", "CALL roost.whoami('a', 'b', @x)",
        "CALL roost.roost_add_nodes('[]')", "CREATE TABLE roost.mine(x INT)",
        "CALL roost.tend(1, NULL, @x)"}) {
    EXPECT_FALSE(lease->RunScript(sql).ok()) << sql;
  }
  // The first batch of a day makes the partitions; one without a partition is no fault of its rows.
  server.Sql("ALTER TABLE roost.reading DROP CONSTRAINT sane");
  server.Sql(
      "ALTER TABLE roost.reading DROP PARTITION " +
      server.Sql(
          "SELECT GROUP_CONCAT(PARTITION_NAME) FROM information_schema.PARTITIONS WHERE "
          "TABLE_SCHEMA = 'roost' AND TABLE_NAME = 'reading' AND PARTITION_NAME LIKE 'p2%'"));
  const std::string next =
      R"(13, 13, 1764417600000, 0, NULL, '[0]', '[1]', '[1]', '["x"]', '["C"]', '[]', '[]', '[]', '[]')";
  EXPECT_THAT(send(next, token), HasSubstr("no partition"));
  EXPECT_EQ(server.Sql("SELECT COUNT(*) FROM roost.reject"), "2");
  server.Sql("UPDATE roost.upkeep SET day = day - INTERVAL 30 DAY");
  EXPECT_EQ(send(next, token), "13 0");
  // Identity.
  const auto hello = [&](const char* epoch, const char* machine) -> int64_t {
    const std::string text = "CALL roost.roost_hello('a', '" + token + "', " + epoch + ", '" +
                             machine + "', '1.0', '[7,9]', '[1,1]')";
    absl::StatusOr<Statement*> statement = lease->Prepare(Sql(text));
    if (!statement.ok()) return -1;
    int64_t clones = -1;
    int rows_seen = 0;
    Rows rows = (*statement)->Query();
    while (rows.Next()) {
      clones = rows.Get<int64_t>(4);
      ++rows_seen;
      const auto mark = rows.Get<std::optional<int64_t>>(7);
      EXPECT_EQ(mark.value_or(-1), rows_seen == 1 ? 13 : -1);
    }
    EXPECT_EQ(rows_seen, 2) << rows.status();
    return clones;
  };
  EXPECT_EQ(hello("1", "m1"), 0);
  EXPECT_EQ(hello("2", "m1"), 0);
  EXPECT_EQ(hello("1", "m1"), 1) << "a run that had ended";
  EXPECT_EQ(hello("1", "m2"), 2);
  ran = run("check");
  EXPECT_EQ(ran.exit, 0) << ran.output << ran.errors;
  EXPECT_THAT(ran.output, HasSubstr("by the machines m2 and m1"));
  // Enrolment.
  ran = run("enroll-code", {"--nodes", "1", "--stdout"});
  ASSERT_EQ(ran.exit, 0) << ran.errors;
  const std::string code = ran.output.substr(0, 64);
  const auto enroll = [&](const std::string& text, const char* name) -> std::string {
    const auto answer = QueryOne<std::string>(
        *lease, Sql{"CALL roost.roost_enroll($1, $2, 'machine')"}, text, name);
    return answer.ok() ? *answer : std::string(answer.status().message());
  };
  EXPECT_THAT(enroll("wrong", "n1"), HasSubstr("the enrolment code is wrong"));
  EXPECT_EQ(enroll(code, "n1").size(), 64u);
  EXPECT_EQ(enroll(code, "n1").size(), 64u) << "the answer was lost";
  EXPECT_THAT(enroll(code, "n2"), HasSubstr("the enrolment code is used up"));
  // Disabled.
  EXPECT_EQ(run("disable-node", {"a"}).exit, 0);
  EXPECT_THAT(send(next, token), HasSubstr("roost: the node is disabled"));
  EXPECT_EQ(run("enable-node", {"a"}).exit, 0);
  EXPECT_EQ(send(next, token), "13 0");
  EXPECT_EQ(run("rotate-token", {"a", "--stdout"}).exit, 0);
  EXPECT_EQ(send(next, token), "13 0") << "the token before";
  EXPECT_EQ(run("rotate-token", {"a", "--now", "--stdout"}).exit, 0);
  EXPECT_THAT(send(next, token), HasSubstr("roost: unknown node or wrong token"));
  EXPECT_EQ(run("check", {"--balance"}).exit, 1) << "partitions were dropped by hand";
}
#endif

}  // namespace
}  // namespace roost::tools
