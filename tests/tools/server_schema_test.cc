// tests/tools/server_schema_test.cc - the schema roost on a real PostgreSQL: what a node may, what counts once, what is
// refused, and what each error is.
#include "tools/roostctl/server_schema.h"

#include <atomic>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/postgres_server.h"
#include "tests/tools/schema_database.h"

namespace roost::tools {
namespace {

using testing::Answer;
using testing::Array;
using testing::Batch;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kIngest;
using ::testing::Not;
using testing::PgSession;
using testing::RowsFrom;

support::PostgresServer& Server() {
  static support::PostgresServer server({.settings = {"max_connections = 40"}});
  return server;
}

// A new schema for each test, with the nodes a and b.
class ServerSchemaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Open();
    ASSERT_EQ(
        Ask("SET client_min_messages = warning; DROP SCHEMA IF EXISTS roost CASCADE; SELECT 1"),
        "1");
    ASSERT_EQ(Init(), "");
    ASSERT_EQ(
        admin_->Value("INSERT INTO roost.node(name, token) VALUES ('a', sha256('token of a')), "
                      "('b', sha256('token of b')) RETURNING 'made'"),
        "made");
  }
  void Open() {
    admin_ = std::make_unique<PgSession>(Server(), database_, "postgres");
    node_ = std::make_unique<PgSession>(Server(), database_, "roost_node");
  }
  // An error's state and message, or "".
  std::string Init() {
    const Answer answer = admin_->Run(std::string(kPostgresSchema));
    if (answer.state.empty()) {
      node_ = std::make_unique<PgSession>(Server(), database_, "roost_node");
      return "";
    }
    admin_->Run("ROLLBACK");
    return answer.state + " " + answer.message;
  }
  Answer Send(const Batch& batch) { return node_->Run(kIngest, batch.Arguments()); }
  // "mark rejected", or the SQLSTATE.
  std::string Sent(const Batch& batch) {
    const Answer answer = Send(batch);
    return answer.state.empty() ? answer.rows[0][0] + " " + answer.rows[0][1] : answer.state;
  }
  std::string Ask(const std::string& sql) { return admin_->Value(sql); }
  std::string Rows() { return Ask("SELECT count(*) FROM roost.reading"); }
  std::string Mark() { return Ask("SELECT max(seq) FROM roost.mark"); }
  std::string Missing() {
    return Ask("SELECT coalesce(sum(abs(missing)), 0)::bigint FROM roost.balance");
  }
  Answer Hello(const std::string& who = "a", const std::string& epoch = "7",
               const std::string& machine = "aa", const std::string& epochs = "{}",
               const std::string& los = "{}") {
    return node_->Run(
        "SELECT * FROM roost.hello($1, $2, $3::bigint, $4, '1.0', $5::bigint[], $6::bigint[])",
        {who, "token of " + who, epoch, machine, epochs, los});
  }

  std::string database_ = "postgres";
  std::unique_ptr<PgSession> admin_;
  std::unique_ptr<PgSession> node_;
};

// ---- What counts once -----------------------------------------------------------------------------

TEST_F(ServerSchemaTest, ABatchThatComesAgainCountsOnce) {
  const Batch batch = RowsFrom(1, 500);
  EXPECT_EQ(Sent(batch), "500 0");
  EXPECT_EQ(Sent(batch), "500 0") << "the mark";
  EXPECT_EQ(Rows(), "500");
  EXPECT_EQ(Sent(RowsFrom(401, 200)), "500 0") << "half of it is known: nothing is stored";
  EXPECT_EQ(Sent(RowsFrom(502, 10)), "500 0") << "numbers are left out: nothing is stored";
  EXPECT_EQ(Rows(), "500");
  EXPECT_EQ(Sent(RowsFrom(501, 10)), "510 0");
  EXPECT_EQ(Rows(), "510");
  EXPECT_EQ(Ask("SELECT count(DISTINCT (node, epoch, seq)) FROM roost.reading"), "510");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, RowsHaveTheirNumbersTimesAndNames) {
  Batch batch = RowsFrom(10, 3);
  batch.lo = 10;
  batch.last = 19;
  batch.q = "{0,4,9}";
  batch.dt = "{0,250,-50}";
  batch.s = "{1,2,1}";
  batch.v = "{1.5,-2,1e-300}";
  batch.names = R"({"o'clock; DROP TABLE roost.reading; --","\"ä\\"})";
  batch.units = R"({"","°C"})";
  batch.clock = "2";
  batch.g_why = "{0,1}";
  batch.g_lo = "{11,16}";
  batch.g_hi = "{15,18}";
  batch.g_numbers = "{4,3}";
  EXPECT_EQ(Sent(batch), "19 0");
  const Answer rows = admin_->Run(
      "SELECT node, name, unit, seq, (extract(epoch FROM t) * 1000)::bigint, v, clock FROM "
      "roost.readings ORDER BY seq");
  ASSERT_EQ(rows.rows.size(), 3u) << rows.message;
  EXPECT_THAT(rows.rows[0], ElementsAre("a", "o'clock; DROP TABLE roost.reading; --", "", "10",
                                        "1764417600000", "1.5", "2"));
  EXPECT_THAT(rows.rows[1], ElementsAre("a", "\"ä\\", "°C", "14", "1764417600250", "-2", "2"));
  EXPECT_THAT(rows.rows[2], ElementsAre("a", "o'clock; DROP TABLE roost.reading; --", "", "19",
                                        "1764417600200", "1e-300", "2"));
  EXPECT_EQ(Missing(), "0");
  EXPECT_EQ(Ask("SELECT sum(gaps) FROM roost.balance"), "7");
}

TEST_F(ServerSchemaTest, GapsAloneMoveTheMark) {
  Batch batch = RowsFrom(1, 0);
  batch.last = 1000000;
  batch.g_why = "{1}";
  batch.g_lo = "{1}";
  batch.g_hi = "{1000000}";
  batch.g_numbers = "{1000000}";
  EXPECT_EQ(Sent(batch), "1000000 0");
  EXPECT_EQ(Sent(batch), "1000000 0");
  EXPECT_EQ(Ask("SELECT numbers FROM roost.gap"), "1000000");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, AnUnbalancedBatchIsRefusedWhole) {
  Batch batch = RowsFrom(1, 10);
  batch.last = 11;
  const Answer answer = Send(batch);
  EXPECT_EQ(answer.state, "22023");
  EXPECT_THAT(answer.message,
              HasSubstr("roost: 10 rows and 0 numbers of gaps do not account for 1..11"));
  batch.g_why = "{1}";
  batch.g_lo = "{11}";
  batch.g_hi = "{11}";
  for (const char* const wrong : {"{0}", "{2}", "{-1}", "{NULL}", "{9223372036854775807}"}) {
    batch.g_numbers = wrong;
    EXPECT_EQ(Sent(batch), "22023") << wrong;
  }
  batch.g_numbers = "{1}";
  batch.g_hi = "{12}";
  EXPECT_EQ(Sent(batch), "22023") << "behind the batch";
  batch.g_hi = "{11}";
  EXPECT_EQ(Sent(batch), "11 0");
  EXPECT_EQ(Missing(), "0");
}

// The first batch of a segment, whose mark is not there yet, and a later one.
TEST_F(ServerSchemaTest, TheSameBatchFromTwoSessionsAtOnceCountsOnce) {
  PgSession other(Server(), database_, "roost_node");
  for (const int64_t first : {1, 101}) {
    const Batch batch = RowsFrom(first, 100);
    const std::string last = std::to_string(batch.last);
    node_->Run("BEGIN");
    EXPECT_EQ(Sent(batch), last + " 0");
    other.Start(kIngest, batch.Arguments());
    ASSERT_TRUE(support::WaitUntil([&] {
      return Ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = " +
                 std::to_string(other.pid())) == "1";
    }));
    node_->Run("COMMIT");
    const Answer second = other.Finish();
    EXPECT_EQ(second.state, "") << second.message;
    EXPECT_EQ(second.first(), last);
    EXPECT_EQ(Rows(), last);
  }
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, ARestoredBackupGetsItsReadingsAgain) {
  EXPECT_EQ(Sent(RowsFrom(1, 50)), "50 0");
  node_.reset();
  admin_.reset();
  Server().LetGo();  // a template has no sessions
  {
    PgSession elsewhere(Server(), "template1", "postgres");
    ASSERT_EQ(elsewhere.Run("CREATE DATABASE backup TEMPLATE postgres").state, "");
  }
  Open();
  EXPECT_EQ(Sent(RowsFrom(51, 50)), "100 0");
  database_ = "backup";
  Open();
  const Answer hello = Hello("a", "7", "aa", "{7}", "{1}");
  ASSERT_EQ(hello.state, "") << hello.message;
  EXPECT_EQ(hello.rows[0][7], "50") << "the mark went back";
  EXPECT_EQ(Sent(RowsFrom(101, 50)), "50 0");
  EXPECT_EQ(Sent(RowsFrom(51, 100)), "150 0");
  EXPECT_EQ(Rows(), "150");
  EXPECT_EQ(Missing(), "0");
}

// ---- Rows that the table refuses ------------------------------------------------------------------

TEST_F(ServerSchemaTest, BadRowsAreSetAsideInOneCall) {
  Ask("ALTER TABLE roost.reading ADD CONSTRAINT sane CHECK (v < 1e6)");
  Batch batch = RowsFrom(1, 500);
  batch.v = Array(497, "20.5");
  batch.v.insert(1, "NaN,1e7,");
  batch.v.replace(batch.v.size() - 1, 1, ",NULL}");
  EXPECT_EQ(Sent(batch), "500 3");
  EXPECT_EQ(Sent(batch), "500 0") << "comes again: the mark";
  EXPECT_EQ(Rows(), "497");
  const Answer rejects = admin_->Run("SELECT seq, state, name, v FROM roost.reject ORDER BY seq");
  ASSERT_EQ(rejects.rows.size(), 3u);
  EXPECT_THAT(rejects.rows[0], ElementsAre("1", "23514", "temperature", "NaN"));
  EXPECT_THAT(rejects.rows[1], ElementsAre("2", "23514", "temperature", "10000000"));
  EXPECT_THAT(rejects.rows[2], ElementsAre("500", "23502", "temperature", "NULL"));
  EXPECT_EQ(Sent(RowsFrom(501, 500)), "1000 0");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, InfinityATimeThatIsNoneAndANameThatIsNoneAreSetAside) {
  Batch batch = RowsFrom(1, 4);
  batch.v = "{Infinity,-Infinity,3,4}";
  batch.s = "{1,1,2,1}";
  batch.names = R"({temperature,""})";
  batch.units = "{C,C}";
  EXPECT_EQ(Sent(batch), "4 3");
  Batch absurd = RowsFrom(5, 2);
  absurd.t0 = "9223372036854775807";
  EXPECT_EQ(Sent(absurd), "6 2");
  EXPECT_EQ(Ask("SELECT string_agg(state, ' ' ORDER BY seq) FROM roost.reject"),
            "23514 23514 23502 22003 22003");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, ATableThatRefusesMostRowsIsNoFaultOfTheRows) {
  Ask("ALTER TABLE roost.reading ADD CONSTRAINT sane CHECK (v < 0)");
  const Answer answer = Send(RowsFrom(1, 500));
  EXPECT_EQ(answer.state, "P0001");
  EXPECT_THAT(answer.message, HasSubstr("roost: most rows refused"));
  EXPECT_THAT(answer.message, HasSubstr("sane"));
  EXPECT_EQ(Ask("SELECT count(*) FROM roost.reject"), "0");
  EXPECT_EQ(Mark(), "NULL");
  EXPECT_EQ(Sent(RowsFrom(1, 20)), "20 20") << "so few are";
  EXPECT_EQ(Missing(), "0");
}

// ---- Configuration --------------------------------------------------------------------------------

// Each with the state that a node holds for, and the cure.
TEST_F(ServerSchemaTest, AWrongConfigurationStoresNothingAndSaysItsState) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  const struct {
    const char* state;
    const char* damage;
    const char* cure;
  } kCases[] = {
      {"42P01", "ALTER TABLE roost.reading RENAME TO elsewhere",
       "ALTER TABLE roost.elsewhere RENAME TO reading"},
      {"42501", "REVOKE EXECUTE ON FUNCTION roost.ingest FROM roost_node",
       "GRANT EXECUTE ON FUNCTION roost.ingest TO roost_node"},
      {"42501", "REVOKE USAGE ON SCHEMA roost FROM roost_node",
       "GRANT USAGE ON SCHEMA roost TO roost_node"},
      {"42703", "ALTER TABLE roost.reading RENAME clock TO watch",
       "ALTER TABLE roost.reading RENAME watch TO clock"},
      {"42501", "UPDATE roost.node SET enabled = false", "UPDATE roost.node SET enabled = true"},
      {"3F000", "ALTER SCHEMA roost RENAME TO gone", "ALTER SCHEMA gone RENAME TO roost"},
      {"23514",
       "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE "
       "inhparent = 'roost.reading'::regclass LOOP EXECUTE format('ALTER TABLE roost.reading "
       "DETACH "
       "PARTITION %s', p); END LOOP; END $$",
       "SELECT roost.tend()"},
  };
  int64_t next = 11;
  for (const auto& item : kCases) {
    ASSERT_EQ(admin_->Run(item.damage).state, "") << item.damage;
    const Answer answer = Send(RowsFrom(next, 10));
    EXPECT_EQ(answer.state, item.state) << item.damage << ": " << answer.message;
    EXPECT_EQ(answer.constraint, "") << answer.message;
    ASSERT_EQ(admin_->Run(item.cure).state, "") << item.cure;
    EXPECT_EQ(Mark(), std::to_string(next - 1)) << item.damage;
    EXPECT_EQ(Ask("SELECT count(*) FROM roost.reject"), "0");
    EXPECT_EQ(Sent(RowsFrom(next, 10)), std::to_string(next + 9) + " 0") << item.cure;
    next += 10;
  }
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, InitAgainChangesNothing) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  const std::string kShape =
      "SELECT md5(string_agg(x, E'\\n' ORDER BY x)) FROM (SELECT format('%s %s %s %s', c.oid, "
      "c.relname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a WHERE "
      "a::text NOT LIKE 'roost_owner=%'), "
      "c.reloptions) x FROM pg_class c WHERE relnamespace = "
      "'roost'::regnamespace "
      "AND relkind <> 't' UNION ALL SELECT format('%s %s %s', oid, (SELECT array_agg(a::text ORDER "
      "BY a::text) FROM unnest(proacl) a WHERE a::text NOT LIKE 'roost_owner=%'), prosrc) FROM "
      "pg_proc "
      "WHERE "
      "pronamespace = 'roost'::regnamespace) all_of_it";
  const std::string before = Ask(kShape);
  EXPECT_EQ(Init(), "");
  EXPECT_EQ(Ask(kShape), before);
  EXPECT_EQ(Sent(RowsFrom(11, 10)), "20 0");
  EXPECT_EQ(Ask("SELECT string_agg(v::text, ' ') FROM roost.version"), "1");
  EXPECT_EQ(Ask("SELECT count(*) FROM roost.node"), "2");
}

TEST_F(ServerSchemaTest, AnOlderRoostctlLeavesANewerSchemaAlone) {
  Ask("INSERT INTO roost.version(v) VALUES (2)");
  Ask("ALTER TABLE roost.reading ADD COLUMN quality smallint");
  EXPECT_THAT(Init(), HasSubstr("the schema is of version 2, and this roostctl knows version 1"));
  EXPECT_EQ(Hello().first(), "2") << "a node is told";
  EXPECT_EQ(Sent(RowsFrom(1, 10)), "10 0") << "what it sends is taken as before";
}

TEST_F(ServerSchemaTest, InitMendsWhatWasTakenAway) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  for (const char* const damage :
       {"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA roost FROM roost_node", "DROP VIEW roost.balance",
        "DROP FUNCTION roost.ingest", "GRANT SELECT ON roost.node TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION roost.tend TO PUBLIC",
        "ALTER FUNCTION roost.hello RESET search_path"}) {
    ASSERT_EQ(admin_->Run(damage).state, "") << damage;
    ASSERT_EQ(Init(), "") << damage;
  }
  EXPECT_EQ(Sent(RowsFrom(11, 10)), "20 0");
  EXPECT_EQ(node_->Run("SELECT * FROM roost.node").state, "42501");
  EXPECT_EQ(node_->Run("SELECT roost.tend()").state, "42501");
  EXPECT_EQ(Ask("SELECT proconfig FROM pg_proc WHERE proname = 'hello'"),
            R"({"search_path=pg_catalog, pg_temp"})");
}

TEST_F(ServerSchemaTest, ASchemaOfSomebodyElseIsNotTakenOver) {
  Ask("ALTER SCHEMA roost OWNER TO node");
  EXPECT_THAT(Init(), HasSubstr("there is a schema roost that roost_owner does not own"));
}

// ---- Who may what ---------------------------------------------------------------------------------

TEST_F(ServerSchemaTest, ANodeWritesAsItselfAlone) {
  Batch batch = RowsFrom(1, 10);
  batch.token = "token of b";
  Answer answer = Send(batch);
  EXPECT_EQ(answer.state, "42501");
  EXPECT_EQ(answer.message, "roost: unknown node or wrong token");
  batch.who = "nobody";
  EXPECT_EQ(Send(batch).message, answer.message) << "nothing tells which names there are";
  batch.who = "b";
  EXPECT_EQ(Sent(batch), "10 0");
  for (const char* const token : {"", "NULL", "\\x41", "' OR true --"}) {
    batch.token = token;
    EXPECT_EQ(Sent(batch), "42501") << token;
  }
  EXPECT_EQ(Ask("SELECT string_agg(DISTINCT node, ' ') FROM roost.readings"), "b");
  for (const char* const sql :
       {"SELECT * FROM roost.reading",
        "SELECT * FROM roost.readings",
        "SELECT * FROM roost.node",
        "SELECT * FROM roost.nodes",
        "SELECT * FROM roost.mark",
        "SELECT * FROM roost.enrol_code",
        "INSERT INTO roost.reading SELECT 1, 1, 1, 1, now(), 0, 1",
        "DELETE FROM roost.mark",
        "UPDATE roost.node SET enabled = true",
        "TRUNCATE roost.gap",
        "DROP TABLE roost.gap",
        "CREATE TABLE roost.mine(x int)",
        "CREATE TABLE public.mine(x int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION roost.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT roost.tend()",
        "SELECT roost.whoami('a', 'x')",
        "SELECT roost.random_token()",
        "SELECT roost.tend_by_batch()",
        "SELECT roost.tend_softly()",
        "SET ROLE roost_owner",
        "CREATE ROLE mine",
        "ALTER ROLE roost_node CONNECTION LIMIT 1000"}) {
    EXPECT_EQ(node_->Run(sql).state, "42501") << sql;
  }
}

TEST_F(ServerSchemaTest, ADisabledNodeIsToldSoAndOthersAreNot) {
  Ask("UPDATE roost.node SET enabled = false WHERE name = 'a'");
  const Answer answer = Send(RowsFrom(1, 10));
  EXPECT_EQ(answer.state, "42501");
  EXPECT_EQ(answer.message, "roost: the node is disabled");
  EXPECT_EQ(Hello().message, "roost: the node is disabled");
  Batch guess = RowsFrom(1, 10);
  guess.token = "guess";
  EXPECT_EQ(Send(guess).message, "roost: unknown node or wrong token");
  EXPECT_EQ(Hello("b").state, "");
}

TEST_F(ServerSchemaTest, TheTokenBeforeIsGoodForAWhile) {
  Ask("UPDATE roost.node SET old_token = token, old_until = now() + interval '1 minute', token = "
      "sha256('another') WHERE name = 'a'");
  EXPECT_EQ(Hello().state, "");
  Batch batch = RowsFrom(1, 10);
  batch.token = "another";
  EXPECT_EQ(Sent(batch), "10 0");
  Ask("UPDATE roost.node SET old_until = now() WHERE name = 'a'");
  EXPECT_EQ(Hello().state, "42501");
}

// What a session makes itself must not stand in for what the functions use.
TEST_F(ServerSchemaTest, TemporaryObjectsOfTheCallerAreNotUsed) {
  for (const char* const table :
       {"node", "mark", "reading", "sensor", "gap", "reject", "version", "upkeep", "enrol_code"}) {
    ASSERT_EQ(node_
                  ->Run("CREATE TEMP TABLE " + std::string(table) +
                        " AS SELECT 1 AS node, 'a'::text AS name, sha256('mine') AS token, true AS "
                        "enabled, 99::bigint AS seq, 9 AS v, '2000-01-01'::date AS day")
                  .state,
              "");
  }
  for (const char* const sql :
       {"CREATE TEMP TABLE pg_inherits(inhrelid oid)", "CREATE TEMP TABLE pg_class(oid oid)",
        "CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$SELECT ''::bytea$$",
        "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT "
        "'2000-01-01'::timestamptz$$",
        "SET search_path = pg_temp, roost, public", "SET TimeZone = 'Asia/Kathmandu'",
        "SET DateStyle = 'SQL, DMY'", "SET IntervalStyle = 'iso_8601'",
        "SET standard_conforming_strings = off"}) {
    ASSERT_EQ(node_->Run(sql).state, "") << sql;
  }
  Batch batch = RowsFrom(1, 10);
  batch.token = "mine";
  EXPECT_EQ(Sent(batch), "42501") << "by a table node of its own";
  Ask("UPDATE roost.upkeep SET day = day - 1");
  EXPECT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  EXPECT_EQ(Hello("a", "7", "aa", "{7}", "{1}").rows[0][7], "10");
  EXPECT_EQ(Rows(), "10");
  EXPECT_EQ(Ask("SELECT extract(epoch FROM min(t))::bigint FROM roost.reading"), "1764417601");
}

TEST_F(ServerSchemaTest, TheFunctionsRunAsNobodyGreat) {
  EXPECT_EQ(
      Ask("SELECT string_agg(DISTINCT pg_get_userbyid(proowner)::text, ' ') FROM pg_proc WHERE "
          "pronamespace = 'roost'::regnamespace"),
      "roost_owner");
  EXPECT_EQ(Ask("SELECT count(*) FROM pg_proc WHERE pronamespace = 'roost'::regnamespace AND NOT "
                "'search_path=pg_catalog, pg_temp' = ANY (proconfig)"),
            "0");
  EXPECT_EQ(Ask("SELECT rolsuper OR rolcanlogin FROM pg_roles WHERE rolname = 'roost_owner'"), "f");
}

// ---- Arguments that are none ----------------------------------------------------------------------

TEST_F(ServerSchemaTest, ArraysThatDoNotMatchAreRefusedWhole) {
  const Batch good = RowsFrom(1, 3);
  const auto with = [&good](auto change) {
    Batch batch = good;
    change(batch);
    return batch;
  };
  const Batch kCases[] = {
      with([](Batch& b) { b.dt = "{0,1}"; }),
      with([](Batch& b) { b.dt = "{0,NULL,1}"; }),
      with([](Batch& b) { b.dt = "NULL"; }),
      with([](Batch& b) { b.s = "{1,1}"; }),
      with([](Batch& b) { b.s = "{1,2,1}"; }),
      with([](Batch& b) { b.s = "{1,0,1}"; }),
      with([](Batch& b) { b.s = "{1,NULL,1}"; }),
      with([](Batch& b) { b.v = "{1,2}"; }),
      with([](Batch& b) { b.v = "NULL"; }),
      with([](Batch& b) { b.v = "{{1},{2},{3}}"; }),
      with([](Batch& b) { b.q = "{0,1}"; }),
      with([](Batch& b) { b.q = "{0,1,1}"; }),
      with([](Batch& b) { b.q = "{0,2,1}"; }),
      with([](Batch& b) { b.q = "{0,1,3}"; }),
      with([](Batch& b) { b.q = "{-1,0,1}"; }),
      with([](Batch& b) { b.q = "{0,NULL,2}"; }),
      with([](Batch& b) { b.names = "{x,y}"; }),
      with([](Batch& b) { b.names = "NULL"; }),
      with([](Batch& b) { b.names = "{}"; }),
      with([](Batch& b) { b.names = Array(256, "x"), b.units = Array(256, "x"); }),
      with([](Batch& b) { b.g_why = "{1}"; }),
      with([](Batch& b) { b.clock = "NULL"; }),
      with([](Batch& b) { b.t0 = "NULL"; }),
      with([](Batch& b) { b.lo = 2; }),
      with([](Batch& b) { b.lo = -5; }),
      with([](Batch& b) { b.first = 4; }),
      with([](Batch& b) { b.last = INT64_MAX; }),
      with([](Batch& b) { b.first = INT64_MIN, b.last = INT64_MAX, b.lo = INT64_MIN; }),
      with([](Batch& b) { b.first = b.last = b.lo = INT64_MAX; }),
  };
  for (const Batch& batch : kCases) {
    const Answer answer = Send(batch);
    EXPECT_EQ(answer.state, "22023") << &batch - kCases << " " << answer.message;
    EXPECT_THAT(answer.message, HasSubstr("roost: ")) << &batch - kCases;
  }
  EXPECT_EQ(Sent(RowsFrom(1, 5001)), "54000") << "halve it";
  EXPECT_EQ(Rows(), "0");
  EXPECT_EQ(Sent(good), "3 0");
}

TEST_F(ServerSchemaTest, HelloTellsTheMarksInTheOrderAsked) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  Answer answer = Hello("a", "7", "aa", "{9,7,7}", "{1,1,5}");
  ASSERT_EQ(answer.rows.size(), 3u) << answer.message;
  EXPECT_EQ(answer.rows[0][0], "1");
  EXPECT_EQ(answer.rows[0][2], "10") << "spread_s of two nodes";
  EXPECT_EQ(answer.rows[0][5] + " " + answer.rows[0][6] + " " + answer.rows[0][7], "9 1 NULL");
  EXPECT_EQ(answer.rows[1][5] + " " + answer.rows[1][6] + " " + answer.rows[1][7], "7 1 10");
  EXPECT_EQ(answer.rows[2][5] + " " + answer.rows[2][6] + " " + answer.rows[2][7], "7 5 NULL");
  EXPECT_EQ(Hello("b", "7", "bb", "{7}", "{1}").rows[0][7], "NULL") << "of another node";
  EXPECT_EQ(Hello("a", "7", "aa").rows.size(), 1u);
  EXPECT_EQ(Hello("a", "7", "aa", Array(33, "7"), Array(33, "1")).state, "22023");
  EXPECT_EQ(Hello("a", "7", "aa", "{7,8}", "{1}").state, "22023");
  EXPECT_EQ(Hello("a", "7", "aa", "{NULL}", "{1}").state, "22023");
  Ask("INSERT INTO roost.node(name, token) SELECT 'n' || i, sha256('x') FROM generate_series(1, "
      "998) i");
  EXPECT_EQ(Hello().rows[0][2], "48") << "12 ms a session, a quarter of a core";
}

TEST_F(ServerSchemaTest, ACopiedCardIsNoticed) {
  EXPECT_EQ(Hello("a", "1", "machine one").rows[0][4], "0");
  EXPECT_EQ(Hello("a", "1", "machine one").rows[0][4], "0") << "a new connection";
  EXPECT_EQ(Hello("a", "2", "machine one").rows[0][4], "0") << "a new run";
  EXPECT_EQ(Hello("a", "3", "machine two").rows[0][4], "1");
  EXPECT_EQ(Ask("SELECT machine || ', ' || machine_before FROM roost.nodes WHERE name = 'a'"),
            "machine two, machine one");
  EXPECT_EQ(Hello("b", "1", "machine").rows[0][4], "0");
  EXPECT_EQ(Hello("b", "2", "machine").rows[0][4], "0");
  EXPECT_EQ(Hello("b", "1", "machine").rows[0][4], "1") << "a run that had ended";
  for (const char* const epoch : {"10", "20"}) {
    Batch batch = RowsFrom(1, 10);
    batch.epoch = std::stoll(epoch);
    EXPECT_EQ(Sent(batch), "10 0") << "both go on";
  }
  EXPECT_EQ(Rows(), "20");
  EXPECT_EQ(Missing(), "0");
}

TEST_F(ServerSchemaTest, ABeatIsSeen) {
  EXPECT_EQ(Ask("SELECT count(*) FROM roost.silent"), "2");
  const Answer beat =
      node_->Run("SELECT roost.beat('a', 'token of a', 7, '1.2.3', 10, 20, 30, 40, 50)");
  EXPECT_EQ(beat.state, "") << beat.message;
  EXPECT_EQ(Ask("SELECT string_agg(name, ' ') FROM roost.silent"), "b");
  EXPECT_EQ(Ask("SELECT concat_ws(' ', version, uptime_s, taken, sealed, waiting, dropped) FROM "
                "roost.nodes WHERE name = 'a'"),
            "1.2.3 10 20 30 40 50");
}

// ---- Enrolment ------------------------------------------------------------------------------------

TEST_F(ServerSchemaTest, ACodeIsGoodForSoManyNodesAndSoLong) {
  Ask("INSERT INTO roost.enrol_code(code, nodes_left, until) VALUES (sha256('code'), 2, now() + "
      "interval '1 hour'), (sha256('old'), 2, now())");
  const auto enroll = [this](const std::string& code, const std::string& name,
                             const std::string& machine) {
    return node_->Run("SELECT roost.enroll($1, $2, $3)", {code, name, machine});
  };
  EXPECT_EQ(enroll("wrong", "n1", "m1").message, "roost: the enrolment code is wrong");
  EXPECT_EQ(enroll("old", "n1", "m1").message, "roost: the enrolment code has expired");
  EXPECT_EQ(enroll("code", "n1", "").state, "22023");
  EXPECT_EQ(enroll("code", "a", "m1").state, "23505") << "a name that is taken costs nothing";
  const Answer lost = enroll("code", "n1", "m1");
  ASSERT_EQ(lost.state, "") << lost.message;
  EXPECT_EQ(lost.first().size(), 64u);
  // The answer was lost on its way: the same again gives another token and costs no second use.
  const Answer first = enroll("code", "n1", "m1");
  ASSERT_EQ(first.state, "") << first.message;
  EXPECT_NE(first.first(), lost.first());
  EXPECT_EQ(enroll("code", "n1", "m2").state, "23505") << "another machine";
  Batch batch = RowsFrom(1, 10);
  batch.who = "n1";
  batch.token = lost.first();
  EXPECT_EQ(Sent(batch), "42501");
  batch.token = first.first();
  EXPECT_EQ(Sent(batch), "10 0");
  EXPECT_EQ(enroll("code", "n1", "m1").state, "23505") << "it was heard of";
  EXPECT_EQ(enroll("code", "n2", "m2").state, "");
  EXPECT_EQ(enroll("code", "n3", "m3").message, "roost: the enrolment code is used up");
  EXPECT_EQ(Ask("SELECT count(*) FROM roost.node"), "4");
  EXPECT_EQ(enroll("code", "n\n4", "m4").message, "roost: the enrolment code is used up");
}

// ---- Partitions -----------------------------------------------------------------------------------

constexpr char kPartitions[] =
    "SELECT count(*) FROM pg_inherits WHERE inhparent = 'roost.reading'::regclass";

TEST_F(ServerSchemaTest, TheFirstBatchOfADayMakesPartitionsOnceForAll) {
  Ask("DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE "
      "inhparent = 'roost.reading'::regclass LOOP EXECUTE format('DROP TABLE %s', p); END LOOP; "
      "END $$");
  Ask("UPDATE roost.upkeep SET day = day - 30");
  Ask("INSERT INTO roost.node(name, token) SELECT 'n' || i, sha256('t') FROM generate_series(1, 8) "
      "i");
  std::vector<std::unique_ptr<PgSession>> sessions;
  for (int i = 1; i <= 8; ++i) {
    sessions.push_back(std::make_unique<PgSession>(Server(), database_, "roost_node"));
    Batch batch = RowsFrom(1, 100);
    batch.who = "n" + std::to_string(i);
    batch.token = "t";
    sessions.back()->Start(kIngest, batch.Arguments());
  }
  for (const auto& session : sessions) {
    const Answer answer = session->Finish();
    EXPECT_EQ(answer.state, "") << answer.message;
    EXPECT_EQ(answer.first(), "100");
  }
  EXPECT_EQ(Ask(kPartitions), "9");
  EXPECT_EQ(Rows(), "800");
  EXPECT_EQ(Ask("SELECT day = (now() AT TIME ZONE 'UTC')::date FROM roost.upkeep"), "t");
}

// A partition is attached: neither a reader nor a writer in a transaction holds it up.
TEST_F(ServerSchemaTest, NobodyWaitsForPartitionsAhead) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  Ask("SELECT roost.tend(3)");
  Ask("DO $$ BEGIN EXECUTE 'DROP TABLE roost.reading_' || to_char((now() AT TIME ZONE 'UTC')::date "
      "+ 8, "
      "'YYYYMMDD'); END $$");
  ASSERT_EQ(Ask(kPartitions), "8");
  Ask("UPDATE roost.upkeep SET day = day - 1");
  PgSession reader(Server(), database_, "postgres");
  reader.Run(
      "BEGIN; SELECT count(*) FROM roost.reading; INSERT INTO roost.reading SELECT * FROM "
      "roost.reading LIMIT 0");
  EXPECT_EQ(Sent(RowsFrom(11, 10)), "20 0");
  EXPECT_EQ(Ask(kPartitions), "9");
  reader.Run("ROLLBACK");
}

TEST_F(ServerSchemaTest, ABatchGoesOnWherePartitionsAheadCannotBeMade) {
  PgSession holder(Server(), database_, "postgres");
  Ask("DO $$ BEGIN EXECUTE 'DROP TABLE roost.reading_' || to_char((now() AT TIME ZONE 'UTC')::date "
      "+ 8, "
      "'YYYYMMDD'); END $$");
  Ask("UPDATE roost.upkeep SET day = day - 1");
  holder.Run("BEGIN; LOCK TABLE roost.reading IN SHARE UPDATE EXCLUSIVE MODE");
  EXPECT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  EXPECT_EQ(Sent(RowsFrom(11, 10)), "20 0");
  EXPECT_EQ(Ask(kPartitions), "8");
  EXPECT_EQ(Ask("SELECT tried > now() - interval '1 hour' FROM roost.upkeep"), "t")
      << "not again for a minute";
  holder.Run("COMMIT");
  Ask("UPDATE roost.upkeep SET tried = '-infinity'");
  EXPECT_EQ(Sent(RowsFrom(21, 10)), "30 0");
  EXPECT_EQ(Ask(kPartitions), "9");
}

TEST_F(ServerSchemaTest, PartitionsMeetAtMidnightInUtc) {
  Ask("DROP SCHEMA roost CASCADE");
  Ask("SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'");
  ASSERT_EQ(Init(), "");
  Ask("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
  EXPECT_EQ(Ask(kPartitions), "9");
  const Answer rows = admin_->Run(
      "INSERT INTO roost.reading SELECT 1, 1, 1, 1, now(), 0, 1, m + d FROM "
      "(SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + i * interval '1 "
      "day' AS "
      "m FROM generate_series(1, 8) i) midnight, (VALUES (interval '-1 us'), (interval '0')) e(d) "
      "RETURNING tableoid::regclass = to_regclass('roost.reading_' || to_char(arrived AT TIME ZONE "
      "'UTC', 'YYYYMMDD'))");
  ASSERT_EQ(rows.state, "") << rows.message;
  ASSERT_EQ(rows.rows.size(), 16u);
  for (const auto& row : rows.rows) EXPECT_EQ(row[0], "t");
}

TEST_F(ServerSchemaTest, AWrongClockOfANodeMovesNoPartition) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  int64_t next = 11;
  for (const char* const t0 : {"4920091200000", "-1391342400000"}) {
    Batch batch = RowsFrom(next, 10);
    batch.t0 = t0;
    EXPECT_EQ(Sent(batch), std::to_string(next + 9) + " 0");
    next += 10;
  }
  EXPECT_EQ(Ask(kPartitions), "9");
  EXPECT_EQ(Ask("SELECT count(DISTINCT tableoid) FROM roost.reading"), "1");
  EXPECT_EQ(
      Ask("SELECT extract(year FROM max(t) AT TIME ZONE 'UTC') - extract(year FROM min(t) AT TIME "
          "ZONE 'UTC') FROM roost.reading"),
      "200");
  EXPECT_EQ(Ask("SELECT roost.tend()"), "0");
}

TEST_F(ServerSchemaTest, TendDropsWhatIsOldAndOnlyWhenAsked) {
  Ask("DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - 40; BEGIN EXECUTE format('CREATE "
      "TABLE roost.reading_%s PARTITION OF roost.reading FOR VALUES FROM (%L) TO (%L)', to_char(d, "
      "'YYYYMMDD'), d || ' 00:00:00+00', d + 1 || ' 00:00:00+00'); END $$");
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  Ask("UPDATE roost.reading SET arrived = arrived - interval '40 days' WHERE seq <= 4");
  ASSERT_EQ(Ask("SELECT count(DISTINCT tableoid) FROM roost.reading"), "2");
  EXPECT_EQ(Ask("SELECT roost.tend()"), "0");
  EXPECT_EQ(Rows(), "10");
  EXPECT_EQ(Ask("SELECT roost.tend(8, 40)"), "0");
  EXPECT_EQ(Rows(), "10") << "as old as that";
  EXPECT_EQ(Ask("SELECT roost.tend(8, 39)"), "0");
  EXPECT_EQ(Rows(), "6");
  EXPECT_EQ(Missing(), "0") << "what was dropped is accounted for";
  EXPECT_EQ(Ask("SELECT retired FROM roost.balance"), "4");
  EXPECT_THAT(Ask("SELECT roost.tend(0)"), HasSubstr("22023"));
  EXPECT_THAT(Ask("SELECT roost.tend(8, 0)"), HasSubstr("22023"));
}

TEST_F(ServerSchemaTest, WhoMakesPartitionsElsewhereIsLeftAlone) {
  Ask("UPDATE roost.upkeep SET own = false, day = day - 1");
  Ask("DO $$ BEGIN EXECUTE 'DROP TABLE roost.reading_' || to_char((now() AT TIME ZONE 'UTC')::date "
      "+ 8, "
      "'YYYYMMDD'); END $$");
  EXPECT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  EXPECT_EQ(Ask("SELECT roost.tend()"), "0");
  EXPECT_EQ(Ask(kPartitions), "8");
}

TEST_F(ServerSchemaTest, TheBalanceShowsWhatWasDeletedByHand) {
  ASSERT_EQ(Sent(RowsFrom(1, 10)), "10 0");
  EXPECT_EQ(Missing(), "0");
  Ask("DELETE FROM roost.reading WHERE seq = 5");
  EXPECT_EQ(Missing(), "1");
}

TEST_F(ServerSchemaTest, MarksAreUpdatedInPlace) {
  for (int64_t first = 1; first <= 200; ++first) {
    ASSERT_EQ(Sent(RowsFrom(first, 1)), std::to_string(first) + " 0");
  }
  // The counts of a session are told when it ends.
  node_.reset();
  EXPECT_TRUE(support::WaitUntil([this] {
    return Ask("SELECT n_tup_upd >= 200 AND n_tup_upd = n_tup_hot_upd FROM pg_stat_user_tables "
               "WHERE "
               "relid = 'roost.mark'::regclass") == "t";
  }));
  EXPECT_EQ(Ask("SELECT pg_relation_size('roost.mark')"), "8192");
}

}  // namespace
}  // namespace roost::tools
